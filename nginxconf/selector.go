package nginxconf

import (
	"fmt"
	"strings"
)

// Selector says how the deciding words of a file are found, in nginx's own
// words. The zero value finds them where the file leaves no doubt: in the one
// place whose words are a color's.
type Selector struct{ finder }

// finder is one kind of selector.
type finder interface {
	// parse reads a selector of this kind; nil, where it is of another one.
	parse(words []string) finder
	// find returns the deciding words, each with what it is in either color.
	// Its error is a *Refusal.
	find(r reading, colors Colors) ([]Word, error)
	// candidates are the selectors of this kind, each for one place, that the
	// file offers for these colors.
	candidates(r reading, colors Colors) []finder
	// decides tells the statements among which the place is chosen: both
	// readings have to see all of them alike, wherever they stand.
	decides(name string) bool
	// String is the selector as the settings have it.
	String() string
}

// kinds are all kinds of selectors.
var kinds = []finder{serverFinder{}, backupFinder{}, setFinder{}, passFinder{}, mapFinder{}, includeFinder{}}

// ParseSelector reads a selector as the settings have it:
//
//	server                      the server lines of the only upstream, or of a bare fragment
//	server in upstream NAME
//	backup in upstream NAME     both colors stand there, and the idle one is marked backup
//	set $VARIABLE
//	proxy_pass                  or another …_pass: the only one that passes to a color
//	proxy_pass in location PATH
//	map $VARIABLE               the default of the map that sets it
//	include                     the only include of a color's file
//
// The empty string is the zero Selector.
func ParseSelector(s string) (Selector, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Selector{}, nil
	}
	for _, kind := range kinds {
		if f := kind.parse(words); f != nil {
			return Selector{f}, nil
		}
	}
	return Selector{}, fmt.Errorf("cannot read selector: %s: expected one like `server`, `server in upstream app`, `backup in upstream app`, `set $service_url`, `proxy_pass`, `proxy_pass in location /`, `map $backend` or `include`", quote(s))
}

// String is the selector as ParseSelector reads it.
func (s Selector) String() string {
	if s.finder == nil {
		return ""
	}
	return s.finder.String()
}

// ServerOf selects the server lines of an upstream; Sole is whatever one the
// file holds.
func ServerOf(upstream string) Selector { return Selector{serverFinder{upstream}} }

// resolve turns the zero Selector into the one that the file leaves no doubt
// about.
func (s Selector) resolve(r reading, colors Colors) (finder, error) {
	if s.finder != nil {
		return s.finder, nil
	}
	var found []finder
	for _, kind := range kinds {
		found = append(found, kind.candidates(r, colors)...)
	}
	switch len(found) {
	case 0:
		if len(r.pools()) == 0 {
			return nil, refuseFile("nothing in the file is blue or green, expected %s", colors)
		}
		return serverFinder{Sole}, nil // its refusal says what is missing
	case 1:
		return found[0], nil
	}
	if blue, green, ok := r.onePerColor(colors); ok {
		return nil, refuseFile("upstream %s is blue's and upstream %s is green's, so something else decides: name it, for example `selector: set $active`, with `blue: %s` and `green: %s`", blue, green, blue, green)
	}
	return nil, refuseFile("%d places name a color, expected one: say which, as `selector: %s`", len(found), joined(found))
}

func joined(found []finder) string {
	var names []string
	for _, f := range found {
		names = append(names, f.String())
	}
	return strings.Join(names, "` or `selector: ")
}

// reading is a file as the scanner sees it.
type reading struct {
	src []byte
	all []statement
}

// placed is a statement, and the blocks it stands in, the outermost first.
type placed struct {
	*statement
	in []*statement
}

// each returns the statements that are asked for, at any depth, in the file's
// order.
func (r reading) each(wanted func(s *statement) bool) []placed {
	return within(r.all, nil, wanted)
}

func within(all []statement, in []*statement, wanted func(s *statement) bool) []placed {
	var found []placed
	for i := range all {
		s := &all[i]
		if wanted(s) {
			found = append(found, placed{s, in})
		}
		if s.isBlock {
			found = append(found, within(s.block, append(in[:len(in):len(in)], s), wanted)...)
		}
	}
	return found
}

// upstreams are all upstream blocks, at any depth.
func (r reading) upstreams() []placed {
	return r.each(func(s *statement) bool { return s.isBlock && s.name() == "upstream" })
}

// top is what stands outside of all blocks.
func (r reading) top() []placed { return beside(r.all, nil) }

// inside is what stands in a block itself.
func (s placed) inside() []placed {
	return beside(s.block, append(s.in[:len(s.in):len(s.in)], s.statement))
}

func beside(all []statement, in []*statement) []placed {
	var found []placed
	for i := range all {
		found = append(found, placed{&all[i], in})
	}
	return found
}

// arg is an argument, from 0; false where there is none.
func (s *statement) arg(i int) (word, bool) {
	if args := s.args(); i < len(args) {
		return args[i], true
	}
	return word{}, false
}
