package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher"

	"golang.org/x/sys/unix"
)

// estate is the releases of a site, six of them: green carries the fifth, blue the
// fourth.
type estate struct {
	*victim
	app, precious string
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{victim: newVictim(t)}
	e.app, e.precious = filepath.Join(e.Dir, "app"), filepath.Join(e.Dir, "elsewhere", "precious")
	e.write(e.Settings, e.SettingsText(fmt.Sprintf("    release: {blue: {link: %[1]s/blue}, green: {link: %[1]s/green}}\n", e.app)))
	e.must(os.MkdirAll(filepath.Dir(e.precious), 0o755))
	e.write(e.precious, "precious")
	e.lay()
	for color, n := range map[string]int{"blue": 4, "green": 5} {
		e.must(os.Symlink("releases/"+releaseOf(n), filepath.Join(e.app, color)))
	}
	e.agree("before", "green")
	return e
}

func (e *estate) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func releaseOf(n int) string {
	return fmt.Sprintf("2026110%d-%s", n, strings.Repeat(string(rune('a'+n)), 7))
}

func (e *estate) release(n int) string { return filepath.Join(e.app, "releases", releaseOf(n)) }

// lay lays out all of them anew.
func (e *estate) lay() {
	e.t.Helper()
	e.must(os.RemoveAll(filepath.Join(e.app, "releases")))
	for n := 1; n <= 6; n++ {
		for _, below := range []string{"", "deep"} {
			e.must(os.MkdirAll(filepath.Join(e.release(n), below), 0o755))
			e.write(filepath.Join(e.release(n), below, "VERSION"), releaseOf(n))
		}
	}
}

// whole makes sure that what has the name of a release is one, and that those that
// have to be there are.
func (e *estate) whole(what string, there ...int) {
	e.t.Helper()
	for n := 1; n <= 6; n++ {
		_, err := os.Lstat(e.release(n))
		if must := slices.Contains(there, n); os.IsNotExist(err) && !must {
			continue
		}
		for _, below := range []string{"VERSION", "deep/VERSION"} {
			if text, err := os.ReadFile(filepath.Join(e.release(n), below)); string(text) != releaseOf(n) {
				e.t.Errorf("%s: %s of release %d holds %q, %v", what, below, n, text, err)
			}
		}
	}
	if text := e.read(e.precious); text != "precious" {
		e.t.Errorf("%s: what is precious holds %q", what, text)
	}
}

var pruning = []string{"releases", "prune", "--keep", "1"}

// points are the steps of a run that removes something.
func (e *estate) points() (points []point) {
	e.t.Helper()
	r := e.at(point{}, nil, pruning...)
	if r.code != 0 {
		e.t.Fatalf("exits %d: %s", r.code, r.out)
	}
	for _, call := range []string{"renameat2", "unlinkat", "fsync", "write"} {
		for n := 0; n < r.taken[call]; n += stride() {
			points = append(points, point{call, n + 1})
		}
	}
	return points
}

// Wherever it is killed, no release is half gone under its own name, none is gone
// that stays, and the next run removes the rest.
func TestKilledWhilePruning(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	met := 0
	for _, p := range e.points() {
		e.lay()
		if e.at(p, killed, pruning...).met {
			met++
		}
		e.whole("killed before "+p.String(), 4, 5, 6)
		if code, out := e.bgswitch(append(pruning, "--wait-lock", "20s")...); code != 0 {
			t.Fatalf("killed before %s: the next one exits %d: %s", p, code, out)
		}
		entries, err := os.ReadDir(filepath.Join(e.app, "releases"))
		if err != nil || len(entries) != 3 {
			t.Errorf("killed before %s: the next one leaves %v, %v", p, entries, err)
		}
		e.whole("after "+p.String(), 4, 5, 6)
	}
	if met < 5 {
		t.Errorf("only %d steps were met", met)
	}
	e.nothingLeft("in the end")
}

// Whenever somebody puts links in the place of folders, nothing is removed where
// they lead.
func TestLinksInThePlaceOfReleases(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	for _, p := range e.points() {
		e.lay()
		e.at(p, func(int) {
			found, _ := filepath.Glob(filepath.Join(e.app, "releases", "*"))
			half, _ := filepath.Glob(filepath.Join(e.app, "releases", ".bgswitch-removing-*"))
			for i, folder := range append(found, half...) {
				if strings.HasSuffix(folder, releaseOf(4)) || strings.HasSuffix(folder, releaseOf(5)) || strings.HasSuffix(folder, releaseOf(6)) {
					continue
				}
				if deep := filepath.Join(folder, "deep"); i%2 == 0 {
					folder = deep
				}
				_ = os.Rename(folder, fmt.Sprintf("%s/moved-%d", e.Dir, i))
				_ = os.Symlink(filepath.Dir(e.precious), folder)
			}
		}, pruning...)
		if text := e.read(e.precious); text != "precious" {
			t.Fatalf("links before %s: what is precious holds %q", p, text)
		}
		moved, _ := filepath.Glob(e.Dir + "/moved-*")
		for _, path := range moved {
			e.must(os.RemoveAll(path))
		}
	}
}

