package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// accepted has the program's own parser read a line, and does nothing.
func accepted(args []string) error {
	app := newApp(io.Discard, io.Discard)
	l := arrange(app, args)
	app.Metadata = map[string]any{terminalKey: &terminal{stdout: io.Discard, stderr: io.Discard, typed: l}}
	for _, c := range app.Commands {
		c.Action = func(*cli.Context) error { return nil }
	}
	if l.wrong != nil || l.help {
		return l.wrong
	}
	return app.RunContext(context.Background(), l.arranged())
}

// otherPrograms stand in a line beside bgswitch, and are not to be run.
const otherPrograms = "docker podman systemctl psql apt install cp ln mkdir curl crontab visudo man"

// typedBy are the lines of bgswitch that a shell makes of a text.
func typedBy(t *testing.T, text string) (typed [][]string) {
	t.Helper()
	script := "sudo() { \"$@\"; }\nbgswitch() { { printf '%s\\n' bgswitch \"$@\"; echo; } >>typed; }\n"
	for _, name := range strings.Fields(otherPrograms) {
		script += name + "() { :; }\n"
	}
	shell := exec.CommandContext(t.Context(), "/bin/sh", "-c", script+text)
	shell.Dir, shell.Env = t.TempDir(), []string{"PATH=/nowhere"}
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", text, err, out)
	}
	lines, err := os.ReadFile(filepath.Join(shell.Dir, "typed"))
	if err != nil {
		t.Errorf("%s: bgswitch is not run: %v", text, err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(lines)), "\n\n") {
		typed = append(typed, strings.Split(line, "\n"))
	}
	return typed
}

// commandLines are the lines of bgswitch that a page types: in a block of code, or
// in back-ticks.
func commandLines(text string) (lines []string) {
	prompt := regexp.MustCompile(`^(?:\$ |\S+ ALL=.*|[ *]*root )?(?:[A-Z_]+=(?:"[^"]*"|\S+) )*(?:sudo )?(?:/usr/(?:local/)?bin/)?(bgswitch [a-z-].*)$`)
	fenced, before := false, ""
	answered := false // by lines that begin with no prompt
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		} else if strings.HasPrefix(before, "```") {
			answered = fenced && strings.HasPrefix(line, "$ ")
		}
		before = line
		typed, code := strings.CutPrefix(line, "    ")
		if fenced && answered && !strings.HasPrefix(line, "$ ") {
			continue
		}
		if code || fenced {
			if found := prompt.FindStringSubmatch(strings.TrimSpace(typed)); found != nil {
				lines = append(lines, found[1])
			}
			continue
		}
		for _, quoted := range all(line, "`([^`]+)`") {
			if found := prompt.FindStringSubmatch(quoted); found != nil {
				lines = append(lines, found[1])
			}
		}
	}
	return lines
}

// Every line of bgswitch that a page types is one that the program reads.
func TestPagesTypeWhatIsAccepted(t *testing.T) {
	t.Parallel()
	seen := 0
	for path, text := range pages(t) {
		for _, line := range commandLines(text) {
			seen++
			for _, typed := range typedBy(t, line) {
				if err := accepted(typed); err != nil {
					t.Errorf("%s: %s: %v", path, line, err)
				}
				if c, _ := commandOf(typed[1:]); c == nil && !strings.HasPrefix(typed[1], "-") {
					t.Errorf("%s: there is no command in %s", path, line)
				}
			}
		}
	}
	if seen < 45 {
		t.Errorf("only %d lines are typed", seen)
	}
}
