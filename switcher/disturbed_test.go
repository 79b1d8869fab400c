package switcher_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
)

// allTheTime calls do again and again, until stop.
func allTheTime(every time.Duration, do func()) (stop func()) {
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ending:
				return
			case <-tick.C:
				do()
			}
		}
	}()
	return func() { close(ending); <-ended }
}

// busy keeps every core of the machine busy until the test ends.
func (s *stand) busy() {
	s.t.Helper()
	for range runtime.NumCPU() {
		s.begin("sh", "-c", "while :; do :; done")
	}
}

// Reloads of others, before, during and after ours, do not confuse the proof.
func TestOthersReloadToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		every time.Duration
		busy  bool
	}{
		{"now and then", 130 * time.Millisecond, false},
		{"a storm", 5 * time.Millisecond, false},
		{"now and then, on a busy machine", 130 * time.Millisecond, true},
		{"a storm, on a busy machine", 5 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			if c.busy {
				s.busy()
			}
			stop := allTheTime(c.every, func() { _ = s.Signal(syscall.SIGHUP) })
			defer stop()
			rounds := 10
			if soaking() {
				rounds = 300
			}
			for i := range rounds {
				color := bothColors[i%2]
				if _, err := s.to(color); err != nil {
					t.Errorf("switch %d: %v", i, err)
				}
				s.answers(color, 10)
			}
		})
	}
}

// slowStarters are options of a worker that takes its time to start.
func slowStarters() nginxtest.Options {
	return nginxtest.Options{Workers: 1, Events: "worker_connections 200000;"}
}

// meetsOneThatStarts switches until do has been called with the first child of
// the master that had no title yet. It says to which color that was, and how
// often nginx was told to reload then.
func (s *stand) meetsOneThatStarts(do func(pid int)) (color switcher.Color, reloads int) {
	s.t.Helper()
	for i := range 20 {
		color = bothColors[i%2]
		children, before, met := s.Children(), s.reloads(), false
		stop := allTheTime(time.Millisecond/4, func() {
			for _, pid := range s.Children() {
				if !met && !slices.Contains(children, pid) && !slices.Contains(s.Workers(), pid) {
					met = true
					do(pid)
				}
			}
		})
		_, err := s.to(color)
		stop()
		if err != nil {
			s.t.Errorf("switch %d: %v", i, err)
		}
		if met {
			return color, s.reloads() - before
		}
	}
	s.t.Error("no worker was met while it started")
	return color, 0
}

// A worker that somebody's next reload ends before it was seen to serve did not
// die: nginx goes on.
func TestNewWorkerEndedWhileItStarts(t *testing.T) {
	t.Parallel()
	s := newStand(t, slowStarters())
	color, _ := s.meetsOneThatStarts(func(pid int) { _ = syscall.Kill(pid, syscall.SIGQUIT) })
	s.sound(color, 1)
}

// nginx tells its old workers to end 100 ms after it has started the new ones,
// however long these take until they serve: that is no work of somebody else's.
func TestNewWorkerTakesItsTime(t *testing.T) {
	t.Parallel()
	s := newStand(t, slowStarters())
	s.eventually(func() error { // on a busy machine a look comes too late, and one more load has to tell
		color, reloads := s.meetsOneThatStarts(func(pid int) {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			time.Sleep(300 * time.Millisecond)
			_ = syscall.Kill(pid, syscall.SIGCONT)
		})
		s.sound(color, 1)
		if reloads != 1 {
			return fmt.Errorf("%d reloads, want one", reloads)
		}
		return nil
	})
}

// A load that fails late, while the old workers are killed: the master starts
// them again with what it had, and they look new. Where nginx logs is told to
// nobody; the answers tell what the workers cannot.
func TestWorkersKilledInALoadThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		log     func(dir string) string
		after   time.Duration
		confirm bool
	}{
		{"a log", nil, 200 * time.Millisecond, true},
		{"stderr", func(string) string { return "error_log stderr notice;" }, time.Second, true},
		{"syslog", func(dir string) string { return "error_log syslog:server=unix:" + dir + "/none.sock notice;" }, 200 * time.Millisecond, true},
		{"nothing to ask", nil, time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), nginxtest.Options{}
			if c.log != nil {
				o.Main = c.log(dir)
			}
			s := newStandIn(t, dir, o)
			if c.confirm {
				s.confirmed()
			}
			o.HTTP = server(takenPort(t)) // nginx tries to bind it for 2.5 s
			s.edited(o)
			old := s.Workers()
			stop := s.whenOursStandsThere(func() {
				time.Sleep(c.after)
				for _, pid := range old {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			})
			result, err := s.to(switcher.Green)
			stop()
			s.fails(result, err, c.confirm)
			s.eventually(func() error { // once nginx is through with it
				if got := nginxtest.Answers(s.URL(), 1); got["blue"] != 1 || len(s.Workers()) != 2 {
					return fmt.Errorf("answers %v, workers %v", got, s.Workers())
				}
				return nil
			})
			s.Switcher.Site.Confirm = nil
			s.answers(switcher.Blue, 20)
			s.nothingBeside()
		})
	}
}

