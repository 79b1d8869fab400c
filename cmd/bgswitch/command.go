package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// command is one of the program's: how its line is read, and what its help and
// the man page tell besides.
type command struct {
	*cli.Command            // Description: paragraphs; lines that begin with three spaces stay as they are
	examples     []example  // at least one
	exits        []exit     // each code that it has, and no other
	without      []string   // the common flags that it does not have
	several      bool       // --site may name several sites
	under        []*command // what may be named after it, each with a page and flags of its own

	own, common []cli.Flag // Flags are both, and those of what is under it
}

type example struct{ does, line string }

// commands are all that there are, in the order in which they are told of.
func commands() []*command {
	list := []*command{
		toCommand(), backCommand(), statusCommand(), checkCommand(), drainCommand(), drillCommand(),
		blockCommand(), unblockCommand(), releasesCommand(), historyCommand(), initCommand(), settingsCommand(), verifyCommand(), doctorCommand(),
		helpCommand(), manCommand(),
		completionCommand(), completeCommand(),
	}
	for _, c := range list {
		c.takeFlags()
		c.HideHelp = true // run answers --help by itself
		c.OnUsageError = usageError
	}
	return list
}

func (c *command) takeFlags() {
	c.own, c.common = c.Flags, commonFlags(*c)
	c.Flags = slices.Clone(c.own)
	for _, sub := range c.under {
		sub.takeFlags()
		c.Flags = append(c.Flags, sub.own...)
	}
	c.Flags = append(c.Flags, c.common...)
}

// commonFlags are those of every command, but for what it is without.
func commonFlags(c command) []cli.Flag {
	site := "the `NAME` of the site, where the settings hold several"
	if c.several {
		site += "; or of several sites: a,b"
	}
	all := []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "the settings `FILE`; else " + defaultSettings + ", if it is there", EnvVars: []string{"BGSWITCH_CONFIG"}},
		&cli.StringFlag{Name: "site", Usage: site},
		&cli.StringFlag{Name: "file", Usage: "the live `FILE`, in place of the settings'"},
		&cli.StringFlag{Name: "selector", Usage: "the `SELECTOR` of what decides in the file, as 'set $url', in place of the settings'"},
		&cli.StringSliceFlag{Name: "blue", Usage: "blue's `ADDRESS`, in place of the settings'; repeat it for several"},
		&cli.StringSliceFlag{Name: "green", Usage: "green's `ADDRESS`, likewise"},
		&cli.BoolFlag{Name: "strict", Usage: "refuse settings, and a live file, that others may write"},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON object"},
		&cli.BoolFlag{Name: "quiet", Usage: "print nothing but errors"},
		&cli.BoolFlag{Name: "verbose", Usage: "tell every step on standard error"},
		&cli.BoolFlag{Name: "no-color", Usage: "print without colors (as does $NO_COLOR)"},
	}
	return slices.DeleteFunc(all, func(flag cli.Flag) bool { return slices.Contains(c.without, flag.Names()[0]) })
}

// allCommon are the names of the common flags, for a command that has none.
func allCommon() (names []string) {
	for _, flag := range commonFlags(command{}) {
		names = append(names, flag.Names()[0])
	}
	return names
}
