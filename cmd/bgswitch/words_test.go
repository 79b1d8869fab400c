package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bgswitch/switcher/verify"
)

// clockTime is a time of day as it is printed, with what follows it.
var clockTime = regexp.MustCompile(`(?:^|[^\d:.])(\d\d:\d\d(?::\d\d)?)( [A-Z]{3,4}\b)?`)

// Every time that is printed has its zone, which is that of whoever reads it.
func TestTimesHaveTheirZone(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	told := filepath.Join(v.Dir, "told")
	v.write(v.Settings, v.SettingsText(v.ConfirmText()+
		"    release: {blue: {file: "+v.Dir+"/blue}, green: {file: "+v.Dir+"/green}}\n")+
		"notify: {commands: [[/bin/sh, -c, 'echo \"$BGSWITCH_TEXT\" >>"+told+"']]}\n")
	v.write(v.Dir+"/blue", "v1\n")
	v.write(v.Dir+"/green", "v2\n")
	all := 0
	timed := func(what, text string) {
		for _, found := range clockTime.FindAllStringSubmatch(text, -1) {
			if all++; found[2] == "" || found[2] == " UTC" {
				t.Errorf("%s: %q has no zone, or not that of who reads it:\n%s", what, found[1], text)
			}
		}
	}
	types := func(exit int, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), v.program, args...)
		cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings, "TZ=America/New_York")
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); exit >= 0 && code != exit {
			t.Errorf("%q: exit %d: %s", args, code, out)
		}
		timed(strings.Join(args, " "), string(out))
	}
	types(exitDone, "to", "green", "--bake", "1s", "--reason", "today")
	types(exitDone, append(drilling, "--quiet")...)
	types(exitDone, "back", "--bad", "it loses carts")
	types(exitBlocked, "to", "green")
	types(exitDone, "to", "green", "--override", "it does not")
	types(exitDone, "block", "blue", "--reason", "why", "--until", "2h")
	types(exitBlocked, "to", "blue")
	types(-1, "verify")
	types(-1, "verify", "--json", "--quiet")
	types(exitDone, "unblock", "blue")
	for _, args := range [][]string{{"status"}, {"status", "-v"}, {"history"}, {"drain"}, {"drill", "--dry-run"}, {"doctor"}, {"releases"}, {"init", "--dry-run"}, {"verify"}, {"settings", "show"}, {"check", "green"}} {
		types(-1, args...)
	}
	text, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	timed("what was notified", string(text))
	if all < 10 {
		t.Errorf("only %d times were seen", all)
	}
}

// What stops everything comes first in the line, whatever proves a switch; and the
// live color's health stands beside it.
func TestFirstLineSaysWhatMatters(t *testing.T) {
	t.Parallel()
	for name, confirmed := range map[string]bool{"with confirm": true, "without confirm": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			if confirmed {
				v.write(v.Settings, v.SettingsText(v.ConfirmText()))
			}
			begins := func(exit int, want string, args ...string) {
				t.Helper()
				if code, out := v.bgswitch(args...); code != exit || !regexp.MustCompile("(?m)^"+want).MatchString(out) {
					t.Errorf("%q: exit %d, want %d and %q: %s", args, code, exit, want, out)
				}
			}
			begins(exitDone, `myapp  blue (is live|by the file) and healthy`, "status")
			v.Blue.Sicken(true)
			v.Green.Sicken(true)
			begins(exitDone, `myapp  blue (is live|by the file) and UNHEALTHY`, "status")
			begins(int(verify.Critical), `BGSWITCH CRITICAL - myapp: blue [^,]*UNHEALTHY: `, "verify")
			v.Blue.Sicken(false)
			v.Green.Sicken(false)
			if err := v.Nginx.Stop(); err != nil {
				t.Fatal(err)
			}
			begins(int(verify.Critical), `BGSWITCH CRITICAL - myapp: nginx is not running`, "verify")
			begins(exitDrift, `myapp  nginx is not running; blue by the file and healthy`, "status")
		})
	}
}
