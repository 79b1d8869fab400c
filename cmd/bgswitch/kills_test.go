package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// everyStep runs a round for each step that a switch takes, or for every
// stride-th of them from first on. round says whether the step came.
func (v *victim) everyStep(first, stride int, round func(p point) (met bool)) {
	v.t.Helper()
	v.everyStepOf(exitDone, []string{"to", "green"}, first, stride, round)
}

// everyStepOf is everyStep for another run that begins with blue.
func (v *victim) everyStepOf(code int, args []string, first, stride int, round func(p point) (met bool)) {
	v.t.Helper()
	v.everyPoint(v.steps(code, args), first, stride, round)
}

func (v *victim) everyPoint(points []point, first, stride int, round func(p point) (met bool)) {
	v.t.Helper()
	met := 0
	for i := first; i < len(points); i += stride {
		if round(points[i]) {
			met++
		}
	}
	v.t.Logf("%d of %d steps were met", met, len(points))
	if met*stride < len(points)/2 {
		v.t.Errorf("no more than %d of %d steps were met", met*stride, len(points))
	}
}

// steps are those of a run: of each call as many as every run makes. A runtime
// that wakes its threads writes some more, on a busy machine many.
func (v *victim) steps(code int, args []string) []point {
	v.t.Helper()
	var fewest map[string]int
	for range 3 {
		v.agree("before", "blue")
		r := v.at(point{}, nil, args...)
		if r.code != code {
			v.t.Fatalf("exits %d: %s", r.code, r.out)
		}
		if fewest == nil {
			fewest = r.taken
		}
		for call, n := range fewest {
			fewest[call] = min(n, r.taken[call])
		}
	}
	v.agree("before", "blue")
	var points []point
	for _, call := range slices.Sorted(maps.Keys(fewest)) {
		for n := range fewest[call] {
			points = append(points, point{call, n + 1})
		}
	}
	return points
}

// settled waits until nginx has ended a load that was asked for: meanwhile the
// old and the new worker both answer, and no status could be right for long.
func (v *victim) settled(what string) {
	v.t.Helper()
	if err := nginxtest.Eventually(patience, func() error {
		if workers := v.Workers(); len(workers) != 1 {
			return fmt.Errorf("workers %v", workers)
		}
		return nil
	}); err != nil {
		v.t.Errorf("%s: %v", what, err)
	}
}

// victims are sites whose color stands in so many files, or whose nginx is
// elsewhere.
var victims = map[string]func(*testing.T) *victim{
	"one file": newVictim, "two files": pairVictim, "one of two in place": mountedPair, "in a container": containedVictim,
}

// A switch that is killed before any of its steps leaves the whole old or the
// whole new file, and the next one needs no repair.
func TestKilledBeforeEveryStep(t *testing.T) {
	t.Parallel()
	for name, victimOf := range victims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			every := stride()
			if name == "one file" {
				every = 1
			}
			victimOf(t).killedBeforeEveryStep(every)
		})
	}
}

func (v *victim) killedBeforeEveryStep(stride int) {
	v.t.Helper()
	stop := v.steady()
	colors := []string{"green", "blue"}
	round := 0
	v.everyStep(0, stride, func(p point) bool {
		round++
		from, to := colors[round%2], colors[(round+1)%2]
		v.agree("before", from)
		r := v.at(p, killed, "to", to)
		what := "killed before " + p.String()
		if !r.met && r.code != exitDone || r.met && r.code != -1 {
			v.t.Errorf("%s: exits %d: %s", what, r.code, r.out)
		}
		v.settled(what)
		v.honest(what, v.whole(what))
		v.agree(what, colors[(round/2)%2])
		return r.met
	})
	stop()
	v.oneColor("in the end")
}

// A run that mends what a killed one left may be killed itself, and so may the
// next: three deep.
func TestKilledWhileMending(t *testing.T) {
	t.Parallel()
	for name, victimOf := range victims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			victimOf(t).killedWhileMending()
		})
	}
}

func (v *victim) killedWhileMending() {
	v.t.Helper()
	stop := v.steady()
	colors := []string{"green", "blue"}
	round := 0
	v.everyStep(1, stride(), func(p point) bool {
		round++
		v.agree("before", colors[round%2])
		first := v.at(p, killed, "to", colors[(round+1)%2])
		for deep, at := range []point{{p.call, p.n + 1}, {p.call, 1}} {
			v.at(at, killed, "to", colors[(round+deep)%2])
			what := fmt.Sprintf("killed before %v, and then before %v", p, at)
			v.settled(what)
			v.honest(what, v.whole(what))
		}
		v.agree("three deep", colors[round%2])
		return first.met
	})
	stop()
	v.oneColor("in the end")
}

// Whenever a switch is killed that had begun to write, `back` ends where that one
// began: never at the color that the killed one was to go to.
func TestBackAfterAKill(t *testing.T) {
	t.Parallel()
	for name, victimOf := range victims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			victimOf(t).backAfterAKill()
		})
	}
}

func (v *victim) backAfterAKill() {
	v.t.Helper()
	toGreen := regexp.MustCompile(`(?m)^\+.*` + v.Green.Addr)
	stop := v.steady()
	stayed := 0
	v.everyStep(0, stride(), func(p point) bool {
		v.agree("before", "blue")
		r := v.at(p, killed, "to", "green")
		what := "killed before " + p.String()
		if !r.met || !v.journaled() { // then nothing tells that there was one
			v.agree(what, "blue")
			return r.met
		}
		v.settled(what)
		dry := ""
		if v.whole(what) != half {
			_, dry = v.bgswitch("back", "--dry-run")
		}
		code, out := v.bgswitch("back", "--wait-lock", "20s")
		if code != exitDone {
			v.t.Errorf("%s: back exits %d: %s", what, code, out)
		}
		if got := v.whole(what); got != "blue" {
			v.t.Errorf("%s: back goes to %s: %s", what, got, out)
		}
		if toGreen.MatchString(dry) {
			v.t.Errorf("%s: a dry run shows the way to green:\n%s", what, dry)
		}
		if strings.Contains(out, "`back` stays on blue") {
			stayed++
			v.exits(exitBlocked, "cannot go back once more", "back")
		}
		v.answers(what+", after back", "blue", 3)
		v.nothingLeft(what)
		return true
	})
	stop()
	if stayed == 0 {
		v.t.Error("back has never stayed")
	}
}

// journaled says whether a killed run had written what it was about to do.
func (v *victim) journaled() bool {
	for _, path := range v.lives() {
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*journal"))
		for _, journal := range found {
			if strings.Contains(v.read(journal), `"kept"`) {
				return true
			}
		}
	}
	return false
}
