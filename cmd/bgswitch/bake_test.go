package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/statedir"
)

// bakes has the site's colors bake as the settings say.
func (v *victim) bakes(bake string) {
	v.t.Helper()
	v.write(v.Settings, v.SettingsText(v.ConfirmText()+"    bake: "+bake+"\n"))
}

// toGreen is a switch to green that bakes.
func (v *victim) toGreen(args ...string) *exec.Cmd {
	v.t.Helper()
	cmd := exec.CommandContext(v.t.Context(), v.program, append([]string{"to", "green"}, args...)...)
	cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings, "TERM=xterm")
	return cmd
}

// asked waits until the bake asks green: it was asked more often than a switch does.
func (v *victim) asked() {
	v.t.Helper()
	v.eventually(func() error {
		if n := v.Green.Asked(); n < 20 {
			return fmt.Errorf("green was asked %d times", n)
		}
		return nil
	})
}

func (v *victim) eventually(is func() error) {
	v.t.Helper()
	if err := nginxtest.Eventually(patience, is); err != nil {
		v.t.Fatal(err)
	}
}

func (v *victim) newest() statedir.Record {
	v.t.Helper()
	r, err := statedir.Of(v.StateDir, "myapp").Newest()
	if err != nil || r == nil {
		v.t.Fatal(r, err)
	}
	return *r
}

// On a terminal one line counts down.
func TestBakeOnATerminal(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.bakes("{for: 1h, interval: 100ms}")
	cmd := v.toGreen()
	s := onScreen(t, 24, 200, cmd)
	s.until("the line", has("\ngreen bakes: green healthy, blue healthy, 59m", " left, ", " questions, 0 failed"))
	first := s.shows()
	s.until("the line go on", func(shown string) bool {
		return shown != first && strings.Count(shown, "green bakes: ") == 1 && has("green bakes: ")(shown)
	})
	v.Blue.Sicken(true)
	s.until("the other color", has("green bakes: green healthy, blue unhealthy, ", "db down"))
	v.Blue.Sicken(false)
	s.until("that it is well", has("blue healthy"))
	v.Green.Sicken(true)
	err := cmd.Wait()
	<-s.ended
	if code := cmd.ProcessState.ExitCode(); code != exitRolledBack {
		t.Errorf("it ends with %v", err)
	}
	if shown := s.shows(); strings.Contains(shown, "green bakes: ") || !has("\nblue is live, green is idle (", "\nwent back: blue is live again, ")(shown) || len(s.unknown) > 0 {
		t.Errorf("it leaves %v\n%s", s.unknown, shown)
	}
}

// The end of the session ends no bake, whether it had a terminal or wrote into a
// pipe: it goes back all the same.
func TestBakeOutlivesTheSession(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*victim, *exec.Cmd) (hangUp func() error){
		"a terminal": func(v *victim, cmd *exec.Cmd) func() error {
			return onScreen(v.t, 24, 80, cmd).ours.Close
		},
		"a pipe": func(v *victim, cmd *exec.Cmd) func() error {
			reader, err := cmd.StderrPipe()
			if err == nil {
				cmd.Stdout = cmd.Stderr
				err = cmd.Start()
			}
			if err != nil {
				v.t.Fatal(err)
			}
			return func() error { return errors.Join(reader.Close(), cmd.Process.Signal(syscall.SIGHUP)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.bakes("{for: 1h, interval: 100ms}")
			cmd := v.toGreen("--verbose")
			hangUp := begin(v, cmd)
			v.asked()
			if err := hangUp(); err != nil {
				t.Fatal(err)
			}
			v.Green.Sicken(false)
			v.asked()
			v.Green.Sicken(true)
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitRolledBack {
				t.Errorf("it ends with %v", err)
			}
			if got := v.whole("in the end"); got != "blue" {
				t.Errorf("the file names %s", got)
			}
			v.answers("in the end", "blue", 5)
			if r := v.newest(); r.Command != "bake" || r.Outcome != "done" {
				t.Errorf("the record is %+v", r)
			}
		})
	}
}

// A bake that is killed before any of its steps, or of the way back, is told by the
// next run as long as it had begun and nothing says how it ended.
func TestBakeKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bake, until string
		code        int
	}{
		"it passes":    {"{interval: 100ms}", "100ms", exitDone},
		"it goes back": {"{interval: 100ms, command: [/bin/false]}", "1h", exitRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.bakes(test.bake)
			v.bakeKilledAtEveryStep(test.code, "to", "green", "--bake", test.until)
		})
	}
}

func (v *victim) bakeKilledAtEveryStep(code int, args ...string) {
	v.t.Helper()
	told, ended := 0, 0
	v.everyStepOf(code, args, 0, stride(), func(p point) bool {
		what := "killed before " + p.String()
		v.agree("until it is "+what, "blue")
		before := v.newest()
		r := v.at(p, killed, args...)
		if !r.met && r.code != code || r.met && r.code != -1 {
			v.t.Errorf("%s: exits %d: %s", what, r.code, r.out)
		}
		v.settled(what)
		color, last := v.whole(what), v.newest()
		_, status := v.bgswitch("status")
		is := strings.Contains(status, "the bake of green after the switch at ")
		recorded := !last.Time.Equal(before.Time)
		switch begun := recorded && last.Bake != nil && last.Bake.Outcome == statedir.BakeBegun; {
		case strings.Contains(status, "  bake  "):
			v.t.Errorf("%s: it is told that somebody watches:\n%s", what, status)
		case begun && !is:
			v.t.Errorf("%s: the bake has begun, and status says\n%s", what, status)
		case recorded && !begun && is:
			v.t.Errorf("%s: the bake ended %+v, and status says\n%s", what, last.Bake, status)
		case recorded && last.Command == switcher.BakeCommand && last.Outcome == "done" && color != "blue":
			v.t.Errorf("%s: it went back, and the file names %s", what, color)
		}
		if is {
			told++
			if _, out := v.bgswitch("to", color); !strings.Contains(out, "the bake of green after the switch at ") {
				v.t.Errorf("%s: the next switch says\n%s", what, out)
			}
		}
		if recorded && !is {
			ended++
		}
		if _, out := v.bgswitch("to", color); strings.Contains(out, "the bake of green") {
			v.t.Errorf("%s: it is told twice:\n%s", what, out)
		}
		return r.met
	})
	v.t.Logf("it was told that a bake was cut off %d times, and how one ended %d times", told, ended)
	if told == 0 || ended == 0 && code == exitRolledBack {
		v.t.Error("no kill fell where it is told")
	}
	for _, color := range []string{"blue", "green"} { // a switch forgets what the last kill has left
		v.agree("in the end", color)
	}
	v.nothingLeft("in the end")
	if left, _ := filepath.Glob(filepath.Join(v.StateDir, "myapp", "bake*")); len(left) > 0 {
		v.t.Errorf("%v are left", left)
	}
}

// What tells of a bake is on the disk before the switch is told to be done.
func TestBakeLasts(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.bakes("{interval: 100ms}")
	v.lasts(exitDone, 2, "to", "green", "--bake", "100ms")
}
