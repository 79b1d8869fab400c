package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// A reason is one line, and not endless; the environment says how long to wait, and
// not more than an hour.
func TestWordsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	run := func(wait, reason string, args ...string) (int, string) {
		cmd := exec.Command(v.program, args...)
		cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings, "BGSWITCH_WAIT="+wait, "BGSWITCH_REASON="+reason)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	for _, wait := range []string{"2h", "-1s", "for ever", "1e9", "\n", "9999999999999h"} {
		if code, out := run(wait, "", "to", "green"); code != exitFailed || !strings.Contains(out, "$BGSWITCH_WAIT: ") {
			t.Errorf("%q: exits %d: %s", wait, code, out)
		}
	}
	if code, out := run("60", "one\ntwo\x1b[2J"+strings.Repeat("x", 5000), "to", "green"); code != exitDone {
		t.Errorf("exits %d: %s", code, out)
	}
	code, out := v.bgswitch("history", "-n", "1", "--json")
	if reason := regexp.MustCompile(`"reason": "one two\?\[2Jx+\.\.\."`).FindString(out); code != exitDone || reason == "" || len(reason) > 4200 {
		t.Errorf("exits %d: %s", code, out)
	}
	v.Blue.Sicken(true)
	if code, out := run("300ms", "", "to", "blue"); code != exitUnhealthy || !strings.Contains(out, "waiting for blue") {
		t.Errorf("exits %d: %s", code, out)
	}
}
