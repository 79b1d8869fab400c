package nginxconf

import (
	"slices"
	"strings"
)

// scope is what one entry of the layout means in this file: an upstream block,
// or the whole file where it is a fragment.
type scope struct {
	name   string
	block  *statement // nil for a fragment
	inside []statement
	colors Colors
}

// choose finds the scopes of the layout, in the order of their names.
func choose(src []byte, all []statement, layout Layout) ([]scope, error) {
	blocks := upstreams(all)
	for _, u := range blocks {
		if len(u.args()) != 1 {
			return nil, refuseAt(src, u.words[0].Start, "an upstream has %d names, expected 1", len(u.args()))
		}
	}
	var found []scope
	for _, name := range layout.names() {
		s, err := chooseOne(src, all, blocks, name)
		if err != nil {
			return nil, err
		}
		s.colors = layout[name]
		if err := s.checkContent(src); err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

func chooseOne(src []byte, all []statement, blocks []*statement, name string) (scope, error) {
	if name == Sole {
		var err error
		if name, err = soleName(all, blocks); err != nil {
			return scope{}, err
		}
	}
	if name == "" {
		return scope{inside: all}, nil
	}
	var named []*statement
	for _, u := range blocks {
		if u.args()[0].value == name {
			named = append(named, u)
		}
	}
	switch len(named) {
	case 0:
		return scope{}, refuseFile("no upstream %s, expected one: the file has %s", name, list(blocks))
	case 1:
		return scope{name: name, block: named[0], inside: named[0].block}, nil
	}
	again := named[len(named)-1]
	return scope{}, refuseAt(src, again.words[0].Start, "upstream %s is defined %d times, expected once", name, len(named))
}

// soleName resolves Sole; the empty name is the fragment.
func soleName(all []statement, blocks []*statement) (string, error) {
	names := distinctNames(blocks)
	switch {
	case len(names) == 1:
		return names[0], nil
	case len(names) > 1:
		return "", refuseFile("the file has %d upstreams, expected 1: name one of %s", len(names), strings.Join(names, ", "))
	case slices.ContainsFunc(all, func(s statement) bool { return s.is("server") }):
		return "", nil
	}
	return "", refuseFile("the file has no upstream and no server line, expected one upstream")
}

func distinctNames(blocks []*statement) []string {
	var names []string
	for _, u := range blocks {
		if name := u.args()[0].value; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// list names the upstreams of the file for a message.
func list(blocks []*statement) string {
	if len(blocks) == 0 {
		return "none"
	}
	return strings.Join(distinctNames(blocks), ", ")
}

// checkContent refuses what would decide beside the server lines, or instead.
func (s scope) checkContent(src []byte) error {
	for _, st := range s.inside {
		at := st.words[0].Start
		switch name := st.name(); {
		case strings.HasPrefix(name, "balancer_by_lua"):
			return refuseAt(src, at, "%s chooses the server of %s, expected server lines only", name, title(s.name))
		case st.isBlock:
			return refuseAt(src, at, "a block %s stands in %s, expected server lines", quote(name), title(s.name))
		case name == "include":
			return refuseAt(src, at, "an include stands in %s, expected every server in this file", title(s.name))
		}
	}
	if len(s.servers()) == 0 {
		return s.refuse(src, "%s has no server, expected %s", title(s.name), s.colors)
	}
	return nil
}

// refuse refuses the scope as a whole.
func (s scope) refuse(src []byte, format string, args ...any) error {
	if s.block == nil {
		return refuseFile(format, args...)
	}
	return refuseAt(src, s.block.words[0].Start, format, args...)
}

func (s scope) servers() []statement {
	var servers []statement
	for _, st := range s.inside {
		if st.is("server") {
			servers = append(servers, st)
		}
	}
	return servers
}

// readWords returns the deciding words of the scope, all of one color.
func (s scope) readWords(src []byte) ([]Word, error) {
	var words []Word
	for _, server := range s.servers() {
		w, err := s.readServer(src, server)
		if err != nil {
			return nil, err
		}
		if err := checkBeside(src, words, w); err != nil {
			return nil, err
		}
		words = append(words, w)
	}
	return words, s.checkCount(src, len(words))
}

// readServer reads the deciding word of one server line.
func (s scope) readServer(src []byte, server statement) (Word, error) {
	if len(server.args()) == 0 {
		return Word{}, refuseAt(src, server.words[0].Start, "a server without an address, expected %s", s.colors)
	}
	w := server.args()[0]
	for _, arg := range server.args()[1:] {
		if arg.value == "down" || arg.value == "backup" {
			return Word{}, refuseAt(src, arg.Start, "server %s is marked %s, expected no server that is down or backup", quote(w.value), arg.value)
		}
	}
	word := Word{Span: w.Span, Line: w.line, Value: w.value, Upstream: s.name, colors: s.colors}
	ok := false
	if a, err := ParseAddress(w.value); err == nil {
		word.color, word.index, ok = s.colors.find(a)
	}
	if !ok {
		return Word{}, refuseAt(src, w.Start, "server %s belongs to no color, expected %s", quote(w.value), s.colors)
	}
	return word, nil
}

// checkBeside refuses a word that contradicts, or repeats, one before it.
func checkBeside(src []byte, before []Word, w Word) error {
	for _, b := range before {
		if b.color != w.color {
			return refuseAt(src, w.Start, "server %s is %s, expected %s as in line %d", w.Value, w.color, b.color, b.Line)
		}
		if b.index == w.index {
			return refuseAt(src, w.Start, "server %s stands in line %d already, expected each once", w.Value, b.Line)
		}
	}
	return nil
}

// checkCount compares with one color: the other has as many.
func (s scope) checkCount(src []byte, n int) error {
	if want := len(s.colors[Blue]); want != n {
		return s.refuse(src, "%s has %s, expected %d as each color has", title(s.name), servers(n), want)
	}
	return nil
}
