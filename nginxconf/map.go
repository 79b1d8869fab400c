package nginxconf

// mapFinder finds the default of the map that sets a variable.
type mapFinder struct{ variable string }

func (mapFinder) parse(words []string) finder {
	if len(words) == 2 && words[0] == "map" && isVariable(words[1]) {
		return mapFinder{words[1]}
	}
	return nil
}

func (f mapFinder) String() string { return "map " + f.variable }

func (f mapFinder) decides(name string) bool { return name == "map" }

func (f mapFinder) find(r reading, colors Colors) ([]Word, error) {
	maps := r.each(func(s *statement) bool {
		variable, some := s.arg(1)
		return s.isBlock && s.name() == "map" && some && variable.value == f.variable
	})
	var defaults []placed
	for _, m := range maps {
		defaults = append(defaults, m.defaults()...)
	}
	if len(maps) > 1 || len(defaults) > 1 {
		return nil, refuseFile("`%s` has %s in %s, expected one default", f, counted(len(defaults), "default", "defaults"), counted(len(maps), "map", "maps"))
	}
	return r.targets(defaults, 0, colors, f.String(), Word{Variable: f.variable})
}

// defaults are the entries of a map that are used where no other one fits.
func (s placed) defaults() []placed {
	var found []placed
	for _, entry := range s.inside() {
		if entry.is("default") {
			found = append(found, entry)
		}
	}
	return found
}

func (mapFinder) candidates(r reading, colors Colors) []finder {
	var found []finder
	for _, entry := range r.ofColor("default", 0, colors) {
		if n := len(entry.in); n > 0 && entry.in[n-1].name() == "map" && len(entry.in[n-1].args()) == 2 {
			found = append(found, mapFinder{entry.in[n-1].words[2].value})
		}
	}
	return found
}
