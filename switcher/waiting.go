package switcher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// waiting is how somebody waits, and what he is told meanwhile: what for, when
// that changes, and now and then how much time is left.
type waiting struct {
	say    func(text string)
	until  time.Time
	said   string
	saidAt time.Time
}

const (
	tellEvery  = 10 * time.Second // how often it is told that nothing has changed
	tellAtMost = time.Second      // how often it is told that something has
)

func (s *Switcher) waiting(limit time.Duration) *waiting {
	return &waiting{say: s.say, until: time.Now().Add(limit)}
}

func (w *waiting) tell(what, why string) {
	pause := tellEvery
	if why != w.said {
		pause = tellAtMost
	}
	if w.said != "" && time.Since(w.saidAt) < pause {
		return
	}
	w.said, w.saidAt = why, time.Now()
	left := max(time.Until(w.until).Round(100*time.Millisecond), 0)
	w.say(fmt.Sprintf("waiting for %s, %s left: %s", what, health.Short(left), why))
}

// forLock tells who holds the lock.
func (w *waiting) forLock(holder lock.Holder) {
	w.tell("the lock", (&lock.BusyError{Holder: holder}).Error())
}

// waitForTarget waits until the target is healthy, or the time is up. It holds
// no lock: nobody who has to go elsewhere meanwhile waits for it. What comes of
// it is found out by the survey, which asks again.
func (s *Switcher) waitForTarget(ctx context.Context, request Request, until time.Time) {
	if request.Wait <= 0 || request.Force || request.DryRun {
		return
	}
	to, waits := s.waitsFor(request)
	if !waits || len(s.Site.Backends(to)) == 0 {
		return
	}
	w := s.waiting(time.Until(until))
	ctx, cancel := context.WithDeadline(ctx, w.until)
	defer cancel()
	s.askUntilHealthy(ctx, to, w)
}

// waitsFor is the color that a request waits for; not one that is live, nor one
// that the survey will refuse to go to.
func (s *Switcher) waitsFor(r Request) (to Color, waits bool) {
	files, err := s.Site.read()
	if err != nil {
		return "", false
	}
	p, err := plan(s.Site, files, s.waitingFor(r))
	if err != nil || !p.Changes() {
		return "", false
	}
	return p.To, !s.refuses(r, p)
}

// refuses says whether the survey will, whatever the target's health is.
func (s *Switcher) refuses(r Request, p Plan) bool {
	if r.isBack() {
		if _, undone := s.undoneAlready(p, r.Restore); len(undone) > 0 {
			return true
		}
	}
	if r.Override != "" {
		return false
	}
	holding, err := s.Blocks()
	return err != nil || slices.ContainsFunc(holding, func(b statedir.Block) bool { return b.Color == p.To })
}

func (s *Switcher) waitingFor(r Request) func(live Color) Color {
	if cut := s.cutBack(); r.isBack() && cut != nil {
		return func(Color) Color { return cut.To }
	}
	return r.target
}

// minInterval keeps who waits from asking all the time.
const minInterval = 100 * time.Millisecond

func (s *Switcher) askUntilHealthy(ctx context.Context, to Color, w *waiting) {
	check := s.Site.Check
	check.Attempts = 1 // each bad answer is told; asking again is ours
	for {
		verdicts := s.askOnce(ctx, check, to)
		if health.Healthy(verdicts) || ctx.Err() != nil {
			return
		}
		w.tell(string(to), reason(verdicts))
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(check.Interval, minInterval)):
		}
	}
}

// askOnce finds nginx each time: it may be started again while somebody waits.
func (s *Switcher) askOnce(ctx context.Context, check health.Check, to Color) []health.Verdict {
	files, _ := s.Site.read()
	is, _ := s.find(ctx, nginx.Census, files) // none: then from here
	defer is.close()
	return s.askColor(ctx, is.master, check, to)
}

// reason is why the first one is not healthy: in words that stay the same as
// long as that does.
func reason(verdicts []health.Verdict) string {
	for _, v := range verdicts {
		if !v.Healthy {
			return v.Asked + ": " + v.Reason
		}
	}
	return "no verdict"
}
