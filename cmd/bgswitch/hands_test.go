package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
)

// soaking says whether the tests that take hours are wanted.
func soaking() bool { return os.Getenv("BGSWITCH_SOAK") != "" }

// hand is one of many who type at the same time.
type hand struct {
	color       string
	pid, code   int
	out, errors string
}

// hands starts that many switches at once, every second one to blue, and
// returns when all have ended. meanwhile sees each as it runs.
func (v *victim) hands(n int, meanwhile func(*exec.Cmd), args ...string) []hand {
	v.t.Helper()
	var all sync.WaitGroup
	ended := make([]hand, n)
	for i := range n {
		h := &ended[i]
		h.color = []string{"green", "blue"}[i%2]
		cmd := exec.Command(v.program, append([]string{"to", h.color}, args...)...)
		cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings)
		var out, errors bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errors
		if err := cmd.Start(); err != nil {
			v.t.Fatal(err)
		}
		h.pid = cmd.Process.Pid
		all.Go(func() {
			_ = cmd.Wait()
			h.code, h.out, h.errors = cmd.ProcessState.ExitCode(), out.String(), errors.String()
		})
		if meanwhile != nil {
			meanwhile(cmd)
		}
	}
	all.Wait()
	return ended
}

// steady is traffic that must not lose anything while the test runs. At any moment
// each of its clients waits for an answer half of the time, which is when something
// can be lost: quick answers and more of them would see less, for seven times the
// work.
func (v *victim) steady() (stop func()) {
	v.t.Helper()
	const pause = 5 * time.Millisecond
	for _, app := range []*nginxtest.App{v.Blue, v.Green} {
		app.Slow(pause)
	}
	kept := &nginxtest.Load{URL: v.URL(), Clients: 1, KeepAlive: true, Pause: pause}
	fresh := &nginxtest.Load{URL: v.URL(), Clients: 1, Pause: pause}
	kept.Start()
	fresh.Start()
	return func() {
		for _, app := range []*nginxtest.App{v.Blue, v.Green} {
			app.Slow(0)
		}
		for _, load := range []*nginxtest.Load{kept, fresh} {
			if counts := load.Stop(); counts.Failed > 0 || counts.Requests == 0 {
				v.t.Errorf("%d of %d requests failed, the first: %s", counts.Failed, counts.Requests, counts.FirstFailure)
			}
		}
	}
}

// oneColor makes sure that what the file names is what every answer is.
func (v *victim) oneColor(what string) string {
	v.t.Helper()
	color := v.whole(what)
	v.answers(what, color, 20)
	v.nothingLeft(what)
	if code, out := v.bgswitch("status"); code != exitDone {
		v.t.Errorf("%s: status exits %d:\n%s", what, code, out)
	}
	return color
}

func (v *victim) nothingLeft(what string) {
	v.t.Helper()
	for _, path := range v.lives() {
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 1 {
			v.t.Errorf("%s: left beside the live file: %v, %v", what, entries, err)
		}
	}
}

var names = regexp.MustCompile(`another bgswitch is at work: process (\d+) \(to\), since \d\d:\d\d:\d\d \S+\n`)

// Sixteen switches at once, in both directions: one at a time, and the others
// are told who is at work.
func TestManyHands(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	stop := v.steady()
	done, busy := 0, 0
	rounds := 3
	if soaking() {
		rounds = 100
	}
	for range rounds {
		all := v.hands(16, nil)
		pids := map[string]bool{}
		for _, h := range all {
			pids[strconv.Itoa(h.pid)] = true
		}
		for _, h := range all {
			switch h.code {
			case exitDone:
				done++
			case exitBusy:
				busy++
				if named := names.FindStringSubmatch(h.errors); named == nil || !pids[named[1]] {
					t.Errorf("the one at work is not named: %s", h.errors)
				}
			default:
				t.Errorf("to %s exits %d: %s", h.color, h.code, h.errors)
			}
		}
		v.oneColor("after a round")
	}
	stop()
	if done < rounds || busy == 0 {
		t.Errorf("%d were done and %d refused: these were no sixteen at once", done, busy)
	}
	t.Logf("%d done, %d told that another is at work", done, busy)
}

// Those who wait for the lock all get their turn, and each turn is in the
// history once.
func TestManyHandsInTurn(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	stop := v.steady()
	switched := 0
	for _, h := range v.hands(16, nil, "--wait-lock", "60s") {
		if h.code != exitDone {
			t.Errorf("to %s exits %d: %s", h.color, h.code, h.errors)
		}
		if !strings.Contains(h.out, " is already live") { // loading it once more is a switch, too
			switched++
		}
	}
	stop()
	v.oneColor("after all")
	_, out := v.bgswitch("history", "-n", "0", "--json")
	var history struct {
		Records []struct{ From, To, Outcome string }
	}
	if err := json.Unmarshal([]byte(out), &history); err != nil {
		t.Fatal(err)
	}
	if len(history.Records) != switched {
		t.Errorf("%d switches, and %d records", switched, len(history.Records))
	}
	for i, r := range history.Records { // the newest first
		if i > 0 && history.Records[i-1].From != r.To {
			t.Errorf("a record from %s follows one to %s", history.Records[i-1].From, r.To)
		}
	}
}

// Whoever is killed, at whatever moment, keeps nobody from the lock.
func TestKilledHandsBlockNobody(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	stop := v.steady()
	rounds := 3
	if soaking() {
		rounds = 100
	}
	for i := range rounds {
		var killing sync.WaitGroup
		for _, h := range v.hands(16, func(cmd *exec.Cmd) {
			killing.Go(func() {
				time.Sleep(rand.N(150 * time.Millisecond)) // any moment is as good as another
				_ = cmd.Process.Kill()
			})
		}, "--wait-lock", "60s") {
			if h.code != -1 && h.code != exitDone {
				t.Errorf("to %s exits %d: %s", h.color, h.code, h.errors)
			}
		}
		killing.Wait()
		what := fmt.Sprintf("after round %d", i)
		v.whole(what)
		v.agree(what, []string{"green", "blue"}[i%2])
	}
	stop()
	v.oneColor("in the end")
}
