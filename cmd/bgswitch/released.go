package main

import (
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/release"
	"bgswitch/switcher/statedir"
)

// release reads where the names of the releases come from.
func (w written) release() switcher.Releases {
	r := switcher.Releases{Of: map[switcher.Color]release.Source{}, Timeout: switcher.DefaultReleaseTimeout}
	var blue, green written
	w.has(takes{"blue": keep(&blue), "green": keep(&green), "folder": absolute(&r.Folder), "timeout": duration(&r.Timeout)})
	for color, below := range map[switcher.Color]written{switcher.Blue: blue, switcher.Green: green} {
		if below.node != nil {
			r.Of[color] = below.source(r.Folder)
		}
	}
	w.judge(r.Validate())
	return r
}

func (w written) source(folder string) release.Source {
	s := release.Source{}
	w.has(takes{
		"link": absolute(&s.Link), "git": absolute(&s.Git), "url": address(&s.URL), "field": plain(&s.Field), "header": plain(&s.Header),
		"file": absolute(&s.File), "command": func(w written) { s.Command = w.command() },
	})
	if s.Link != "" {
		s.Folder = folder
	}
	w.judge(s.Validate())
	return s
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
