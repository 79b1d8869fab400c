package discovery

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"bgswitch/nginxconf"
)

// What a comment may say of a color: `3001 = blue`, `blue: 127.0.0.1:3001`.
var (
	valueThenColor = regexp.MustCompile(`(?i)(unix:[\w./-]+|\S*?\d[\w.:/\[\]-]*)[ \t]*(?:=|:|->|→|is|\()?[ \t]*\b(blue|green)\b`)
	colorThenValue = regexp.MustCompile(`(?i)\b(blue|green)\b[ \t]*(?:=|:|->|→|is|on|at|\()?[ \t]*(unix:[\w./-]+|\S*?\d[\w.:/\[\]-]*)`)
)

// named are the colors that a comment gives to values, where it gives one to each.
func named(text string) map[nginxconf.Color]string {
	forms := []map[nginxconf.Color]string{{}, {}}
	for i, form := range []*regexp.Regexp{valueThenColor, colorThenValue} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			value, color := m[1+i], nginxconf.Color(strings.ToLower(m[2-i]))
			if before, twice := forms[i][color]; twice && before != value {
				return nil
			}
			forms[i][color] = strings.TrimRight(value, ".:-/")
		}
	}
	forms = slices.DeleteFunc(forms, func(m map[nginxconf.Color]string) bool {
		return len(m) != 2 || m[nginxconf.Blue] == m[nginxconf.Green]
	})
	if len(forms) != 1 {
		return nil
	}
	return forms[0]
}

// completed is a value of a comment with what it leaves out: 3002 beside
// 127.0.0.1:3001 is a port of the same host.
func completed(value, like string) string {
	host, _, err := net.SplitHostPort(like)
	if err == nil && isPort(strings.TrimPrefix(value, ":")) {
		return net.JoinHostPort(host, strings.TrimPrefix(value, ":"))
	}
	return nginxconf.HostIn(value)
}

var isPort = regexp.MustCompile(`^\d{2,5}$`).MatchString

// byComment takes the colors that the comments of a place give to its value and to
// another one.
func (p *Place) byComment(around []nginxconf.Comment) bool {
	if len(p.Live) != 1 {
		return false
	}
	live := nginxconf.HostIn(p.Live[0])
	for _, text := range joined(around) {
		says := named(text.Text)
		for color, value := range says {
			other := completed(says[color.Other()], live)
			if completed(value, live) != live || other == live || !listens(other) {
				continue
			}
			p.Idle, p.LiveIs, p.Sure = []string{other}, color, true
			p.Why = fmt.Sprintf("the comment in line %d names both", text.Line)
			return true
		}
	}
	return false
}

// byCommentBeside takes the color that the comment in the same line gives to the value, or
// leaves to it, where nothing else has named one.
func (p *Place) byCommentBeside(comments []nginxconf.Comment) {
	for _, c := range comments {
		if p.LiveIs == "" && c.Line == p.Line && len(p.Live) == 1 {
			p.LiveIs = colorBeside(p.Live[0], c.Text)
		}
	}
}

func colorBeside(value, comment string) nginxconf.Color {
	var others nginxconf.Color
	for i, form := range []*regexp.Regexp{valueThenColor, colorThenValue} {
		comment = form.ReplaceAllStringFunc(comment, func(said string) string {
			if m := form.FindStringSubmatch(said); completed(m[1+i], value) != value {
				others = colorOf(said)
				return ""
			}
			return said
		})
	}
	if color := colorOf(comment); color != "" || others == "" {
		return color
	}
	return others.Other()
}

// joined are the comments one by one, and then all together: each may name one color.
func joined(around []nginxconf.Comment) []nginxconf.Comment {
	if len(around) < 2 {
		return around
	}
	whole := nginxconf.Comment{Line: around[0].Line}
	for _, c := range around {
		whole.Text += c.Text + "\n"
	}
	return append(slices.Clone(around), whole)
}

// listens says whether a value is an address that somebody could ask.
func listens(value string) bool {
	_, err := nginxconf.ParseAddress(value)
	_, _, port := net.SplitHostPort(value)
	return err == nil && (port == nil || strings.HasPrefix(value, "unix:"))
}

// byCommentedOut takes what stands beside the word as it was once written, and is a
// comment now: as many values as there are.
func (p *Place) byCommentedOut(around []nginxconf.Comment, valueOf func(words []string) string) bool {
	var values []string
	var first nginxconf.Comment
	for _, c := range around {
		for _, words := range nginxconf.Uncommented(c.Text) {
			value := valueOf(words)
			if value == "" || slices.Contains(p.Live, value) || slices.Contains(values, value) || isSocket(value) != isSocket(p.Live[0]) {
				continue
			}
			if values = append(values, value); first.Line == 0 {
				first = c
			}
		}
	}
	if len(values) != len(p.Live) {
		return false
	}
	p.Idle, p.Why = values, fmt.Sprintf("commented out in line %d", first.Line)
	if color := colorOf(strings.Join(values, " ") + " " + first.Text); color != "" {
		p.LiveIs = color.Other()
	}
	if color := colorOf(strings.Join(p.Live, " ")); color != "" {
		p.LiveIs = color
	}
	return true
}

func isSocket(address string) bool { return strings.HasPrefix(address, "unix:") }

// byTwin takes the values with the other color in their names. The configuration
// names them itself where it has them, too; else they are made up.
func (p *Place) byTwin(has func(value string) bool) bool {
	other := twins(p.Live)
	if other == nil {
		return false
	}
	p.Idle, p.LiveIs = other, colorOf(p.Live[0])
	if p.Sure = !slices.ContainsFunc(other, func(v string) bool { return !has(v) }); p.Sure {
		p.Why = "the configuration has it, too"
	} else {
		p.Why = "made from its name"
	}
	return true
}

// around are the comments that belong to the lines of a statement: in them, behind
// them, and right above.
func around(t *nginxconf.Tree, s *nginxconf.Said) (found []nginxconf.Comment) {
	all := t.Comments[s.File]
	above := s.Line
	for _, c := range slices.Backward(all) {
		if c.Line == above-1 && !c.Behind {
			above = c.Line
		}
	}
	for _, c := range all {
		if c.Line >= above && c.Line <= s.End {
			found = append(found, c)
		}
	}
	return found
}

// near are the comments around a statement that is no block, and those of the
// lines next to it that stand alone.
func near(t *nginxconf.Tree, s *nginxconf.Said) (found []nginxconf.Comment) {
	found = around(t, s)
	below := s.End
	for _, c := range t.Comments[s.File] {
		if c.Line == below+1 && !c.Behind {
			below = c.Line
			found = append(found, c)
		}
	}
	return found
}