// fails makes sure that a switch to green was rolled back; or, where nobody can
// know what nginx serves, that it says what the file does.
func (s *stand) fails(result switcher.Result, err error, known bool) {
	s.t.Helper()
	var failed *switcher.Error
	if errors.As(err, &failed) && failed.Outcome == switcher.Stuck && !known {
		if !strings.Contains(failed.Traffic, "does not load the old file either") || !strings.Contains(failed.Traffic, "the file says blue") {
			s.t.Errorf("it does not say how things stand: %v; %s", err, failed.Traffic)
		}
		return
	}
	s.back(result, err)
}

// back makes sure that a switch to green was rolled back, and says so.
func (s *stand) back(result switcher.Result, err error) *switcher.Error {
	s.t.Helper()
	var failed *switcher.Error
	if !errors.As(err, &failed) {
		s.t.Fatalf("%s, %v; the answers are %v", result.Outcome, err, nginxtest.Answers(s.URL(), 10))
	}
	if failed.Outcome != switcher.RolledBack || s.live() != nginxtest.LiveFile(s.Blue.Addr) {
		s.t.Errorf("%s, not rolled back: %v; %s; the live file:\n%s", failed.Outcome, failed, failed.Traffic, s.live())
	}
	return failed
}

// However slowly everything goes, what is said is so: a proof means the target
// and nothing else, with every worker that was asked for.
func TestBusyMachine(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 4})
	s.busy()
	live, seen := switcher.Blue, map[switcher.Outcome]int{}
	for i := range 20 {
		result, err := s.to(live.Other())
		seen[result.Outcome]++
		var failed *switcher.Error
		switch {
		case err == nil:
			live = live.Other()
			s.recordedServes(result, 4)
		case !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack && failed.Outcome != switcher.Failed:
			t.Fatalf("switch %d: %v", i, err)
		}
		s.sound(live, 4)
	}
	t.Logf("outcomes: %v", seen)
	if seen[switcher.Done] == 0 {
		t.Errorf("none was done: %v", seen)
	}
}

// recordedServes makes sure that what is recorded is what serves, and no more.
func (s *stand) recordedServes(result switcher.Result, workers int) {
	s.t.Helper()
	g := result.Record.Generation
	if g == nil {
		s.t.Errorf("no generation is recorded: %+v", result.Record)
		return
	}
	now := s.Workers()
	slices.Sort(now)
	if len(g.Workers) != workers || !slices.Equal(g.Workers, now) {
		s.t.Errorf("recorded workers %v, want the %d that serve: %v", g.Workers, workers, now)
	}
}

// New workers that are killed as soon as they have their title: those that come
// after them are the ones that are proved.
func TestNewWorkersKilledAtOnce(t *testing.T) {
	t.Parallel()
	for _, victims := range []int{1, 4} {
		t.Run(fmt.Sprint(victims), func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{Workers: 4})
			live, done := switcher.Blue, 0
			for i := range 6 {
				before, ended := s.Workers(), map[int]time.Time{}
				stop := allTheTime(time.Millisecond/2, func() {
					now := s.Workers()
					for pid, at := range ended {
						if at.IsZero() && !slices.Contains(now, pid) { // a busy machine lets it live on for a while
							ended[pid] = time.Now()
						}
					}
					for _, pid := range now {
						if _, is := ended[pid]; !is && len(ended) < victims && !slices.Contains(before, pid) && syscall.Kill(pid, syscall.SIGKILL) == nil {
							ended[pid] = time.Time{}
						}
					}
				})
				result, err := s.to(live.Other())
				stop()
				var failed *switcher.Error
				switch {
				case err == nil:
					live, done = live.Other(), done+1
					s.recordedLived(result, 4, ended)
				case !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack:
					t.Fatalf("switch %d: %v", i, err)
				}
				s.sound(live, 4)
			}
			t.Logf("%d of 6 were done", done)
		})
	}
}

