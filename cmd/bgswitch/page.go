package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// page is what is told of a command, or of the settings: on a terminal by
// --help, and as a man page.
type page []chapter

type chapter struct {
	title    string // empty: the text that begins a page
	sub      bool   // it belongs to the one before it
	passages []passage
}

// passage is one of three.
type passage struct {
	text  string   // a paragraph, on one line
	shown []string // lines that stay as they are
	terms []term   // a list
	width int      // of the terms' names, at least
}

// term is an entry of a list: a flag, a command, an exit code.
type term struct{ name, text string }

// bullet is the name of an entry that has none.
const bullet = "-"

// columns is how wide a page is on a terminal: what the narrowest has.
const columns = 80

// print writes it for a terminal.
func (p page) print(w io.Writer) {
	for i, s := range p {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if s.title != "" {
			fmt.Fprintln(w, s.title)
		}
		for i, b := range s.passages {
			if i > 0 {
				fmt.Fprintln(w)
			}
			b.print(w, s.title != "")
		}
	}
}

func (b passage) print(w io.Writer, indented bool) {
	margin := ""
	if indented {
		margin = "   "
	}
	for _, line := range b.shown {
		fmt.Fprintln(w, strings.TrimRight("   "+line, " "))
	}
	if b.text != "" {
		for _, line := range wrap(b.text, columns-len(margin)) {
			fmt.Fprintln(w, margin+line)
		}
	}
	width := b.termWidth()
	for _, t := range b.terms {
		t.print(w, width)
	}
}

// widestTerm has its text beside it; that of a wider one begins below.
const widestTerm = 24

func (b passage) termWidth() int {
	width := b.width
	for _, t := range b.terms {
		if n := len(t.name); n <= widestTerm {
			width = max(width, n)
		}
	}
	return width
}

func (t term) print(w io.Writer, width int) {
	lines := wrap(t.text, columns-3-width-2)
	if len(t.name) > width {
		lines = append([]string{""}, lines...)
	}
	for i, line := range lines {
		name := ""
		if i == 0 {
			name = t.name
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("   %-*s  %s", width, name, line), " "))
	}
}

// wrap breaks a text into lines of at most so many bytes. A word is never
// broken, nor is what stands in `back-ticks`: that is to be copied.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range wholeWords.FindAllString(text, -1) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

var wholeWords = regexp.MustCompile("(?:`[^`]{1,50}`|[^\\s`]|`)+")
