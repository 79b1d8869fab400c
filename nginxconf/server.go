package nginxconf

import (
	"slices"
	"strings"
)

// Sole stands for the only upstream of the file, or the fragment.
const Sole = "*"

// serverFinder finds the server lines of an upstream, or those of a bare
// fragment: `server …;` lines at the top level of a file that an upstream
// includes. All of them decide.
type serverFinder struct{ upstream string }

func (serverFinder) parse(words []string) finder {
	if len(words) == 1 && words[0] == "server" {
		return serverFinder{Sole}
	}
	if name, ok := inUpstream("server", words); ok {
		return serverFinder{name}
	}
	return nil
}

// inUpstream reads `NAME in upstream X`.
func inUpstream(name string, words []string) (upstream string, ok bool) {
	if len(words) == 4 && words[0] == name && words[1] == "in" && words[2] == "upstream" {
		return words[3], true
	}
	return "", false
}

func (f serverFinder) String() string {
	if f.upstream == Sole || f.upstream == "" {
		return "server"
	}
	return "server in upstream " + f.upstream
}

func (f serverFinder) decides(name string) bool { return name == "upstream" }

func (f serverFinder) find(r reading, colors Colors) ([]Word, error) {
	p, err := r.pool(f.upstream)
	if err != nil {
		return nil, err
	}
	if err := p.checkContent(r, colors); err != nil {
		return nil, err
	}
	var words []Word
	for _, server := range p.servers() {
		w, err := p.readServer(r, server, colors)
		if err != nil {
			return nil, err
		}
		if err := checkBeside(r.src, words, w); err != nil {
			return nil, err
		}
		words = append(words, w)
	}
	if want := len(colors[Blue]); want != len(words) {
		return nil, p.refuse(r, "%s has %s, expected %d, as each color has", p.title(), servers(len(words)), want)
	}
	return words, nil
}

// readServer reads the deciding word of one server line.
func (p pool) readServer(r reading, server placed, colors Colors) (Word, error) {
	w, color, i, err := server.ofColor(r, colors, "down", "backup")
	if err != nil {
		return Word{}, err
	}
	return Word{
		Span: w.Span, Line: w.line, Value: w.value, Color: color, Upstream: p.name,
		what: "server " + w.value, place: p.title(), texts: colors.texts(i), in: server.in,
	}, nil
}

// ofColor reads the address of a server line, and whose it is. A line with one of
// the flags is refused.
func (s placed) ofColor(r reading, colors Colors, flags ...string) (address word, color Color, i int, err error) {
	address, some := s.arg(0)
	if !some {
		return address, "", 0, refuseAt(r.src, s.words[0].Start, "the server has no address, expected %s", colors)
	}
	if mark, marked := s.marked(flags...); marked {
		return address, "", 0, refuseAt(r.src, mark.Start, "server %s is marked %s, expected a server that is not %s", quote(address.value), mark.value, strings.Join(flags, " or "))
	}
	color, i, ok := colors.find(address.value)
	if !ok {
		return address, "", 0, refuseAt(r.src, address.Start, "server %s is neither blue nor green, expected %s", quote(address.value), colors)
	}
	return address, color, i, nil
}

// marked returns the first of the arguments after the address that is one of
// the flags.
func (s *statement) marked(flags ...string) (word, bool) {
	if len(s.args()) > 1 {
		for _, arg := range s.args()[1:] {
			if slices.Contains(flags, arg.value) {
				return arg, true
			}
		}
	}
	return word{}, false
}

// checkBeside refuses a word that contradicts, or repeats, one before it.
func checkBeside(src []byte, before []Word, w Word) error {
	for _, b := range before {
		if b.Color != w.Color {
			return refuseAt(src, w.Start, "%s is %s, expected %s, as on line %d", w.what, w.Color, b.Color, b.Line)
		}
		if b.texts[b.Color] == w.texts[w.Color] {
			return refuseAt(src, w.Start, "%s is on line %d already, expected once", w.what, b.Line)
		}
	}
	return nil
}

// candidates are the pools in which a server line is of a color; not those that
// hold both colors, where something else chooses.
func (serverFinder) candidates(r reading, colors Colors) []finder {
	var found []finder
	for _, p := range r.pools() {
		if held := p.held(colors); len(held) == 1 {
			found = append(found, serverFinder{p.name})
		}
	}
	return found
}