// recordedLived makes sure that no worker is recorded that had ended before the
// last look: one that ended later was proved all the same.
func (s *stand) recordedLived(result switcher.Result, workers int, ended map[int]time.Time) {
	s.t.Helper()
	r, looked := result.Record, lookedAgain(result)
	for _, pid := range r.Generation.Workers {
		if at, is := ended[pid]; is && !at.IsZero() && at.Before(looked) {
			s.t.Errorf("worker %d is recorded, and had ended %s before the last look", pid, looked.Sub(at))
		}
	}
	if len(r.Generation.Workers) != workers {
		s.t.Errorf("recorded workers %v, want %d", r.Generation.Workers, workers)
	}
}

// lookedAgain is when the last look of a switch began, at the earliest: when the
// steps before it had been taken. What is done after that may be too late for it.
func lookedAgain(result switcher.Result) time.Time {
	at := result.Record.Time
	for _, step := range result.Record.Steps[:len(result.Record.Steps)-1] {
		at = at.Add(time.Duration(step.TookMS * float64(time.Millisecond)))
	}
	return at
}

// stopsTheMaster is a test of the operator's that passes and stops nginx.
func (s *stand) stopsTheMaster() []string { return []string{"kill", "-STOP", fmt.Sprint(s.PID)} }

// A file that names the target already cannot be put back: nginx may yet load
// it, and does so as soon as it goes on.
func TestMasterStoppedWithTheFileInPlace(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	if err := os.WriteFile(s.Live, []byte(nginxtest.LiveFile(s.Green.Addr)), 0o644); err != nil {
		t.Fatal(err)
	}
	s.confirmed()
	s.Switcher.Nginx.Test = s.stopsTheMaster()
	_, err := s.to(switcher.Green)
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != switcher.Stuck {
		t.Fatalf("got %v, want it to be stuck", err)
	}
	for _, says := range []string{"nginx may still load it", "the file says green", "; blue answered"} {
		if !strings.Contains(failed.Traffic, says) {
			t.Errorf("it does not say %q: %s", says, failed.Traffic)
		}
	}
	before := s.Workers()
	if err := s.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.eventually(func() error { return s.Reloaded(before) })
	s.answers(switcher.Green, 20)
}

// A master that is stopped in the middle of a switch, and goes on when that has
// ended: what was said of it stays true.
func TestMasterStoppedMeanwhile(t *testing.T) {
	t.Parallel()
	for after, goesOn := range map[time.Duration]time.Duration{
		0: 13 * time.Second, 3 * time.Millisecond: 7 * time.Second, 8 * time.Millisecond: 7 * time.Second,
	} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newStandIn(t, dir, nginxtest.Options{HTTP: tree(t, dir, 100)})
			stop := s.whenOursStandsThere(func() {
				time.Sleep(after)
				_ = s.Signal(syscall.SIGSTOP)
			})
			// One that was stopped while it reads is waited for: it goes on in time.
			defer time.AfterFunc(goesOn, func() { _ = s.Signal(syscall.SIGCONT) }).Stop()
			result, err := s.to(switcher.Green)
			stop()
			before := s.Workers()
			if err := s.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err == nil { // stopped when all was done
				s.recordedServes(result, 2)
				s.sound(switcher.Green, 2)
				return
			}
			failed := s.back(result, err)
			t.Logf("%v; %s", failed, failed.Traffic)
			never := allTheTime(time.Millisecond, func() {
				if got := nginxtest.Answers(s.URL(), 1); got["blue"] != 1 {
					t.Errorf("the answers are %v after it was rolled back", got)
				}
			})
			_ = nginxtest.Eventually(2*time.Second, func() error { return s.Reloaded(before) })
			never()
			// A load that it was told of comes to its end: until then old and new serve.
			if err := nginxtest.Eventually(nginxtest.Patience, func() error {
				if serving := s.Workers(); len(serving) != 2 {
					return fmt.Errorf("workers %v serve, want 2", serving)
				}
				return nil
			}); err != nil {
				log, _ := os.ReadFile(s.ErrorLog)
				t.Errorf("%v; nginx's log:\n%s", err, log)
			}
			s.sound(switcher.Blue, 2)
		})
	}
}

// supervised starts nginx by a supervisor, which starts it again when it ends:
// after a pause, and that many times.
func (s *stand) supervised(times int, pause string) {
	s.t.Helper()
	s.instead("sh", "-c", `left=$0; "$@"; while [ $left -gt 0 ]; do left=$((left-1)); sleep `+pause+`; "$@"; done`, fmt.Sprint(times))
	s.found()
}

