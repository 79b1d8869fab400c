package discovery

import (
	"strings"
	"unicode"

	"bgswitch/nginxconf"
)

// colorsIn finds the names of colors in a text, as words of their own: `app-blue`
// and `appBlue` have one, `evergreen` and `greenfield` have none.
func colorsIn(text string) (found []span) {
	lower := strings.ToLower(text)
	for i := 0; i < len(text); i++ {
		for _, color := range []nginxconf.Color{nginxconf.Blue, nginxconf.Green} {
			end := i + len(color)
			if strings.HasPrefix(lower[i:], string(color)) && len(lower) == len(text) && begins(text, i) && ends(text, end) {
				found = append(found, span{i, end, color})
			}
		}
	}
	return found
}

type span struct {
	start, end int
	color      nginxconf.Color
}

func begins(text string, i int) bool {
	return i == 0 || !unicode.IsLetter(rune(text[i-1])) || unicode.IsLower(rune(text[i-1])) && unicode.IsUpper(rune(text[i]))
}

func ends(text string, i int) bool {
	return i == len(text) || !unicode.IsLetter(rune(text[i])) || unicode.IsLower(rune(text[i-1])) && unicode.IsUpper(rune(text[i]))
}

// colorOf is the only color that a text names; empty where it names none, or both.
func colorOf(text string) (only nginxconf.Color) {
	for _, s := range colorsIn(text) {
		if only != "" && only != s.color {
			return ""
		}
		only = s.color
	}
	return only
}

// twin is a text with the other color in the place of its only one; empty where
// there is no such one.
func twin(text string) string {
	color := colorOf(text)
	if color == "" {
		return ""
	}
	var b strings.Builder
	at := 0
	for _, s := range colorsIn(text) {
		b.WriteString(text[at:s.start])
		b.WriteString(likeCase(string(color.Other()), text[s.start:s.end]))
		at = s.end
	}
	return b.String() + text[at:]
}

func likeCase(word, like string) string {
	switch {
	case like == strings.ToUpper(like):
		return strings.ToUpper(word)
	case unicode.IsUpper(rune(like[0])):
		return strings.ToUpper(word[:1]) + word[1:]
	}
	return word
}

func twins(texts []string) (other []string) {
	for _, text := range texts {
		t := twin(text)
		if t == "" {
			return nil
		}
		other = append(other, t)
	}
	return other
}
