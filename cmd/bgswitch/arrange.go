package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// line is a command line, taken apart.
type line struct {
	program      string
	flags, words []string // flags as they are typed, with their values
	help, json   bool
	wrong        error // a flag has no value
}

// arrange puts the flags before the other arguments: cli stops reading flags
// at the first argument, so `to green --dry-run` would switch for real. All
// flags belong to the commands, so those typed before the command go behind it.
func arrange(app *cli.App, args []string) line {
	l := line{program: args[0]}
	known, lasting := flagNames(app), durationFlags(app)
	rest := slices.Clone(args[1:])
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		name, value, attached := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case arg == "--":
			l.words = append(l.words, rest[i+1:]...)
			i = len(rest)
			continue
		case !strings.HasPrefix(arg, "-") || arg == "-":
			l.words = append(l.words, arg)
			continue
		}
		l.flags = append(l.flags, arg)
		switch {
		case !known[name]:
			l.asks(name, value, attached)
		case attached:
			l.check(arg[:strings.Index(arg, "=")], value, known)
			if lasting[name] {
				l.flags[len(l.flags)-1] = strings.TrimSuffix(arg, value) + withUnit(value)
			}
		case i+1 == len(rest):
			l.lacks(arg, "")
		case l.check(arg, rest[i+1], known):
			if i++; lasting[name] {
				rest[i] = withUnit(rest[i])
			}
			l.flags = append(l.flags, rest[i])
		}
	}
	if len(l.words) == 0 && slices.ContainsFunc(l.flags, ofCommands(known)) {
		l.wrong = cmp.Or(l.wrong, usage("`bgswitch help` lists the commands", "a command is needed"))
	}
	return l
}

// ofCommands tells the flags that each command has; cli knows none of them
// without one.
func ofCommands(known map[string]bool) func(flag string) bool {
	return func(flag string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		_, ours := known[name]
		return ours && strings.HasPrefix(flag, "-") && !slices.Contains([]string{"help", "h", "version", "v"}, name)
	}
}

// asks takes in a flag without a value that tells how to answer, also where
// the rest is wrong.
func (l *line) asks(name, value string, attached bool) {
	on, err := strconv.ParseBool(value)
	switch on = !attached || err == nil && on; name {
	case "help", "h":
		l.help = l.help || on
	case "json":
		l.json = on
	}
}

// check refuses the value that a script gives whose variable is not set: an
// empty one, or, where it stands unquoted, the flag that comes next.
func (l *line) check(flag, value string, known map[string]bool) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(value, "-"), "=")
	_, ours := known[name]
	switch {
	case value == "":
		l.wrong = cmp.Or(l.wrong, usage("give it a value, or leave out the flag", "%s is empty", flag))
	case value == "--", strings.HasPrefix(value, "-") && ours:
		l.lacks(flag, ": "+value+" after it is a flag")
		return name == "help" || name == "h" // which would answer before this is told
	}
	return true
}

func (l *line) lacks(flag, why string) {
	l.wrong = cmp.Or(l.wrong, usage("give it a value, or leave out the flag", "%s has no value%s", flag, why))
}

// command is the one that is named, or empty.
func (l line) command() string {
	if len(l.words) == 0 {
		return ""
	}
	return l.words[0]
}

// arranged is the line as cli has to read it.
func (l line) arranged() []string {
	words := l.words
	arranged := []string{l.program}
	if len(words) > 0 {
		arranged = append(arranged, words[0])
		words = words[1:]
	}
	arranged = append(arranged, l.flags...)
	if len(words) > 0 {
		arranged = append(append(arranged, "--"), words...)
	}
	return arranged
}

// flagNames are the names of all flags, and whether they take a value.
func flagNames(app *cli.App) map[string]bool {
	names := map[string]bool{"help": false, "h": false, "version": false, "v": false}
	for _, command := range app.Commands {
		for _, flag := range command.Flags {
			_, isBool := flag.(*cli.BoolFlag)
			for _, name := range flag.Names() {
				names[name] = !isBool
			}
		}
	}
	return names
}

// durationFlags are those whose value is a duration, of which cli takes no number alone.
func durationFlags(app *cli.App) map[string]bool {
	names := map[string]bool{}
	for _, command := range app.Commands {
		for _, flag := range command.Flags {
			if _, is := flag.(*cli.DurationFlag); is {
				names[flag.Names()[0]] = true
			}
		}
	}
	return names
}
