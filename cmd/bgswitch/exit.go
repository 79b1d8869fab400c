package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// The exit codes. 2 is never ours: a Go panic exits with it.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUnhealthy   = 3
	exitNotAccepted = 4
	exitBusy        = 5
	exitDrift       = 6
	exitBlocked     = 7
	exitNotDrained  = 8
	exitLiveSick    = 9
	exitRolledBack  = 10
	exitStuck       = 11
	exitInterrupted = 130
)

var exitCodes = map[switcher.Outcome]int{
	switcher.Done:        exitDone,
	switcher.Already:     exitDone,
	switcher.Planned:     exitDone,
	switcher.Failed:      exitFailed,
	switcher.Unhealthy:   exitUnhealthy,
	switcher.Hindered:    exitUnhealthy,
	switcher.Unexpected:  exitUnhealthy,
	switcher.NotAccepted: exitNotAccepted,
	switcher.Busy:        exitBusy,
	switcher.Blocked:     exitBlocked,
	switcher.Drifted:     exitDrift,
	switcher.NotDrained:  exitNotDrained,
	switcher.Overtaken:   exitFailed,
	switcher.RolledBack:  exitRolledBack,
	switcher.WentBack:    exitRolledBack,
	switcher.Stuck:       exitStuck,
	switcher.Interrupted: exitInterrupted,
}

// codeOf: after an outcome that nobody planned for, somebody has to look where
// the traffic is.
func codeOf(outcome switcher.Outcome) int {
	if code, ok := exitCodes[outcome]; ok {
		return code
	}
	return exitStuck
}

// exit is an exit code, what it means, and where the traffic is then.
type exit struct {
	code             int
	meaning, traffic string
}

const (
	whereItWas  = "where it was"
	onTheNamed  = "on the color you named"
	afterDrains = "after `to` and `back`: on the color you named"
)

// exits are all that there are; each command says which of them it has.
var exits = []exit{
	{exitDone, "done, or already so", onTheNamed},
	{exitFailed, "failed before anything changed; wrong usage; unreadable settings", whereItWas},
	{exitUnhealthy, "refused: the target is not healthy, or not the release that was expected, or a command of before failed", whereItWas},
	{exitNotAccepted, "refused: the file is not understood, or nginx does not accept the new configuration", whereItWas},
	{exitBusy, "refused: another bgswitch is at work", "the other one decides"},
	{exitDrift, "drift: file, nginx and traffic do not agree (status, drain)", "read the DRIFT lines"},
	{exitBlocked, "refused: something speaks against going there; what the hint names goes all the same", whereItWas},
	{exitNotDrained, "not drained: something of the idle color is open still, or it is not idle (drain, --drain)", afterDrains},
	{exitLiveSick, "the live color is not healthy (status --exit-code)", "on it: see `back`"},
	{exitRolledBack, "tried, failed, rolled back, or the bake went back: the traffic is where it was", whereItWas},
	{exitStuck, "stuck: failed and could not be put back, or done over another's edit", "read the `stuck:` line"},
	{exitInterrupted, "interrupted before anything changed", whereItWas},
}

// exitsOf are those of a command, as they mean it everywhere.
func exitsOf(codes ...int) (list []exit) {
	for _, e := range exits {
		if slices.Contains(codes, e.code) {
			list = append(list, e)
		}
	}
	return list
}

// saying gives codes the words of a command.
func saying(list []exit, code int, meaning string) []exit {
	for i := range list {
		if list[i].code == code {
			list[i].meaning = meaning
		}
	}
	return list
}

// hinted is an error with the next command to type.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// exitCode is an error that says nothing more: all has been printed.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// exit is the one place that turns errors into words and codes.
func (t *terminal) exit(err error) int {
	if err == nil {
		return exitDone
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	if t.plugin {
		return t.unknown(err)
	}
	var failed *switcher.Error
	if errors.As(err, &failed) {
		printLines(t.stderr, slices.Concat([]string{"bgswitch: " + failed.Error()}, strings.Split(failed.Diff, "\n"), []string{failed.Traffic, hintLine(failed.Hint)})...)
		return codeOf(failed.Outcome)
	}
	if t.json {
		_ = t.object(errorObject{schema, errorText(err), statedir.Text(hintOf(err))}) // the exit code says it, too
	}
	t.failed(err)
	return exitFailed
}

// failed tells of what could not begin.
func (t *terminal) failed(err error) {
	lines := linesOf(err)
	lines[0] = "bgswitch: " + lines[0]
	printLines(t.stderr, append(lines, hintLine(hintOf(err)))...)
}

// errorObject is what --json prints where a command could not begin.
type errorObject struct {
	Schema int           `json:"schema"`
	Error  statedir.Text `json:"error"`
	Hint   statedir.Text `json:"hint"`
}

// unknown is how a monitoring plugin fails: in one line on stdout.
func (t *terminal) unknown(err error) int {
	if t.json {
		_ = t.object(unknownObjectOf(err)) // the exit code says it, too
		return int(verify.Unknown)
	}
	fmt.Fprintln(t.stdout, verify.UnknownLine(err))
	printLines(t.stderr, hintLine(hintOf(err)))
	return int(verify.Unknown)
}

// linesOf is an error as it is printed: several mistakes each have a line.
func linesOf(err error) []string {
	if m := (mistakes{}); errors.As(err, &m) {
		return m.lines()
	}
	return []string{err.Error()}
}

// hintOf is the next command that an error names, or empty.
func hintOf(err error) string {
	if h := (*hinted)(nil); errors.As(err, &h) {
		return h.hint
	}
	return ""
}

func hintLine(hint string) string {
	if hint == "" {
		return ""
	}
	return "hint: " + hint
}
