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
// the same in every statement that decides. Statements elsewhere may differ.
func agree(src []byte, all []statement, found []scope) error {
	meaning, err := parse(src)
	if err != nil {
		return refuseFile("gonginx cannot read the file: %s", err)
	}
	theirs := upstreamsOf(meaning)
	ourNames, theirNames := rawNames(upstreams(all)), namesOf(theirs)
	if !slices.Equal(ourNames, theirNames) {
		return refuseFile("the two readings see the upstreams of the file differently: %q here, %q by gonginx", ourNames, theirNames)
	}
	for _, s := range found {
		if !s.sameAs(meaning, theirs) {
			return s.refuse(src, "the two readings see %s differently", title(s.name))
		}
	}
	return nil
}

// parse runs gonginx, which has been seen to panic on odd input. It follows no
// include and opens no file.
func parse(src []byte) (c *config.Config, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panics: %v", p)
		}
	}()
	return parser.NewStringParser(string(src), parser.WithSkipValidDirectivesErr()).Parse()
}

// upstreamsOf returns all upstream blocks, at any depth.
func upstreamsOf(b config.IBlock) []*config.Upstream {
	var found []*config.Upstream
	for _, d := range b.GetDirectives() {
		if u, ok := d.(*config.Upstream); ok {
			found = append(found, u)
		}
		if inner := d.GetBlock(); inner != nil {
			found = append(found, upstreamsOf(inner)...)
		}
	}
	return found
}

func namesOf(blocks []*config.Upstream) []string {
	var names []string
	for _, u := range blocks {
		names = append(names, u.UpstreamName)
	}
	slices.Sort(names)
	return names
}

func rawNames(blocks []*statement) []string {
	var names []string
	for _, u := range blocks {
		names = append(names, u.args()[0].raw)
	}
	slices.Sort(names)
	return names
}

// sameAs compares the scope with gonginx's reading of it.
func (s scope) sameAs(meaning *config.Config, blocks []*config.Upstream) bool {
	if s.block == nil {
		return sameInside(s.inside, meaning.GetDirectives())
	}
	name := s.block.args()[0].raw
	i := slices.IndexFunc(blocks, func(u *config.Upstream) bool { return u.UpstreamName == name })
	return i >= 0 && blocks[i].GetLine() == s.block.endLine && sameInside(s.inside, blocks[i].GetDirectives())
}

// sameInside compares server lines and other statements each in their order:
// gonginx moves the server lines behind the others.
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
		if _, ok := d.(*config.UpstreamServer); ok {
			theirServers = append(theirServers, d)
		} else {
			theirOthers = append(theirOthers, d)
		}
	}
	return slices.EqualFunc(servers, theirServers, sameServer) && slices.EqualFunc(others, theirOthers, sameStatement)
}

// sameStatement compares a simple statement word by word, quotes and all.
// gonginx gives the line of the closing semicolon.
func sameStatement(ours statement, theirs config.IDirective) bool {
	if ours.isBlock || theirs.GetBlock() != nil || ours.endLine != theirs.GetLine() || ours.words[0].raw != theirs.GetName() {
		return false
	}
	return slices.EqualFunc(ours.args(), theirs.GetParameters(), func(w word, p config.Parameter) bool {
		return w.raw == p.Value
	})
}

// sameServer compares the address, the flags in their order, and the key=value
// parameters, of which gonginx keeps the last of each key.
func sameServer(ours statement, d config.IDirective) bool {
	theirs := d.(*config.UpstreamServer)
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
