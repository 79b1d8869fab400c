package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// Whenever a `back` is killed, the next one ends where that one went, and never
// returns to what it fled: not once the file was led away, nor when nothing of it
// could be recorded.
func TestBackKilledBeforeEveryStep(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one file", "two files"} {
		if name != "one file" && !soaking() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			victims[name](t).backKilledBeforeEveryStep()
		})
	}
}

func (v *victim) backKilledBeforeEveryStep() {
	v.t.Helper()
	stop := v.steady()
	stayed := 0
	v.everyStepOf(exitDone, []string{"back"}, 0, stride(), func(p point) bool {
		v.agree("before", "green")
		r := v.at(p, killed, "back")
		what := "back killed before " + p.String()
		if !r.met && r.code != exitDone || r.met && r.code != -1 {
			v.t.Errorf("%s: exits %d: %s", what, r.code, r.out)
		}
		v.settled(what)
		v.honest(what, v.whole(what))
		code, out := v.bgswitch("back", "--wait-lock", "20s")
		if code != exitDone && (code != exitBlocked || v.whole(what) != "blue") {
			v.t.Errorf("%s: the next one exits %d: %s", what, code, out)
		}
		if got := v.whole(what); got != "blue" {
			v.t.Errorf("%s: the next one ends at %s: %s", what, got, out)
		}
		if strings.Contains(out, "no record says that it finished") {
			stayed++
		}
		v.answers(what+", after back", "blue", 3)
		v.exits(exitBlocked, "cannot go back once more", "back")
		v.nothingLeft(what)
		return r.met
	})
	stop()
	if stayed == 0 {
		v.t.Error("none was killed between its file and its record")
	}
}

// A `back --restore` that is killed leaves the file as somebody made it, or as it
// was proved, to the last byte; and the next one puts it back.
func TestRestoreKilledBeforeEveryStep(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.exits(exitDone, "", "to", "green")
	v.exits(exitDone, "", "to", "blue")
	const mangled = "who did this?\n"
	v.everyStepOf(exitDone, []string{"back", "--restore"}, 0, 2*stride(), func(p point) bool {
		v.agree("before", "green")
		v.write(v.Live, mangled)
		r := v.at(p, killed, "back", "--restore")
		what := "killed before " + p.String()
		content, err := os.ReadFile(v.Live)
		if is := string(content); err != nil || is != mangled && is != nginxtest.LiveFile(v.Blue.Addr) {
			v.t.Fatalf("%s: the live file is %q, %v", what, is, err)
		}
		v.settled(what)
		code, out := v.bgswitch("back", "--restore", "--wait-lock", "20s")
		if code != exitDone && code != exitBlocked {
			v.t.Errorf("%s: the next one exits %d: %s", what, code, out)
		}
		if got := v.whole(fmt.Sprint(what, ", after that ", out)); got != "blue" {
			v.t.Errorf("%s: the next one ends at %s: %s", what, got, out)
		}
		v.answers(what+", after that", "blue", 3)
		v.nothingLeft(what)
		return r.met
	})
}

// Of two who go back at once, one does, and the other is told so: nobody returns to
// what both fled, whatever has become of the file.
func TestTwoBacksAtOnce(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"back"}, {"back", "--override", "the site is down"}, {"back", "--restore"}} {
		v := newVictim(t)
		v.exits(exitDone, "", "to", "green")
		if slices.Contains(args, "--restore") {
			v.write(v.Live, "who did this?\n")
		}
		codes := make(chan int, 2)
		for range cap(codes) {
			go func() {
				code, _ := v.bgswitch(append(args, "--wait-lock", "1m")...)
				codes <- code
			}()
		}
		if sum := <-codes + <-codes; sum != exitDone+exitBlocked {
			t.Errorf("%v: they exit with %d in sum", args, sum)
		}
		v.oneColor("after both")
		if got := v.whole("after both"); got != "blue" {
			t.Errorf("%v: it is %s", args, got)
		}
	}
}
