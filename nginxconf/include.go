package nginxconf

// includeFinder finds the include of a color's file.
type includeFinder struct{}

func (includeFinder) parse(words []string) finder {
	if len(words) == 1 && words[0] == "include" {
		return includeFinder{}
	}
	return nil
}

func (includeFinder) String() string { return "include" }

func (includeFinder) decides(name string) bool { return name == "include" }

func (f includeFinder) find(r reading, colors Colors) ([]Word, error) {
	all := r.included(colors)
	if len(all) > 1 {
		return nil, refuseAt(r.src, all[1].words[0].Start, "a color is included here and on line %d, expected one place", all[0].words[0].line)
	}
	if len(all) == 0 {
		return nil, refuseFile("the file includes no color, expected %s", colors)
	}
	w, _ := all[0].arg(0)
	color, i, _ := colors.findExactly(w.value)
	return []Word{{
		Span: w.Span, Line: w.line, Value: w.value, Color: color,
		what: "include " + w.value, place: "include", texts: colors.texts(i), in: all[0].in,
	}}, nil
}

// included are the includes of a color's file, by exactly this name.
func (r reading) included(colors Colors) []placed {
	return r.each(func(s *statement) bool {
		w, some := s.arg(0)
		if !some || !s.is("include") {
			return false
		}
		_, _, ok := colors.findExactly(w.value)
		return ok
	})
}

func (includeFinder) candidates(r reading, colors Colors) []finder {
	if len(r.included(colors)) > 0 {
		return []finder{includeFinder{}}
	}
	return nil
}
