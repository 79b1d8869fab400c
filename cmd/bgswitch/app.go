package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"slices"

	"github.com/urfave/cli/v2"
)

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	l := arrange(app, args)
	t := &terminal{stdout: stdout, stderr: stderr, json: l.json, typed: l, plugin: l.command() == verifyName}
	app.Metadata = map[string]any{terminalKey: t}
	if l.wrong != nil && !l.help {
		return t.exit(l.wrong)
	}
	return t.exit(app.RunContext(ctx, l.arranged()))
}

func newApp(stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:  "bgswitch",
		Usage: "point a site at its blue or its green copy through nginx",
		Description: "bgswitch edits one word of one small nginx file, proves that nginx took it,\n" +
			"and can always take you back.\n\n" + exitStatus,
		Version:               version(),
		HideHelpCommand:       true,
		Writer:                stdout,
		ErrWriter:             stderr,
		Commands:              commands(),
		Action:                withoutCommand,
		CustomAppHelpTemplate: appHelp,
		// cli would call os.Exit in the middle of a run, with its own codes.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   usageError,
	}
}

func commands() []*cli.Command {
	list := []*cli.Command{toCommand(), backCommand(), statusCommand(), checkCommand(), drainCommand(), drillCommand(), blockCommand(), unblockCommand(), releasesCommand(), historyCommand(), settingsCommand(), verifyCommand()}
	for _, command := range list {
		command.Flags = append(command.Flags, commonFlags()...)
		command.HideHelpCommand = true
		command.OnUsageError = usageError
		if command.CustomHelpTemplate == "" {
			command.CustomHelpTemplate = commandHelp
		}
	}
	return list
}

func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "the settings `FILE` (default: " + defaultSettings + ", if it is there)", EnvVars: []string{"BGSWITCH_CONFIG"}},
		&cli.StringFlag{Name: "site", Usage: "the `NAME` of the site, where the settings hold several; to, back, status, check, block, unblock, verify: or several, as a,b"},
		&cli.StringFlag{Name: "file", Usage: "the live `FILE`, in place of the settings'"},
		&cli.StringFlag{Name: "selector", Usage: "what decides in the file, as `'set $url'`, in place of the settings'"},
		&cli.StringSliceFlag{Name: "blue", Usage: "blue's `ADDRESS`, in place of the settings'; repeat it for several"},
		&cli.StringSliceFlag{Name: "green", Usage: "green's `ADDRESS`, likewise"},
		&cli.BoolFlag{Name: "strict", Usage: "refuse settings, and a live file, that others may write"},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON object"},
		&cli.BoolFlag{Name: "quiet", Usage: "print nothing but errors"},
		&cli.BoolFlag{Name: "verbose", Usage: "tell every step on standard error"},
		&cli.BoolFlag{Name: "no-color", Usage: "print without colors (as does $NO_COLOR)"},
	}
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
		return fmt.Sprintf("%s: %s is not allowed, want %s", dashed(bad[2]), bad[1], wanted(c.Command.Flags, bad[2]))
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
	if c.Args().Len() == 0 {
		if err := cli.ShowAppHelp(c); err != nil {
			return err
		}
		return usage("`"+typedOf(c).Command("status")+"` shows where the traffic is", "a command is needed")
	}
	return usage("the commands are to, back, status, check, drain, drill, block, unblock, releases, history, settings, verify; `bgswitch --help` tells more", "there is no command %q", c.Args().First())
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
