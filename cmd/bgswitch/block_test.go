package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Whoever is killed while he blocks or lifts has done it or not: status tells
// which, a switch goes by that, and what was said to be so is.
func TestKilledWhileBlocking(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	block, unblock := []string{"block", "green", "--reason", "the column is gone"}, []string{"unblock", "green"}
	for _, do := range []struct {
		before, args []string
		says         string
		then         int // blocks
	}{
		{unblock, block, "green is blocked by", 1},
		{block, unblock, "green is not blocked any more", 0},
	} {
		was := map[int]int{}
		v.everyStepOf(exitDone, do.args, 0, 1, func(p point) bool {
			v.exits(exitDone, "", unblock...)
			v.exits(exitDone, "", do.before...)
			r := v.at(p, killed, do.args...)
			n := v.blocks()
			was[n]++
			if n > 1 || strings.Contains(r.out, do.says) && n != do.then {
				t.Errorf("%s, killed before %s: %d blocks, and it had said %q", do.args[0], p, n, r.out)
			}
			v.exits(map[int]int{0: exitDone, 1: exitBlocked}[n], "", "to", "green", "--dry-run")
			return r.met
		})
		if was[0] == 0 || was[1] == 0 {
			t.Errorf("%s: killed with so many blocks left: %v", do.args[0], was)
		}
	}
	v.exits(exitDone, "", unblock...)
	v.agree("in the end", "green")
}

// On a disk that is full or broken nothing is said to be blocked that is not.
func TestBlockingErrorsAreHonest(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.agree("before", "blue")
	failed := 0
	for _, d := range []disturbance{
		{"write,pwrite64", "ENOSPC", ""}, {"fsync", "EIO", "+"}, {"renameat,renameat2", "EIO", "+"}, {"openat", "EROFS", ""}, {"mkdirat", "ENOSPC", "+"},
	} {
		for k, times := 1, 1; times > 0; k++ {
			v.exits(exitDone, "", "unblock", "green")
			var code int
			var out string
			code, out, times = v.under(d.injection(k), "block", "green", "--reason", "the column is gone")
			n := v.blocks()
			if code == exitDone && n != 1 || strings.Contains(out, "green is blocked by") && n != 1 {
				t.Errorf("%s %s at call %d: exits %d with %d blocks: %s", d.calls, d.errno, k, code, n, out)
			}
			if code == exitFailed && strings.Contains(out, "bgswitch: cannot block green: ") {
				failed++
			}
		}
	}
	if failed == 0 {
		t.Error("no error was ever told")
	}
}

// blocks is how many hold, as status tells.
func (v *victim) blocks() int {
	v.t.Helper()
	_, out := v.bgswitch("status", "--json")
	var o statusObject
	if err := json.Unmarshal([]byte(out), &o); err != nil || o.Sites[0].Blocks == nil {
		v.t.Fatalf("%v: %s", err, out)
	}
	return len(o.Sites[0].Blocks)
}

func TestUntil(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "2h": "2026-11-30T14:00:00Z", "90m": "2026-11-30T13:30:00Z",
		"2026-11-30T14:00+01:00": "2026-11-30T13:00:00Z", "2026-11-30T12:00:01Z": "2026-11-30T12:00:01Z",
		"2026-11-30T13:00:00.5+01:00": "2026-11-30T12:00:00.5Z",
		"0s":                          "", "-1h": "", "2026-11-30T12:00Z": "", "2026-11-30T12:30+01:00": "", // over
		"tomorrow": "", "2h and more": "", "2026-12-01": "", "2026-12-01T09:00": "", "2026-12-01 09:00 +01:00": "", "2": "", " ": "",
	} {
		until, err := untilOf(text, now)
		if got := until.UTC().Format(time.RFC3339Nano); (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%q: %s, %v, want %q", text, got, err, want)
		}
	}
}