// However much there is to remove, nobody waits for it who wants to go back; only
// who prunes, too, is sent away.
func TestNobodyWaitsForPruning(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	others := filepath.Join(e.Dir, "others.yaml")
	e.write(others, strings.ReplaceAll(e.read(e.Settings), e.StateDir, e.StateDir+"2"))
	meanwhile := func(int) {
		if code, out := e.bgswitch("back"); code != exitDone {
			t.Errorf("while something is removed, back exits %d: %s", code, out)
		}
		for _, settings := range []string{e.Settings, others} {
			code, out := e.bgswitch(append(pruning, "--config", settings)...)
			if code != exitBusy || !strings.Contains(out, "cannot prune the releases: another bgswitch is at work: process ") || !strings.Contains(out, " (releases prune), since ") {
				t.Errorf("while something is removed, one more with %s exits %d: %s", settings, code, out)
			}
		}
	}
	seen := false
	e.traced(&tracer{each: func(pid int, call int32, args [6]uint64) {
		if hidden, _ := filepath.Glob(filepath.Join(e.app, "releases", ".bgswitch-removing-*")); !seen && len(hidden) == 3 && call == unix.SYS_UNLINKAT && len(e.locks()) == 0 {
			seen = true
			meanwhile(pid)
		}
	}}, pruning...)
	if !seen {
		t.Error("nothing was removed without the lock of the live file")
	}
	e.whole("in the end", 4, 5, 6)
}

// locks are those beside the live file.
func (e *estate) locks() []string {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(e.Live), ".*journal"))
	return found
}

// prunes holds what `releases` prints against the contract.
func (c *contract) prunes() {
	c.t.Helper()
	e := newEstate(c.t)
	e.switches(c, switcher.Done, "back", "--bad", "it loses carts")
	e.prints(c, "releases", "releases")
	e.prints(c, "releases", append(pruning, "--dry-run")...)
	e.prints(c, "releases", pruning...)
	e.must(os.Remove(filepath.Join(e.app, "blue")))
	e.prints(c, "releases", pruning...)
}

// What a process runs in stays, and what a link is led to at the last moment.
func TestReleasesInUseStay(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	runs := exec.Command("/bin/sleep", "600")
	runs.Dir = e.release(2)
	e.must(runs.Start())
	t.Cleanup(func() { _, _ = runs.Process.Kill(), runs.Wait() })
	r := e.at(point{"renameat2", 1}, func(int) {
		led := filepath.Join(e.app, ".blue")
		_ = errors.Join(os.Symlink("releases/"+releaseOf(1), led), os.Rename(led, filepath.Join(e.app, "blue")))
	}, pruning...)
	e.whole("led there meanwhile", 1, 2, 3, 4, 5, 6)
	if !r.met || r.code != exitFailed || !strings.Contains(r.out, filepath.Join(e.app, "blue")+" was changed to lead to "+releaseOf(1)+" in the meantime, or to nothing") {
		t.Errorf("exits %d (met: %t):\n%s", r.code, r.met, r.out)
	}
	code, out := e.bgswitch(pruning...)
	e.whole("what is in use", 1, 2, 5, 6)
	if _, err := os.Lstat(e.release(3)); code != 0 || !os.IsNotExist(err) {
		t.Errorf("exits %d, %v: %s", code, err, out)
	}
	e.lay()
	if e.at(point{"renameat2", 1}, killed, "to", "blue"); !e.journaled() {
		t.Fatal("the killed switch has left no journal")
	}
	if code, out := e.bgswitch(append(pruning, "--wait-lock", "20s")...); code != exitFailed || !strings.Contains(out, "an earlier switch was killed") {
		t.Errorf("after a killed switch it exits %d: %s", code, out)
	}
	if !e.journaled() {
		t.Error("it has taken the journal of the killed switch away")
	}
	e.whole("after a killed switch", 1, 2, 3, 4, 5, 6)
	e.agree("in the end", "blue")
}
