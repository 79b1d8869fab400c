// Package doctor finds what is set up in a way that will go wrong one day: in
// nginx's configuration, in the rights of the files, in what runs bgswitch. It
// changes nothing. What it may not look at it calls unknown, and not well.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// Level is how much a finding matters.
type Level int

// The levels, the most important first.
const (
	Problem Level = iota // a switch fails, or proves nothing, or somebody else decides about it
	Unknown              // it could not be looked at
	Advice               // it works, and could work better
)

var levelNames = [...]string{"problem", "unknown", "advice"}

func (l Level) String() string { return levelNames[l] }

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is one thing that was found, and what helps.
type Finding struct {
	Key    string // names the check, the same in every run
	Level  Level
	Sites  []string // that it is about; none: it is the host's
	What   string
	Remedy string // a command, or a line of configuration
}

func problem(remedy, format string, args ...any) Finding {
	return Finding{Level: Problem, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

func advice(remedy, format string, args ...any) Finding {
	return Finding{Level: Advice, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

func unknown(remedy, format string, args ...any) Finding {
	return Finding{Level: Unknown, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

// together says what holds of several sites once, and puts the most important
// first: by level, and by the order of the checks.
func together(all []Finding) (found []Finding) {
	for _, f := range all {
		i := slices.IndexFunc(found, func(g Finding) bool { return g.What == f.What && g.Level == f.Level })
		if i < 0 {
			found = append(found, f)
			continue
		}
		for _, site := range f.Sites {
			if !slices.Contains(found[i].Sites, site) {
				found[i].Sites = append(found[i].Sites, site)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(order(a.Key), order(b.Key)))
	})
	return found
}

// Problems are how many of the findings are problems.
func Problems(all []Finding) (n int) {
	for _, f := range all {
		if f.Level == Problem {
			n++
		}
	}
	return n
}