// onePerColor are the names of two upstreams that hold one color each. To edit
// one of them would be to call it what it is not.
func (r reading) onePerColor(colors Colors) (blue, green string, ok bool) {
	names := map[Color]string{}
	for _, p := range r.pools() {
		held := p.held(colors)
		for color := range held {
			if len(held) == 1 && p.block != nil {
				names[color] = p.name
			}
		}
	}
	return names[Blue], names[Green], names[Blue] != "" && names[Green] != ""
}

// pool is a group of servers: an upstream block, or a bare fragment, which has
// no name and no block.
type pool struct {
	name  string
	block *placed
	all   []placed // what stands in it
}

// pools are all there are in the file.
func (r reading) pools() []pool {
	var found []pool
	for _, u := range r.upstreams() {
		name, _ := u.arg(0)
		found = append(found, pool{name.value, &u, u.inside()})
	}
	fragment := pool{all: r.top()}
	if len(fragment.servers()) > 0 {
		found = append(found, fragment)
	}
	return found
}

// pool is the one of that name, or the sole one.
func (r reading) pool(name string) (pool, error) {
	for _, u := range r.upstreams() {
		if n := len(u.args()); n != 1 {
			return pool{}, refuseAt(r.src, u.words[0].Start, "an upstream has %d names, expected 1", n)
		}
	}
	all := r.pools()
	if name == Sole {
		var err error
		if name, err = soleName(all); err != nil {
			return pool{}, err
		}
	}
	if name == "" {
		return pool{all: r.top()}, nil
	}
	var named []pool
	for _, p := range all {
		if p.name == name {
			named = append(named, p)
		}
	}
	switch len(named) {
	case 0:
		return pool{}, refuseFile("no upstream %s, expected one: the file has %s", name, list(all))
	case 1:
		return named[0], nil
	}
	again := named[len(named)-1]
	return pool{}, again.refuse(r, "upstream %s is defined %d times, expected once", name, len(named))
}

// soleName resolves Sole; the empty name is the fragment.
func soleName(all []pool) (string, error) {
	switch names := upstreamNames(all); {
	case len(names) == 1:
		return names[0], nil
	case len(names) > 1:
		return "", refuseFile("the file has %d upstreams, expected 1: set `upstream:` to one of %s", len(names), strings.Join(names, ", "))
	case len(all) > 0:
		return "", nil
	}
	return "", refuseFile("the file has no upstream and no server line, expected one upstream")
}

func upstreamNames(all []pool) []string {
	var names []string
	for _, p := range all {
		if p.block != nil && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// list names the upstreams of the file for a message.
func list(all []pool) string {
	if names := upstreamNames(all); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "none"
}

// checkContent refuses what would decide beside the server lines, or instead.
func (p pool) checkContent(r reading, colors Colors) error {
	for _, s := range p.all {
		at := s.words[0].Start
		switch name := s.name(); {
		case strings.HasPrefix(name, "balancer_by_lua"):
			return refuseAt(r.src, at, "%s chooses the server of %s, expected only server lines", name, p.title())
		case s.isBlock:
			return refuseAt(r.src, at, "there is a block %s in %s, expected server lines", quote(name), p.title())
		case name == "include":
			return refuseAt(r.src, at, "there is an include in %s, expected every server in this file", p.title())
		}
	}
	if len(p.servers()) == 0 {
		return p.refuse(r, "%s has no server, expected %s", p.title(), colors)
	}
	return nil
}

// refuse refuses the pool as a whole.
func (p pool) refuse(r reading, format string, args ...any) error {
	if p.block == nil {
		return refuseFile(format, args...)
	}
	return refuseAt(r.src, p.block.words[0].Start, format, args...)
}

// title is how messages call the pool.
func (p pool) title() string {
	if p.block == nil {
		return "the file"
	}
	return "upstream " + p.name
}

func (p pool) servers() []placed {
	var servers []placed
	for _, s := range p.all {
		if s.is("server") {
			servers = append(servers, s)
		}
	}
	return servers
}

// held are the colors of which a server stands in the pool.
func (p pool) held(colors Colors) map[Color]bool {
	held := map[Color]bool{}
	for _, s := range p.servers() {
		if w, some := s.arg(0); some {
			if color, _, ok := colors.find(w.value); ok {
				held[color] = true
			}
		}
	}
	return held
}
