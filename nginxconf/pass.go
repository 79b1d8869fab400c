package nginxconf

import (
	"slices"
	"strings"
)

// passes are the statements that pass a request to a server or an upstream.
var passes = []string{"proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"}

// passFinder finds where requests are passed to: in the locations of one path,
// or in the only statement that passes to a color.
type passFinder struct{ name, location string }

func (passFinder) parse(words []string) finder {
	if !slices.Contains(passes, words[0]) {
		return nil
	}
	if len(words) == 1 {
		return passFinder{name: words[0]}
	}
	if len(words) > 3 && words[1] == "in" && words[2] == "location" {
		return passFinder{words[0], strings.Join(words[3:], " ")}
	}
	return nil
}

func (f passFinder) String() string {
	if f.location == "" {
		return f.name
	}
	return f.name + " in location " + f.location
}

func (f passFinder) decides(name string) bool { return name == f.name }

func (f passFinder) find(r reading, colors Colors) ([]Word, error) {
	var all []placed
	if f.location == "" {
		all = r.ofColor(f.name, 0, colors)
		if len(all) > 1 {
			return nil, refuseAt(r.src, all[1].words[0].Start, "%s passes to a color here and on line %d, expected one place: name it, for example `selector: %s in location %s`",
				f.name, all[0].words[0].line, f.name, all[0].location())
		}
	}
	if len(all) == 0 {
		all = r.each(func(s *statement) bool { return s.is(f.name) })
	}
	if f.location != "" {
		all = slices.DeleteFunc(all, func(s placed) bool { return s.location() != f.location })
	}
	return r.targets(all, 0, colors, f.String(), Word{})
}

// location is the path of the location that a statement stands in, with its
// modifier; empty outside of all.
func (s placed) location() string {
	for _, block := range slices.Backward(s.in) {
		if block.name() == "location" {
			return strings.Join(values(block.args()), " ")
		}
	}
	return ""
}

func (passFinder) candidates(r reading, colors Colors) []finder {
	var found []finder
	for _, name := range passes {
		for _, s := range r.ofColor(name, 0, colors) {
			found = append(found, passFinder{name, s.location()})
		}
	}
	return found
}
