package nginxconf

import (
	"bytes"
	"cmp"
	"slices"
)

// Word is a deciding word, or the part of one that decides.
type Word struct {
	Span            // without the quotes
	Line     int    // from 1
	Value    string // decoded, as it stands in the file
	Color    Color  // whose it is now
	Upstream string // the name of the upstream that it decides, if any
	Variable string // the variable that it decides, with its $, if any

	what, place string           // how messages call it, and where it stands
	texts       map[Color]string // what it is in each color
	in          []*statement     // the blocks it stands in, the outermost first
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
	f, err := read(src, layout)
	if err != nil {
		return nil, advised(err, src, layout)
	}
	return f, nil
}

func read(src []byte, layout Layout) (*File, error) {
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
	f := &File{src: bytes.Clone(src)}
	r := reading{f.src, all}
	var finders []finder
	for _, p := range layout {
		finder, err := p.Selector.resolve(r, p.Colors)
		if err != nil {
			return nil, err
		}
		words, err := finder.find(r, p.Colors)
		if err != nil {
			return nil, err
		}
		f.words, finders = append(f.words, words...), append(finders, finder)
		f.layout = append(f.layout, Place{Selector{finder}, p.Colors})
	}
	if err := agree(r, finders, f.words); err != nil {
		return nil, err
	}
	return f, f.decide()
}

// decide finds the color that the deciding words agree on.
func (f *File) decide() error {
	slices.SortFunc(f.words, func(a, b Word) int { return cmp.Compare(a.Start, b.Start) })
	first := f.words[0]
	f.live = first.Color
	for _, w := range f.words {
		if w.Color != first.Color {
			return refuseAt(f.src, w.Start, "%s is %s, expected %s, as %s is on line %d", w.place, w.Color, first.Color, first.place, first.Line)
		}
	}
	for i, w := range f.words[1:] {
		if w.Start < f.words[i].End {
			return refuseAt(f.src, w.Start, "%s and %s are the same word, expected each only once", f.words[i].place, w.place)
		}
	}
	return nil
}

// Live returns the color all deciding words agree on.
func (f *File) Live() Color {
	return f.live
}

// Layout is what the file was read with, each selector as it turned out.
func (f *File) Layout() Layout { return slices.Clone(f.layout) }

// Words are the deciding words, in the order of the file.
func (f *File) Words() []Word { return slices.Clone(f.words) }

// Text is what the word is in a color.
func (w Word) Text(c Color) string { return w.texts[c] }

// Place is how messages call where the word stands.
func (w Word) Place() string { return w.place }

// DecidesWhere says whether two files of one layout decide in the same places: in
// the same upstreams, or by the same variables, and for the same server names.
func (f *File) DecidesWhere(other *File) bool { return slices.Equal(f.where(), other.where()) }

func (f *File) where() (all []string) {
	for _, w := range f.words {
		all = append(all, w.place)
		for _, block := range w.in {
			all = append(all, values(block.words)...)
			for i := range block.block {
				if s := &block.block[i]; s.is("server_name") {
					all = append(all, values(s.words)...)
				}
			}
		}
	}
	return all
}
