package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange puts the flags before the other arguments: cli stops reading flags
// at the first argument, so `to green --dry-run` would switch for real. All
// flags belong to the commands, so those typed before the command go behind it.
func arrange(app *cli.App, args []string) []string {
	var flags, words []string
	takesValue := valueFlags(app)
	rest := args[min(1, len(args)):]
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		switch {
		case arg == "--":
			words = append(words, rest[i+1:]...)
			i = len(rest)
		case !strings.HasPrefix(arg, "-") || arg == "-":
			words = append(words, arg)
		default:
			flags = append(flags, arg)
			if !takesValue[strings.TrimLeft(arg, "-")] {
				continue
			}
			if i++; i == len(rest) {
				return assemble(args[0], flags, onlyCommand(words))
			}
			flags = append(flags, rest[i])
		}
	}
	if asksForHelp(flags) {
		words = onlyCommand(words)
	}
	return assemble(args[0], flags, words)
}

// onlyCommand leaves out the arguments: a flag without its value has to come
// last, else it would take one of them, and cli's help takes one for a topic.
func onlyCommand(words []string) []string { return words[:min(1, len(words))] }

func asksForHelp(flags []string) bool {
	return slices.ContainsFunc(flags, func(flag string) bool {
		name := strings.TrimLeft(flag, "-")
		return name == "help" || name == "h"
	})
}

func assemble(program string, flags, words []string) []string {
	arranged := []string{program}
	if len(words) > 0 {
		arranged = append(arranged, words[0])
		words = words[1:]
	}
	arranged = append(arranged, flags...)
	if len(words) > 0 {
		arranged = append(append(arranged, "--"), words...)
	}
	return arranged
}

// valueFlags are the names of the flags that take the next argument.
func valueFlags(app *cli.App) map[string]bool {
	names := map[string]bool{}
	for _, command := range app.Commands {
		for _, flag := range command.Flags {
			if _, isBool := flag.(*cli.BoolFlag); isBool {
				continue
			}
			for name := range slices.Values(flag.Names()) {
				names[name] = true
			}
		}
	}
	return names
}
