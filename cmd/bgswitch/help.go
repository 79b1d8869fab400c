package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// The kinds of commands, in the order in which the program's help lists them.
const (
	kindSwitch = "SWITCH"
	kindLook   = "LOOK"
	kindSetUp  = "SET UP"
)

var kinds = []string{kindSwitch, kindLook, kindSetUp}

func helpCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:      "help",
			Category:  kindSetUp,
			Usage:     "what there is, or how a command is used",
			ArgsUsage: "[COMMAND]",
			Description: "Shows the page of a command: what it does, examples, its flags, its exit codes.\n" +
				"`bgswitch COMMAND --help` shows the same.",
			Action: func(c *cli.Context) error { return terminalOf(c).help(c.Args().Slice()) },
		},
		examples: []example{
			{"how to switch", "bgswitch help to"},
			{"how to look for mistakes in the settings", "bgswitch help settings check"},
		},
		exits:   exitsOf(exitDone, exitFailed),
		without: allCommon(),
	}
}

// help shows the page of the command that is named; of none: the program's.
func (t *terminal) help(words []string) error {
	shown := programPage()
	if len(words) > 0 {
		c, name := commandOf(words)
		if c == nil {
			return t.typed.noCommand(words)
		}
		shown = c.page(name)
	}
	shown.print(t.stdout)
	return nil
}

// commandOf is the command that is named, with its whole name; nil: there is none.
func commandOf(words []string) (c *command, name string) {
	list := commands()
	for _, word := range words {
		at := slices.IndexFunc(list, func(c *command) bool { return c.Name == word })
		if at < 0 {
			break // a color, or another argument
		}
		c, name = list[at], strings.TrimSpace(name+" "+word)
		list = c.under
	}
	return c, name
}

// programPage is what the help of the program tells.
func programPage() page {
	p := page{
		{passages: []passage{{text: "bgswitch: " + programUsage}}},
		{title: "USAGE", passages: append([]passage{{shown: []string{"bgswitch COMMAND [FLAGS]"}}}, passagesOf(programText)...)},
	}
	width := 0
	for _, kind := range kinds {
		list := listOf(kind, slices.DeleteFunc(commands(), func(c *command) bool { return c.Category != kind }))
		width = max(width, list.passages[0].termWidth())
		p = append(p, list)
	}
	for _, list := range p[len(p)-len(kinds):] {
		list.passages[0].width = width // one below the other
	}
	return append(p, exitChapter(exits))
}

func listOf(title string, commands []*command) chapter {
	var list []term
	for _, c := range commands {
		if !c.Hidden {
			list = append(list, term{strings.TrimSpace(c.Name + " " + c.ArgsUsage), c.Usage})
		}
	}
	return chapter{title: title, passages: []passage{{terms: list}}}
}

// page is what the help of a command tells.
func (c *command) page(name string) page {
	p := page{
		{passages: []passage{{text: "bgswitch " + name + ": " + c.Usage}}},
		{title: "USAGE", passages: []passage{{shown: []string{c.line(name)}}}},
		{title: "DESCRIPTION", passages: passagesOf(c.Description)},
	}
	if len(c.under) > 0 {
		p = append(p, listOf("COMMANDS", c.under))
	}
	p = append(p, exampleChapter(c.examples))
	if len(c.own) > 0 {
		p = append(p, flagChapter("FLAGS", c.own))
	}
	if len(c.common) > 0 {
		p = append(p, flagChapter("COMMON FLAGS", c.common))
	}
	return append(p, exitChapter(c.exits))
}

// line is how it is typed.
func (c *command) line(name string) string {
	line := strings.TrimSpace("bgswitch " + name + " " + c.ArgsUsage)
	if len(c.own)+len(c.common) > 0 {
		line += " [FLAGS]"
	}
	return line
}

func exampleChapter(examples []example) chapter {
	var lines []string
	for i, e := range examples {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, "# "+e.does, e.line)
	}
	return chapter{title: "EXAMPLES", passages: []passage{{shown: lines}}}
}

func exitChapter(exits []exit) chapter {
	var list []term
	for _, e := range exits {
		list = append(list, term{strconv.Itoa(e.code), e.meaning})
	}
	return chapter{title: "EXIT CODES", passages: []passage{{terms: list}}}
}

func flagChapter(title string, flags []cli.Flag) chapter {
	var list []term
	for _, flag := range flags {
		list = append(list, flagTerm(flag))
	}
	return chapter{title: title, passages: []passage{{terms: list}}}
}

// placeholder is what stands for a flag's value, in its usage.
var placeholder = regexp.MustCompile("`([A-Z]+)`")

// flagTerm says of a flag what it takes, and what holds without it.
func flagTerm(flag cli.Flag) term {
	of := flag.(cli.DocGenerationFlag)
	name, text := dashed(flag.Names()[0]), of.GetUsage()
	if value := placeholder.FindStringSubmatch(text); value != nil {
		name += " " + value[1]
		text = strings.Replace(text, value[0], value[1], 1)
	}
	if otherwise := defaultOf(flag); otherwise != "" {
		text += " (default: " + otherwise + ")"
	}
	if from := of.GetEnvVars(); len(from) > 0 {
		text += " (or $" + strings.Join(from, ", $") + ")"
	}
	return term{name, text}
}

// defaultOf is empty where nothing is what holds.
func defaultOf(flag cli.Flag) string {
	switch f := flag.(type) {
	case *cli.StringFlag:
		return f.Value
	case *cli.IntFlag:
		if f.Value != 0 {
			return strconv.Itoa(f.Value)
		}
	case *cli.DurationFlag:
		if f.Value != 0 {
			return durationText(f.Value)
		}
	}
	return ""
}
