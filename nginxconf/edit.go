package nginxconf

import "bytes"

// Edit returns the file with the servers of the color in the deciding words.
// The result is proved before it is returned: read again it is the same file
// but for these words. Where the color is live already the bytes are those
// that were read. Every error is a *Refusal.
func (f *File) Edit(to Color) ([]byte, error) {
	if _, err := ParseColor(string(to)); err != nil {
		return nil, refuseFile("%s", err)
	}
	if to == f.live {
		return bytes.Clone(f.src), nil
	}
	after := splice(f.src, f.words, f.replacements(to))
	if err := f.prove(after, to); err != nil {
		return nil, err
	}
	return after, nil
}

// replacements returns what each deciding word becomes.
func (f *File) replacements(to Color) []string {
	texts := make([]string, len(f.words))
	for i, w := range f.words {
		texts[i] = w.texts[to]
	}
	return texts
}

// splice puts the texts in the place of the words, which come in the order of
// the file.
func splice(src []byte, words []Word, texts []string) []byte {
	out := make([]byte, 0, len(src)+64*len(words))
	at := 0
	for i, w := range words {
		out = append(out, src[at:w.Start]...)
		out = append(out, texts[i]...)
		at = w.End
	}
	return append(out, src[at:]...)
}

// prove reads the edited file with both readings and compares: with the old
// words back in their place every byte is the old one.
func (f *File) prove(after []byte, to Color) error {
	edited, err := Read(after, f.layout)
	if err != nil {
		return refuseFile("the edited file is not understood: %s", err)
	}
	if len(edited.words) != len(f.words) {
		return refuseFile("the edited file has %d deciding words, expected %d", len(edited.words), len(f.words))
	}
	old := make([]string, len(f.words))
	for i, want := range f.replacements(to) {
		was, is := f.words[i], edited.words[i]
		if is.Value != want || is.Line != was.Line || is.Upstream != was.Upstream {
			return refuseAt(edited.src, is.Start, "the edited word is %s, expected %s in line %d", quote(is.Value), want, was.Line)
		}
		if old[i] = string(f.src[was.Start:was.End]); decode(old[i]) != was.Value {
			return refuseAt(f.src, was.Start, "the edit changed %s, expected no more than %s", quote(old[i]), was.Value)
		}
	}
	if !bytes.Equal(splice(edited.src, edited.words, old), f.src) {
		return refuseFile("the edit changed bytes outside the deciding words")
	}
	return nil
}
