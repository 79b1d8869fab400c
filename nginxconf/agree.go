package nginxconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tufanbarisyildirim/gonginx/config"
	"github.com/tufanbarisyildirim/gonginx/parser"
)

// agree has gonginx read the file as well and refuses it unless gonginx sees
// the same: the same statements among which the places were chosen, the same
// blocks around every deciding word, and the same statements beside it. What
// stands elsewhere may differ.
func agree(r reading, finders []finder, words []Word) error {
	meaning, err := parse(r.src)
	if err != nil {
		return refuseFile("gonginx cannot read the file: %s", err)
	}
	for _, f := range finders {
		ours, theirs := headsOf(r, f.decides), theirHeads(meaning, f.decides)
		if !slices.Equal(ours, theirs) {
			return refuseFile("bgswitch and gonginx read what decides in the file differently: %q here, %q by gonginx", ours, theirs)
		}
	}
	for _, w := range words {
		if !sameAround(r.all, w.in, meaning.GetDirectives()) {
			return refuseAt(r.src, w.Start, "bgswitch and gonginx read %s differently", w.place)
		}
	}
	return nil
}

// parse runs gonginx, which has been seen to panic on odd input. It follows no
// include and opens no file.
func parse(src []byte) (c *config.Config, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v", p)
		}
	}()
	return parser.NewStringParser(string(src), parser.WithSkipValidDirectivesErr()).Parse()
}

// headsOf are the statements of these names, at any depth, each as its words
// before the block; those of gonginx are in another order where it moves
// server lines, so both are sorted.
func headsOf(r reading, decides func(string) bool) []string {
	var heads []string
	for _, s := range r.each(func(s *statement) bool { return decides(s.name()) }) {
		heads = append(heads, s.head())
	}
	slices.Sort(heads)
	return heads
}

func (s *statement) head() string {
	head := s.words[0].raw
	for _, w := range s.args() {
		head += " " + w.raw
	}
	return head
}

func theirHeads(b config.IBlock, decides func(string) bool) []string {
	heads := headsWithin(b, decides)
	slices.Sort(heads)
	return heads
}

func headsWithin(b config.IBlock, decides func(string) bool) []string {
	var heads []string
	for _, d := range b.GetDirectives() {
		if decides(d.GetName()) {
			heads = append(heads, theirHead(d))
		}
		if inner := d.GetBlock(); inner != nil {
			heads = append(heads, headsWithin(inner, decides)...)
		}
	}
	return heads
}

func theirHead(d config.IDirective) string {
	head := d.GetName()
	for _, p := range d.GetParameters() {
		head += " " + p.Value
	}
	return head
}

// sameAround compares the blocks around a word, and what stands beside it in
// the innermost one.
func sameAround(ours []statement, in []*statement, theirs []config.IDirective) bool {
	if len(in) == 0 {
		return sameInside(ours, theirs)
	}
	i := slices.IndexFunc(theirs, func(d config.IDirective) bool { return sameBlock(in[0], d) })
	return i >= 0 && sameAround(in[0].block, in[1:], theirs[i].GetBlock().GetDirectives())
}

// sameBlock compares what stands before a block, and where it ends.
func sameBlock(ours *statement, theirs config.IDirective) bool {
	if !ours.isBlock || theirs.GetBlock() == nil || ours.endLine != theirs.GetLine() {
		return false
	}
	if _, isServer := theirs.(*config.Server); isServer { // it keeps no words besides
		return ours.head() == "server"
	}
	return ours.head() == theirHead(theirs)
}

// sameInside compares server lines and other statements each in their order:
// gonginx moves the server lines of an upstream behind the others.
func sameInside(ours []statement, theirs []config.IDirective) bool {
	var servers, others []statement
	for _, s := range ours {
		if s.is("server") {
			servers = append(servers, s)
		} else {
			others = append(others, s)
		}
	}
	var theirServers, theirOthers []config.IDirective
	for _, d := range theirs {
		if d.GetName() == "server" && d.GetBlock() == nil {
			theirServers = append(theirServers, d)
		} else {
			theirOthers = append(theirOthers, d)
		}
	}
	return slices.EqualFunc(servers, theirServers, sameServer) && slices.EqualFunc(others, theirOthers, sameStatement)
}

// sameStatement compares a simple statement word by word, quotes and all, and
// of one with a block what stands before that. gonginx gives the line of the
// closing semicolon or brace.
func sameStatement(ours statement, theirs config.IDirective) bool {
	if ours.isBlock || theirs.GetBlock() != nil {
		return sameBlock(&ours, theirs)
	}
	return ours.endLine == theirs.GetLine() && ours.head() == theirHead(theirs)
}

// sameServer compares the address, the flags in their order, and the key=value
// parameters, of which gonginx keeps the last of each key.
func sameServer(ours statement, d config.IDirective) bool {
	theirs, isServer := d.(*config.UpstreamServer)
	if !isServer {
		return sameStatement(ours, d)
	}
	if ours.words[0].raw != "server" || ours.endLine != theirs.GetLine() {
		return false
	}
	address, flags, params := "", []string{}, map[string]string{}
	for i, w := range ours.args() {
		if key, value, ok := strings.Cut(w.raw, "="); i == 0 {
			address = w.raw
		} else if ok {
			params[key] = value
		} else {
			flags = append(flags, w.raw)
		}
	}
	return address == theirs.Address && slices.Equal(flags, theirs.Flags) && maps.Equal(params, theirs.Parameters)
}
