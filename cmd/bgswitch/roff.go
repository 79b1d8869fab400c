package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// roff writes a page as man(7) has it. It is the same for the same program: no
// date stands in it.
func (p page) roff(w io.Writer, name string, number int, version string) {
	fmt.Fprintf(w, ".TH \"%s\" %d \"\" \"%s\"\n.nr HY 0\n.nh\n.ad l\n", escaped(strings.ToUpper(name)), number, escaped("bgswitch "+version))
	for _, c := range p {
		macro := ".SH"
		if c.sub {
			macro = ".SS"
		}
		fmt.Fprintf(w, "%s \"%s\"\n", macro, strings.ReplaceAll(escaped(c.title), `"`, `\(dq`))
		for _, b := range c.passages {
			b.roff(w)
		}
	}
}

func (b passage) roff(w io.Writer) {
	if b.text != "" {
		fmt.Fprintf(w, ".PP\n%s\n", inline(b.text))
	}
	if len(b.shown) > 0 {
		fmt.Fprintf(w, ".PP\n.in +4n\n.EX\n")
		for _, line := range b.shown {
			fmt.Fprintln(w, guarded(escaped(line)))
		}
		fmt.Fprintf(w, ".EE\n.in\n")
	}
	for _, t := range b.terms {
		name := `\fB` + escaped(t.name) + `\fR`
		if t.name == bullet {
			name = `\(bu 2`
		}
		fmt.Fprintf(w, ".TP\n%s\n%s\n", name, inline(t.text))
	}
}

// inline sets in bold what stands in back-ticks or between two stars.
func inline(text string) string {
	text = marked.ReplaceAllStringFunc(text, func(found string) string {
		return "\x00" + strings.Trim(found, "`*") + "\x01"
	})
	return guarded(strings.NewReplacer("\x00", `\fB`, "\x01", `\fR`).Replace(escaped(text)))
}

var marked = regexp.MustCompile("`[^`]+`|\\*\\*[^*]+\\*\\*")

// escaped is text in which nothing is taken for a command, and what is to be
// copied stays what it is: groff_char(7).
func escaped(text string) string { return escapes.Replace(text) }

var escapes = strings.NewReplacer("…", "...", `\`, `\(rs`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// guarded is a line that begins with no command.
func guarded(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	if line == "" {
		return `\&`
	}
	return line
}