// found takes the master that the pid file names for the site's.
func (s *stand) found() {
	s.t.Helper()
	s.eventually(func() error {
		text, err := os.ReadFile(s.PIDFile)
		if err == nil {
			_, err = fmt.Sscan(string(text), &s.PID)
		}
		return err
	})
}

// nginx is stopped in the middle of a switch, and its supervisor starts it
// again, from what stands in the file then.
func TestSupervisorStartsNginxAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []supervisor{
		{"when the file stands there", 1, "0.01", (*stand).whenOursStandsThere},
		{"when it is told to reload", 1, "0.01", (*stand).whenReconfiguring},
		{"later", 1, "1", (*stand).whenReconfiguring},
		{"never", 0, "0", (*stand).whenOursStandsThere},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for range 10 {
				if c.meetsASwitch(t) {
					return
				}
			}
			t.Error("nginx was never stopped in the middle of a switch")
		})
	}
}

// supervisor starts nginx again so often, after a pause.
type supervisor struct {
	name  string
	times int
	pause string
	when  func(s *stand, do func()) (stop func() bool) // nginx is stopped
}

// meetsASwitch stops nginx in the middle of a switch. It is false where all was
// done before.
func (c supervisor) meetsASwitch(t *testing.T) bool {
	s := newStand(t, nginxtest.Options{})
	s.supervised(c.times, c.pause)
	s.confirmed()
	stop := c.when(s, func() { s.stopNginx() })
	result, err := s.to(switcher.Green)
	if !stop() {
		t.Fatal("nginx was not stopped")
	}
	var failed *switcher.Error
	switch {
	case err == nil:
		if c.times == 0 {
			return false
		}
		s.startedAgain(switcher.Green) // where all was done before nginx had ended, that is still to come
	case !errors.As(err, &failed):
		t.Fatalf("%s, %v", result.Outcome, err)
	case failed.Outcome == switcher.RolledBack && c.times > 0:
		s.startedAgain(switcher.Blue)
	case failed.Outcome != switcher.Stuck || c.times > 0:
		t.Errorf("%v; %s", err, failed.Traffic)
	case !strings.Contains(failed.Traffic, "the nginx master has ended") || !strings.Contains(failed.Traffic, "the file says blue") || s.live() != nginxtest.LiveFile(s.Blue.Addr):
		t.Errorf("it does not say how things stand: %v; %s; the live file:\n%s", err, failed.Traffic, s.live())
	}
	return true
}

// startedAgain waits until another nginx serves than the one that was stopped,
// and makes sure that it serves the color.
func (s *stand) startedAgain(color switcher.Color) {
	s.t.Helper()
	ended := s.PID
	s.eventually(func() error {
		if s.found(); s.PID == ended || len(s.Workers()) < 2 {
			return fmt.Errorf("nginx does not run again, process %d, workers %v", s.PID, s.Workers())
		}
		return nil
	})
	s.sound(color, 2)
}

// stopNginx is `nginx -s stop`.
func (s *stand) stopNginx() { _ = syscall.Kill(s.PID, syscall.SIGTERM) }

// whenReconfiguring calls do once, as soon as nginx has logged that it was told
// to load.
func (s *stand) whenReconfiguring(do func()) (stop func() bool) {
	s.t.Helper()
	before, done := s.reloads(), false
	end := allTheTime(time.Millisecond/2, func() {
		if !done && s.reloads() > before {
			done = true
			do()
		}
	})
	return func() bool { end(); return done }
}

// The operator's own reload may return long after the load, or fail before it:
// then nothing was loaded.
func TestReloadCommandIsLateOrFails(t *testing.T) {
	t.Parallel()
	t.Run("late", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{})
		s.Switcher.Nginx.Reload = []string{"sh", "-c", `kill -HUP "$0"; sleep 1`, fmt.Sprint(s.PID)}
		for _, color := range bothColors {
			before := s.reloads()
			result, err := s.to(color)
			if err != nil {
				t.Fatal(err)
			}
			s.recordedServes(result, 2)
			s.sound(color, 2)
			if got := s.reloads() - before; got < 1 || got > 2 {
				t.Errorf("%d reloads", got)
			}
		}
	})
	t.Run("it fails", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{})
		s.Switcher.Nginx.Reload = []string{"sh", "-c", "echo no luck >&2; exit 1"}
		workers := s.Workers()
		s.refuses(switcher.RolledBack, "no luck")
		if !slices.Equal(s.Workers(), workers) || s.reloads() > 0 {
			t.Errorf("%d reloads, workers %v, before that %v", s.reloads(), s.Workers(), workers)
		}
		s.sound(switcher.Blue, 2)
	})
}
