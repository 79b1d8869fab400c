package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

const terminalKey = "terminal"

// terminal is where things are printed, and how. Results go to stdout, what is
// said on the way to stderr. Writes that fail (a closed pipe) change nothing.
type terminal struct {
	stdout, stderr       io.Writer
	json, quiet, verbose bool
	paint                bool
	typed                line
	plugin               bool // a monitoring system reads: one line, and its codes
}

// terminalOf sets the terminal up as the flags say.
func terminalOf(c *cli.Context) *terminal {
	t := c.App.Metadata[terminalKey].(*terminal)
	t.json, t.quiet, t.verbose = c.Bool("json"), c.Bool("quiet"), c.Bool("verbose")
	t.paint = !c.Bool("no-color") && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(t.stdout)
	return t
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// log is silent unless --verbose asks for it. It has no colors: what is logged is foreign.
func (t *terminal) log() zerolog.Logger {
	if !t.verbose {
		return zerolog.Nop()
	}
	out := zerolog.ConsoleWriter{Out: foreign.Lines{To: t.stderr}, NoColor: true, PartsOrder: []string{zerolog.LevelFieldName, zerolog.MessageFieldName}}
	return zerolog.New(out).Level(zerolog.DebugLevel)
}

// say tells on the way.
func (t *terminal) say(text string) {
	if !t.quiet {
		printLines(t.stderr, "bgswitch: "+text)
	}
}

// result prints a line of the answer.
func (t *terminal) result(format string, args ...any) {
	if !t.quiet && !t.json {
		fmt.Fprintln(t.stdout, inked(format, args...))
	}
}

// ink is text that is fit for the terminal, and may have colors of ours.
type ink string

// inked is fmt.Sprintf whose operands are foreign, unless they are numbers or ink.
func inked(format string, args ...any) ink {
	safe := make([]any, len(args))
	for i, arg := range args {
		switch arg.(type) {
		case ink, int:
			safe[i] = arg
		default:
			safe[i] = foreign.Line(fmt.Sprint(arg))
		}
	}
	return ink(fmt.Sprintf(format, safe...))
}

// printLines prints each text as one line; none where there is no text.
func printLines(w io.Writer, lines ...string) {
	for _, line := range lines {
		if line != "" {
			fmt.Fprintln(w, foreign.Line(line))
		}
	}
}

// object prints the answer as JSON.
func (t *terminal) object(value any) error {
	encoder := json.NewEncoder(foreign.JSON{To: t.stdout})
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// Select Graphic Rendition codes (ECMA-48).
const (
	sgrBold  = "1"
	sgrRed   = "1;31"
	sgrGreen = "32"
	sgrBlue  = "34"
	sgrDim   = "2"
)

func (t *terminal) painted(sgr, text string) ink {
	if !t.paint {
		return inked("%s", text)
	}
	return "\x1b[" + ink(sgr) + "m" + inked("%s", text) + "\x1b[0m"
}

func (t *terminal) color(c switcher.Color) ink {
	if c == switcher.Blue {
		return t.painted(sgrBlue, string(c))
	}
	return t.painted(sgrGreen, string(c))
}
