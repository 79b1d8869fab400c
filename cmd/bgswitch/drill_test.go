package main

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/statedir"
)

var drilling = []string{"drill", "--yes", "--stay", "0s", "--rate", "200"}

// drills is a site that can be drilled.
func drills(t *testing.T) *victim {
	t.Helper()
	v := newVictim(t)
	v.write(v.Settings, v.SettingsText(v.ConfirmText()))
	return v
}

func (v *victim) drillState() statedir.Drills {
	v.t.Helper()
	kept, err := statedir.Of(v.StateDir, "myapp").Drills()
	if err != nil {
		v.t.Fatal(err)
	}
	return kept
}

// drillSteps are the steps of a drill but for what it writes: most of that are its
// questions, of which there are as many as there is time for.
func (v *victim) drillSteps() []point {
	v.t.Helper()
	return slices.DeleteFunc(v.steps(exitDone, drilling), func(p point) bool { return p.call == "write" })
}

// A drill that is killed leaves the site on one of its colors as a whole; status
// says so, and `back` ends where the drill began.
func TestDrillKilledBeforeEveryStep(t *testing.T) {
	t.Parallel()
	v := drills(t)
	stop := v.steady()
	away := 0
	v.everyPoint(v.drillSteps(), 0, stride(), func(p point) bool {
		v.agree("before", "blue")
		before := time.Now()
		r := v.at(p, killed, drilling...)
		what := "killed before " + p.String()
		v.settled(what)
		color := v.whole(what)
		v.honest(what, color)
		if begun := v.drillState().Begun; begun == nil || begun.Time.Before(before) { // what an earlier round has left was made good for
			if color != "blue" {
				v.t.Errorf("%s: it is over, or has not begun, and the file names %s", what, color)
			}
			return r.met
		}
		if color == "green" {
			away++
		}
		if _, out := v.bgswitch("status"); !strings.Contains(out, " was killed; blue was live when it began\n") {
			v.t.Errorf("%s: status does not tell: %s", what, out)
		}
		code, out := v.bgswitch("back", "--wait-lock", "20s")
		if got := v.whole(what); code != exitDone || got != "blue" {
			v.t.Errorf("%s: back exits %d at %s: %s", what, code, got, out)
		}
		v.answers(what+", after back", "blue", 3)
		v.nothingLeft(what)
		return r.met
	})
	stop()
	if away == 0 {
		t.Error("none was killed on the way")
	}
}

// While a drill is at work nobody switches, and verify's failover waits for it.
// Ctrl-C shortens its stay.
func TestDrillAtWork(t *testing.T) {
	t.Parallel()
	v := drills(t)
	cmd := exec.Command(v.program, "drill", "--live", "--stay", "1m", "--json")
	cmd.Env = append(cmd.Environ(), "BGSWITCH_CONFIG="+v.Settings)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	if err := nginxtest.Eventually(patience, func() error {
		if v.drillState().Begun == nil || v.whole("while it drills") != "green" {
			return errors.New("it has not gone there")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v.exits(exitBusy, "another bgswitch is at work: process ", "back")
	v.exits(exitBusy, "(drill)", "drill", "--yes")
	v.write(v.Settings, v.SettingsText(v.ConfirmText())+"verify: {failover: true, fall: 1, rise: 1, cooldown: 1ns}\n")
	v.Green.Sicken(true)
	if _, out := v.bgswitch("verify"); strings.Contains(out, "failed over") || !strings.Contains(out, "a switch is at work") {
		t.Errorf("verify: %s", out)
	}
	v.Green.Sicken(false)
	if got := v.whole("after verify"); got != "green" {
		t.Errorf("verify has led it to %s", got)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	if !strings.Contains(out.String(), `"outcome": "done"`) || !strings.Contains(out.String(), `"live": true`) {
		t.Errorf("says %s", &out)
	}
	v.oneColor("after the drill")
}

// On a terminal it asks, and nothing but a yes begins it.
func TestDrillAsks(t *testing.T) {
	t.Parallel()
	for answer, begins := range map[string]bool{"y\n": true, "\n": false, "no\n": false} {
		v := drills(t)
		cmd := exec.Command(v.program, "drill", "--stay", "0s", "--rate", "200")
		cmd.Env = append(cmd.Environ(), "BGSWITCH_CONFIG="+v.Settings, "TERM=dumb")
		s := onScreen(t, 30, 200, cmd)
		s.until("the question", func(shown string) bool { return strings.Contains(shown, "Continue? [y/N]") })
		s.types(answer)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if (err == nil) != begins {
				t.Errorf("%q: %v", answer, err)
			}
		case <-time.After(patience):
			t.Fatalf("%q: it does not end", answer)
		}
		if got := v.drillState().Last != nil; got != begins {
			t.Errorf("%q: drilled: %v", answer, got)
		}
		if got := v.whole(answer); got != "blue" {
			t.Errorf("%q: it is %s", answer, got)
		}
	}
}

// What is watched after a switch is not to be led away for practice.
func TestDrillWhileSomethingBakes(t *testing.T) {
	t.Parallel()
	v := drills(t)
	cmd := exec.Command(v.program, "to", "green", "--bake", "1h", "--quiet")
	cmd.Env = append(cmd.Environ(), "BGSWITCH_CONFIG="+v.Settings)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	if err := nginxtest.Eventually(patience, func() error {
		if _, out := v.bgswitch("status"); !strings.Contains(out, "bakes until") {
			return errors.New("nothing bakes yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	records := strings.Count(v.read(statedir.Of(v.StateDir, "myapp").Path+"/history.jsonl"), "\n")
	v.exits(exitBusy, ": a drill would end that\n", drilling...)
	if _, out := v.bgswitch("status"); !strings.Contains(out, "bakes until") {
		t.Errorf("the drill has ended the bake: %s", out)
	}
	if now := strings.Count(v.read(statedir.Of(v.StateDir, "myapp").Path+"/history.jsonl"), "\n"); now != records {
		t.Errorf("%d records, and %d before", now, records)
	}
	v.answers("after the refusal", "green", 3)
}
