package switcher

import (
	"strings"

	"bgswitch/switcher/livefile"

	"github.com/rogpeppe/go-internal/diff"
)

// diffLines is how many lines of a diff are told.
const diffLines = 20

// nearest is the color whose file differs least from another one, and how.
func nearest(file *livefile.File, of map[Color]*livefile.File) (color Color, shortest string) {
	for _, c := range []Color{Blue, Green} {
		text := string(diff.Diff(of[c].Path, of[c].Bytes, file.Path, file.Bytes))
		if shortest == "" || len(text) < len(shortest) {
			color, shortest = c, text
		}
	}
	if lines := strings.SplitAfter(shortest, "\n"); len(lines) > diffLines {
		shortest = strings.Join(lines[:diffLines], "") + "...\n"
	}
	return color, shortest
}
