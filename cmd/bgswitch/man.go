package main

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

const (
	programManual  = "bgswitch"
	settingsManual = "bgswitch.yaml"
)

// manCommand is for those who make packages.
func manCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:        "man",
			Hidden:      true,
			Usage:       "the man pages, as man(7) has them",
			ArgsUsage:   "[" + programManual + "|" + settingsManual + "]",
			Description: "Prints bgswitch(1), or bgswitch.yaml(5), for a package.",
			Action:      man,
		},
		examples: []example{
			{"read it", "bgswitch man | man -l -"},
			{"keep the other one", "bgswitch man bgswitch.yaml >bgswitch.yaml.5"},
		},
		exits:   exitsOf(exitDone, exitFailed),
		without: allCommon(),
	}
}

func man(c *cli.Context) error {
	t := terminalOf(c)
	switch name := c.Args().First(); {
	case c.Args().Len() > 1 || name != "" && name != programManual && name != settingsManual:
		return usage("`bgswitch man` is bgswitch(1), `bgswitch man bgswitch.yaml` is bgswitch.yaml(5)", "there is no such page: %q", strings.Join(c.Args().Slice(), " "))
	case name == settingsManual:
		settingsPage().roff(t.stdout, name, 5, version())
	default:
		manualPage().roff(t.stdout, programManual, 1, version())
	}
	return nil
}

// manualPage is bgswitch(1).
func manualPage() page {
	p := page{
		{title: "NAME", passages: []passage{{text: programManual + " - " + programUsage}}},
		{title: "SYNOPSIS", passages: []passage{{shown: synopsis()}}},
		{title: "DESCRIPTION", passages: passagesOf(programText)},
		{title: "COMMANDS"},
	}
	for _, c := range commands() {
		if c.Hidden {
			continue
		}
		p = append(p, c.manual(c.Name))
		for _, sub := range c.under {
			p = append(p, sub.manual(c.Name+" "+sub.Name))
		}
	}
	p = append(p, flagChapter("COMMON FLAGS", commonFlags(command{several: true})))
	p = append(p, traffic())
	p = append(p, manualOf(programManual)...)
	return append(p, chapter{title: "SEE ALSO", passages: []passage{{text: "`bgswitch.yaml`(5), `nginx`(8), `sudoers`(5)"}}})
}

func synopsis() (lines []string) {
	for _, c := range commands() {
		if !c.Hidden {
			lines = append(lines, c.line(c.Name))
		}
	}
	return lines
}

// manual is what the man page tells of a command.
func (c *command) manual(name string) chapter {
	list := append([]passage{{text: strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + "."}}, passagesOf(c.Description)...)
	list = append(list, exampleChapter(c.examples).passages...)
	if len(c.own) > 0 {
		list = append(list, flagChapter("", c.own).passages...)
	}
	if len(c.common) > 0 && len(c.without) > 0 {
		list = append(list, passage{text: "Of the common flags it does not have `--" + strings.Join(c.without, "`, `--") + "`."})
	}
	list = append(list, passage{text: "Exit codes:"})
	return chapter{title: c.line(name), sub: true, passages: append(list, exitChapter(c.exits).passages...)}
}

// traffic are all exit codes, and where the traffic is then.
func traffic() chapter {
	var list []term
	for _, e := range exits {
		list = append(list, term{strconv.Itoa(e.code), e.meaning + ". The traffic: " + e.traffic + "."})
	}
	c := chapter{title: "EXIT STATUS", passages: passagesOf("The exit code answers where the traffic is; `verify` has those of a monitoring plugin. " +
		"2 is never ours: a Go program that crashes, or cannot start, exits 2.")}
	c.passages = append(c.passages, passage{terms: list})
	return c
}
