package main

import (
	"slices"
	"strings"

	"bgswitch/switcher"

	"github.com/urfave/cli/v2"
)

// typedOf is what was typed. The settings that $BGSWITCH_CONFIG names are named
// by a flag: another shell, and what sudo leaves of this one, may not have it.
func typedOf(c *cli.Context) switcher.Typed {
	line := c.App.Metadata[terminalKey].(*terminal).typed
	t := switcher.Typed{Line: slices.Concat(line.words, line.flags)}
	_, t.As = becameRoot()
	t.Files = c.String("file") != "" || !besideSettings(settingsPath(c))
	for _, name := range []string{"config", "site", "file"} {
		if value := c.String(name); value != "" {
			t.Site = append(t.Site, "--"+name, value)
		}
	}
	if !line.has("config") && c.String("config") != "" {
		t.Line = append(t.Line, t.Site[:2]...)
	}
	for _, color := range []string{"blue", "green"} {
		for _, address := range c.StringSlice(color) {
			t.Site = append(t.Site, "--"+color, address)
		}
	}
	return t
}

// typedFor leads to one of the sites that a command is about.
func (s settings) typedFor(site switcher.Site) switcher.Typed {
	t := s.typed
	if i := slices.Index(t.Site, "--site"); i >= 0 && strings.Contains(t.Site[i+1], ",") {
		t.Site = slices.Replace(slices.Clone(t.Site), i+1, i+2, site.Name)
	}
	if len(s.sites) > 1 && !slices.Contains(t.Site, "--site") {
		t.Site = slices.Concat(t.Site, []string{"--site", site.Name})
	}
	return t
}

// has says whether a flag was typed: no value is one of our flags.
func (l line) has(flag string) bool {
	return slices.ContainsFunc(l.flags, func(typed string) bool {
		name, _, _ := strings.Cut(typed, "=")
		return name == "-"+flag || name == "--"+flag
	})
}
