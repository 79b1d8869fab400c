package nginxconf

import (
	"bytes"
	"cmp"
	"slices"
)

// Word is a deciding word: the first argument of a server line.
type Word struct {
	Span            // without the quotes
	Line     int    // from 1
	Value    string // decoded, as it stands in the file
	Upstream string // empty for a fragment

	colors Colors
	color  Color
	index  int // its place among the servers of its color
}

// File is a file that is understood: all its deciding words agree on a color.
type File struct {
	src    []byte
	layout Layout
	words  []Word // by place in the file
	live   Color
}

// Read finds the deciding words of the file. Every error is a *Refusal.
func Read(src []byte, layout Layout) (*File, error) {
	if err := layout.Validate(); err != nil {
		return nil, refuseFile("%s", err)
	}
	if err := checkBraces(src); err != nil {
		return nil, err
	}
	all, err := readStatements(src)
	if err != nil {
		return nil, err
	}
	found, err := choose(src, all, layout)
	if err != nil {
		return nil, err
	}
	if err := agree(src, all, found); err != nil {
		return nil, err
	}
	f := &File{src: bytes.Clone(src), layout: layout}
	if err := f.decide(found); err != nil {
		return nil, err
	}
	return f, nil
}

// decide reads the deciding words of the scopes, and the color they agree on.
func (f *File) decide(found []scope) error {
	for _, s := range found {
		words, err := s.readWords(f.src)
		if err != nil {
			return err
		}
		f.words = append(f.words, words...)
	}
	slices.SortFunc(f.words, func(a, b Word) int { return cmp.Compare(a.Start, b.Start) })
	f.live = f.words[0].color
	return f.checkUnanimous()
}

// checkUnanimous refuses upstreams that do not have the same color.
func (f *File) checkUnanimous() error {
	first := f.words[0]
	for _, w := range f.words {
		if w.color != first.color {
			return refuseAt(f.src, w.Start, "%s is %s, expected %s as %s in line %d",
				title(w.Upstream), w.color, first.color, title(first.Upstream), first.Line)
		}
	}
	return nil
}

// Live returns the color all deciding words agree on.
func (f *File) Live() Color {
	return f.live
}

// Upstreams returns the names of the upstreams that the file decides; none where
// it is a fragment, which some other file includes in an upstream.
func (f *File) Upstreams() []string {
	var names []string
	for _, w := range f.words {
		if w.Upstream != "" && !slices.Contains(names, w.Upstream) {
			names = append(names, w.Upstream)
		}
	}
	return names
}
