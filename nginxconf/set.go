package nginxconf

import "strings"

// setFinder finds the value of a variable, wherever it is set in the file.
type setFinder struct{ variable string }

func (setFinder) parse(words []string) finder {
	if len(words) == 2 && words[0] == "set" && isVariable(words[1]) {
		return setFinder{words[1]}
	}
	return nil
}

func isVariable(s string) bool { return len(s) > 1 && strings.HasPrefix(s, "$") }

func (f setFinder) String() string { return "set " + f.variable }

func (f setFinder) decides(name string) bool { return name == "set" }

func (f setFinder) find(r reading, colors Colors) ([]Word, error) {
	sets := r.each(func(s *statement) bool {
		variable, ok := s.arg(0)
		return ok && s.is("set") && variable.value == f.variable
	})
	return r.targets(sets, 1, colors, f.String(), Word{Variable: f.variable})
}

func (setFinder) candidates(r reading, colors Colors) []finder {
	var found []finder
	for _, s := range r.ofColor("set", 1, colors) {
		found = once(found, setFinder{s.words[1].value})
	}
	return found
}

// ofColor are the statements whose i-th argument is a value of a color.
func (r reading) ofColor(name string, i int, colors Colors) []placed {
	return r.each(func(s *statement) bool {
		w, some := s.arg(i)
		if !some || !s.is(name) {
			return false
		}
		_, _, ok := colors.findTarget(w)
		return ok
	})
}

// once adds what is not there yet.
func once(all []finder, f finder) []finder {
	for _, before := range all {
		if before == f {
			return all
		}
	}
	return append(all, f)
}

// targets reads the i-th argument of each statement: the whole word or, in one
// that holds a scheme or a path, the part between them. like says the rest of
// what is known of each word.
func (r reading) targets(all []placed, i int, colors Colors, what string, like Word) ([]Word, error) {
	if len(all) == 0 {
		return nil, refuseFile("the file has no `%s`, expected one", what)
	}
	if n := len(colors[Blue]); n != 1 {
		return nil, refuseFile("each color has %d values, expected one for `%s`", n, what)
	}
	var words []Word
	for _, s := range all {
		w, some := s.arg(i)
		if !some {
			return nil, refuseAt(r.src, s.words[0].Start, "`%s` has no value, expected %s", what, colors)
		}
		span, color, ok := colors.findTarget(w)
		if !ok {
			return nil, refuseAt(r.src, w.Start, "`%s` is %s, which is neither blue nor green, expected %s", what, quote(w.value), colors)
		}
		word := like
		word.Span, word.Line, word.Value, word.Color = span, w.line, string(r.src[span.Start:span.End]), color
		word.what, word.place, word.texts, word.in = what+" "+w.value, "`"+what+"`", colors.texts(0), s.in
		words = append(words, word)
	}
	return words, nil
}
