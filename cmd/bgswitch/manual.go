package main

import (
	"embed"
	"regexp"
	"strings"
)

// manuals are the texts of the man pages that belong to no command and no setting:
// what passagesOf reads, and Markdown.
//
//go:embed manual/*.md
var manuals embed.FS

// manualOf are the chapters of one: `## Title` begins a chapter, `### Title` one
// that belongs to it.
func manualOf(name string) (p page) {
	text, err := manuals.ReadFile("manual/" + name + ".md")
	if err != nil {
		panic(err)
	}
	at := heading.FindAllStringSubmatchIndex(string(text), -1)
	for i, match := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		level, title := string(text[match[2]:match[3]]), string(text[match[4]:match[5]])
		c := chapter{title: title, sub: level == "###", passages: passagesOf(string(text[match[1]:end]))}
		if !c.sub {
			c.title = strings.ToUpper(title)
		}
		p = append(p, c)
	}
	return p
}

var heading = regexp.MustCompile(`(?m)^(###?) (.*)$`)

// passagesOf reads a text. An empty line divides paragraphs; what stands three
// spaces in, or between two fences, stays as it is; `- x` and `1. x` are lists.
func passagesOf(text string) (list []passage) {
	for _, part := range parts(text) {
		lines := strings.Split(part, "\n")
		switch {
		case strings.HasPrefix(part, "```"):
			list = append(list, passage{shown: lines[1 : len(lines)-1]})
		case strings.HasPrefix(part, "   "):
			for i := range lines {
				lines[i] = strings.TrimPrefix(lines[i], "   ")
			}
			list = append(list, passage{shown: lines})
		case item.MatchString(lines[0]):
			list = append(list, passage{terms: items(lines)})
		default:
			list = append(list, passage{text: strings.Join(strings.Fields(part), " ")})
		}
	}
	return list
}

// parts are what empty lines divide; a fence holds together what is in it.
func parts(text string) (list []string) {
	fenced, ended := false, true
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		fence := strings.HasPrefix(line, "```")
		switch {
		case line == "" && !fenced:
			ended = true
			continue
		case ended || fence && !fenced:
			list = append(list, line)
		default:
			list[len(list)-1] += "\n" + line
		}
		ended = fence && fenced
		fenced = fenced != fence
	}
	return list
}

// item begins an entry of a list; back-ticks and a colon give it a name.
var item = regexp.MustCompile("^(?:-|(\\d+\\.)) (?:(`[^`]*`(?:, `[^`]*`)*): )?(.*)$")

func items(lines []string) (list []term) {
	for _, line := range lines {
		found := item.FindStringSubmatch(line)
		if found == nil {
			list[len(list)-1].text += " " + strings.TrimSpace(line)
			continue
		}
		name := strings.TrimSpace(found[1] + " " + strings.ReplaceAll(found[2], "`", ""))
		if name == "" {
			name = bullet
		}
		list = append(list, term{name, found[3]})
	}
	return list
}
