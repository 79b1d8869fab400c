package nginxconf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Misnamed is a comment that names the wrong color. Nothing reads one but people.
type Misnamed struct {
	Line int // from 1
	Text string
	Why  string
}

// Misnamed are the comments of the file that say of a value that it is the other
// color's, or that the color is live that is not. One that says nothing of the
// kind names no color wrongly.
func (f *File) Misnamed() (found []Misnamed) {
	pieces, err := scan(f.src)
	if err != nil {
		return nil
	}
	decides := map[int]Color{} // by line
	for _, p := range pieces {
		if color, ok := f.valueOf(p); ok {
			decides[p.line] = color
		}
	}
	for _, p := range pieces {
		if p.kind != aComment {
			continue
		}
		text := string(f.src[p.Start:p.End])
		if why := f.wrongly(text, decides[p.line]); why != "" {
			found = append(found, Misnamed{p.line, strings.TrimSpace(text), why})
		}
	}
	return found
}

// valueOf is the color whose value a word is.
func (f *File) valueOf(p piece) (Color, bool) {
	if p.kind != aWord {
		return "", false
	}
	g := grouping{src: f.src}
	w := g.word(p)
	for _, place := range f.layout {
		if _, color, ok := place.Colors.findTarget(w); ok {
			return color, true
		}
	}
	return "", false
}

var (
	blueGreen = regexp.MustCompile(`(?i)\bblue\W{0,3}(?:and |or |to )?green\b|\bgreen\W{0,3}(?:and |or |to )?blue\b`)
	colorWord = regexp.MustCompile(`(?i)\b(?:blue|green)\b`)
	liveWord  = regexp.MustCompile(`(?i)\b(?:live|active|current|currently|serving|serves|production)\b`)
)

// wrongly says why a comment names the wrong color; beside is the color whose value
// stands in its line, if any.
func (f *File) wrongly(comment string, beside Color) string {
	colors, values := f.named(comment)
	switch {
	case len(values) > 0 && len(colors) == len(values):
		for i, color := range colors {
			if values[i].color != color {
				return fmt.Sprintf("%s is %s", values[i].text, values[i].color)
			}
		}
		return ""
	case len(values) > 0 || len(colors) != 1:
		return ""
	case beside != "" && beside != colors[0]:
		return fmt.Sprintf("what stands in its line is %s", beside)
	case beside == "" && colors[0] != f.live && liveWord.MatchString(comment):
		return fmt.Sprintf("%s is live", f.live)
	}
	return ""
}

// valued is a value, or its port alone, as a comment has it.
type valued struct {
	at    int
	text  string
	color Color
}

// named are the colors of a comment, and the values, each in their order. That
// something is blue-green names none.
func (f *File) named(comment string) (colors []Color, values []valued) {
	for _, color := range colorWord.FindAllString(blueGreen.ReplaceAllString(comment, ""), -1) {
		colors = append(colors, Color(strings.ToLower(color)))
	}
	for _, place := range f.layout {
		for color, all := range place.Colors {
			for _, value := range all {
				if at, text := mention(comment, value); at >= 0 {
					values = append(values, valued{at, text, color})
				}
			}
		}
	}
	slices.SortFunc(values, func(a, b valued) int { return a.at - b.at })
	return colors, values
}

// mention finds a value in a comment, or the port of one.
func mention(comment string, value Value) (at int, text string) {
	for _, text := range spellings(value) {
		word := regexp.MustCompile(`(?:^|[^\w.:-])` + regexp.QuoteMeta(text) + `(?:[^\w-]|$)`)
		if found := word.FindStringIndex(comment); found != nil {
			return found[0], text
		}
	}
	return -1, ""
}

func spellings(value Value) []string {
	all := []string{value.String()}
	if a, is := value.(Address); is && a.port != 0 {
		all = append(all, fmt.Sprint(a.port), fmt.Sprintf(":%d", a.port))
	}
	return all
}
