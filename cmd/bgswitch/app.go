package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/urfave/cli/v2"
)

const (
	programUsage = "point a site at its blue or its green copy through nginx"
	programText  = "bgswitch edits one word of one small nginx file, proves that nginx took it, and can always take you back.\n\n" +
		"Flags may stand anywhere. `bgswitch help COMMAND` tells of one command, with examples, its flags and its exit codes."
)

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	l := arrange(app, args)
	t := &terminal{stdout: stdout, stderr: stderr, json: l.json, typed: l, plugin: l.command() == verifyName}
	app.Metadata = map[string]any{terminalKey: t}
	switch {
	case l.help:
		return t.exit(t.help(l.words))
	case l.wrong != nil:
		return t.exit(l.wrong)
	}
	return t.exit(app.RunContext(ctx, l.arranged()))
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:            "bgswitch",
		Version:         version(),
		HideHelp:        true, // run answers it by itself
		HideHelpCommand: true,
		Writer:          stdout,
		ErrWriter:       stderr,
		Action:          withoutCommand,
		// cli would call os.Exit in the middle of a run, with its own codes.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   usageError,
	}
	for _, c := range commands() {
		app.Commands = append(app.Commands, c.Command)
	}
	return app
}

// errUsage marks what was typed wrongly.
var errUsage = errors.New("wrong usage")

func usage(hint, format string, args ...any) error {
	return &hinted{err: fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...)), hint: hint}
}

func usageError(c *cli.Context, err error, _ bool) error {
	hint := "bgswitch --help"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != c.App.Name {
		hint = "bgswitch " + c.Command.Name + " --help"
	}
	return usage("`"+hint+"` lists what there is", "%s", flagWords(c, err.Error()))
}

// What the flag package says.
var (
	noFlag   = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	badValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-(\S+): `)
)

// flagWords says it in the operator's words, as he types it.
func flagWords(c *cli.Context, said string) string {
	if name := noFlag.FindStringSubmatch(said); name != nil {
		return "there is no flag " + dashed(name[1])
	}
	if bad := badValue.FindStringSubmatch(said); bad != nil {
		return fmt.Sprintf("%s: %s is not allowed; use %s", dashed(bad[2]), bad[1], wanted(c.Command.Flags, bad[2]))
	}
	return said
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func wanted(flags []cli.Flag, name string) string {
	for _, flag := range flags {
		if !slices.Contains(flag.Names(), name) {
			continue
		}
		switch flag.(type) {
		case *cli.BoolFlag:
			return "true or false, or nothing"
		case *cli.DurationFlag:
			return "a duration: " + durations
		case *cli.IntFlag:
			return "a whole number"
		}
	}
	return "another one"
}

// withoutCommand runs where no command of ours was named.
func withoutCommand(c *cli.Context) error {
	t := terminalOf(c)
	if len(t.typed.words) > 0 {
		return t.typed.noCommand(t.typed.words)
	}
	if err := t.help(nil); err != nil {
		return err
	}
	return usage("`"+typedOf(c).Command("status")+"` shows where the traffic is", "a command is needed")
}
