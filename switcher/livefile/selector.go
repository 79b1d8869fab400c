package livefile

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Selector says whether the name leads through a link that itself selects the
// color, as `active.conf -> blue.conf` does beside `green.conf`, or
// `active -> blue/` beside `green/`. sibling is the file of the other color.
// Editing such a file would make blue.conf say green.
func Selector(named string) (sibling string, ok bool) {
	path, err := Resolve(named)
	if err != nil {
		return "", false
	}
	asked, steps := strings.Split(named, "/"), strings.Split(path, "/")
	for i, step := range steps {
		if !slices.Contains(asked, step) {
			steps[i] = otherColor(step)
		}
	}
	sibling = strings.Join(steps, "/")
	if sibling == path {
		return "", false
	}
	info, err := os.Stat(filepath.Clean(sibling))
	return sibling, err == nil && info.Mode().IsRegular()
}

var letters = regexp.MustCompile(`[A-Za-z]+`)

// otherColor turns blue into green and green into blue, where they stand as
// words.
func otherColor(name string) string {
	return letters.ReplaceAllStringFunc(name, func(word string) string {
		switch word {
		case "blue":
			return "green"
		case "green":
			return "blue"
		}
		return word
	})
}
