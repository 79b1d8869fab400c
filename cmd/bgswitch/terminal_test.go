package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher"

	"golang.org/x/sys/unix"
)

// Colors are painted on a terminal, and nowhere where somebody said no.
func TestColors(t *testing.T) {
	dir := t.TempDir()
	live := filepath.Join(dir, "live.conf")
	if err := os.WriteFile(live, []byte("upstream a { server 127.0.0.1:3001; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(dir, "bgswitch.yaml")
	text := fmt.Sprintf("state_dir: %s/state\nnginx: {conf: %s/none.conf}\nsites: {a: {file: %s, blue: 127.0.0.1:3001, green: 127.0.0.1:3002}}\n", dir, dir, live)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name       string
		env, value string
		flags      []string
		painted    bool
	}{
		{name: "terminal", painted: true},
		{name: "flag", flags: []string{"--no-color"}},
		{name: "NO_COLOR", env: "NO_COLOR", value: "1"},
		{name: "empty NO_COLOR", env: "NO_COLOR", value: "", painted: true}, // no-color.org: "when present and not an empty string"
		{name: "dumb terminal", env: "TERM", value: "dumb"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("TERM", "xterm")
			t.Setenv("NO_COLOR", "")
			if test.env != "" {
				t.Setenv(test.env, test.value)
			}
			args := append([]string{"bgswitch", "status", "--config", settings}, test.flags...)
			shown := onTerminal(t, func(terminal *os.File) { run(context.Background(), args, terminal, io.Discard) })
			if !strings.Contains(shown, "says ") || strings.Contains(shown, "\x1b[") != test.painted {
				t.Errorf("painted, want %v:\n%q", test.painted, shown)
			}
		})
	}
}

// onTerminal returns what was written to a new pseudo-terminal (pts(4)).
func onTerminal(t *testing.T, write func(*os.File)) string {
	t.Helper()
	ours, name := newTerminal(t)
	theirs, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		var all bytes.Buffer
		_, _ = io.Copy(&all, ours) // ends with EIO once theirs is closed
		shown <- all.String()
	}()
	write(theirs)
	if err := theirs.Close(); err != nil {
		t.Error(err)
	}
	return <-shown
}

// Each outcome has its own exit code of the table, and 2 is never ours.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[switcher.Outcome]int{
		switcher.Failed: 1, switcher.Unhealthy: 3, switcher.NotAccepted: 4, switcher.Busy: 5,
		switcher.Blocked: 7, switcher.RolledBack: 10, switcher.Stuck: 11, switcher.Interrupted: 130, "unplanned": 11,
	} {
		var said bytes.Buffer
		terminal := &terminal{stdout: io.Discard, stderr: &said}
		err := &switcher.Error{Outcome: outcome, Step: "do it", Err: errors.New("it broke"), Traffic: "where it was", Hint: "try again"}
		if got := terminal.exit(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%s: exit code %d, want %d", outcome, got, want)
		}
		if said.String() != "bgswitch: cannot do it: it broke\nwhere it was\nhint: try again\n" {
			t.Errorf("%s: said %q", outcome, said.String())
		}
	}
	for outcome, code := range exitCodes {
		if code == 2 || len(exitsOf(code)) != 1 {
			t.Errorf("%s: exit code %d is not in the table", outcome, code)
		}
	}
}
