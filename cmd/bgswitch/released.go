package main

import (
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/release"
	"bgswitch/switcher/statedir"

	"go.yaml.in/yaml/v3"
)

// release reads where the names of the releases come from.
func (w written) release(r *switcher.Releases) func() *yaml.Node {
	*r = switcher.Releases{Of: map[switcher.Color]release.Source{}, Timeout: switcher.DefaultReleaseTimeout}
	source := func(color switcher.Color) value {
		return optional(r, func(w written, r *switcher.Releases) func() *yaml.Node {
			s, inForce := w.source(r.Folder)
			r.Of[color] = s
			return inForce
		})
	}
	inForce := w.has(
		setting{"folder", absolute(&r.Folder)}, // the sources look at it
		setting{"timeout", duration(&r.Timeout)},
		setting{"blue", source(switcher.Blue)},
		setting{"green", source(switcher.Green)},
	)
	w.judge(r.Validate())
	return inForce
}

func (w written) source(folder string) (release.Source, func() *yaml.Node) {
	s := release.Source{}
	inForce := w.has(
		setting{"link", absolute(&s.Link)}, setting{"git", absolute(&s.Git)}, setting{"url", address(&s.URL)}, setting{"field", plain(&s.Field)}, setting{"header", plain(&s.Header)},
		setting{"file", absolute(&s.File)}, setting{"command", program(&s.Command)},
	)
	if s.Link != "" {
		s.Folder = folder
	}
	w.judge(s.Validate())
	return s, inForce
}

// releaseWords are what the colors carry; empty where nobody says.
func (t *terminal) releaseWords(all map[switcher.Color]switcher.Release) ink {
	var words []string
	for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
		if r := all[color]; r.Name != "" || r.Err != nil {
			words = append(words, string(inked("%s %s", t.color(color), r)))
		}
	}
	return ink(strings.Join(words, ", "))
}

// releaseObject is what a color carries.
type releaseObject struct {
	Color   switcher.Color `json:"color"`
	Release statedir.Text  `json:"release"`
	Said    bool           `json:"said"`
	Fled    *switcher.Fled `json:"fled"`
	Unknown statedir.Text  `json:"unknown"`

	carried switcher.Release
}

func releasesOf(all map[switcher.Color]switcher.Release) []releaseObject {
	list := []releaseObject{}
	for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
		r := all[color]
		list = append(list, releaseObject{color, statedir.Text(r.Name), r.Said, r.Fled, errorText(r.Err), r})
	}
	return list
}
