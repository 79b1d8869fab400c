package nginx

import (
	"path/filepath"
	"strings"
)

// commandLine is what a master's title tells of how it was started. nginx
// joins its arguments with single blanks, so quotes are lost.
type commandLine struct{ conf, prefix, globals string }

func parseTitle(title string) commandLine {
	var line commandLine
	words := strings.Fields(strings.TrimPrefix(title, masterTitle))
	into := map[string]*string{"-c": &line.conf, "-p": &line.prefix, "-g": &line.globals}
	var open *string
	for _, word := range words {
		flag := word[:min(2, len(word))]
		target, known := into[flag]
		switch {
		case known && len(word) > 2:
			*target, open = word[2:], nil
		case known:
			open = target
		case strings.HasPrefix(word, "-"):
			open = nil
		case open == &line.globals && *open != "":
			*open += " " + word
		case open != nil:
			*open = word
			if open != &line.globals {
				open = nil
			}
		}
	}
	return line
}

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

func firstWords(title string) string {
	if title == "" {
		return "a process without a name"
	}
	return title[:min(len(title), 60)]
}
