package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/trust"
)

// facts are what one look has found.
type facts struct {
	status    switcher.Status
	switching bool // what a switch moves is not judged
	way       switcher.Way
	open      *bool // whether nginx and the file let one go back, health apart; nil: unknown
	unasked   map[switcher.Color]bool
	problems  []Problem
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Key   string `json:"key"` // names the same problem in every run
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

// The keys of problems, besides the colors and the kinds of drift.
const (
	keyFile      = "file"
	keyNginx     = "nginx"
	keyCandidate = "candidate"
	keyLock      = "lock"
	keyBlocked   = "blocked"
	keyOther     = "verify"
	keyTime      = "time"
	keyFailover  = "failover"
	keyBake      = "bake"
)

// looks is how often a switch may come between before what was seen is taken
// for one that is at work.
const looks = 3

// look asks everything, again where a switch came between: half of what was
// seen is from before it.
func (v *Verifier) look(ctx context.Context) facts {
	for n := 1; ; n++ {
		f := v.lookOnce(ctx)
		if f.switching || ctx.Err() != nil || !v.switchedSince(&f) {
			return f
		}
		if n == looks {
			f.switching, f.problems, f.open = true, nil, nil
			f.running()
			return f
		}
	}
}

// switchedSince says whether somebody switches, or has switched or edited, from
// whatever state folder, since the file and the newest record were read.
func (v *Verifier) switchedSince(f *facts) bool {
	if _, held, err := v.Switcher.Holder(); held && err == nil {
		return true
	}
	now, err := v.Switcher.See()
	return err == nil && !now.Same(f.status.Seen)
}

// lookOnce changes nothing. What the network says is dampened later, what files
// and processes say holds at once.
func (v *Verifier) lookOnce(ctx context.Context) facts {
	f := facts{status: v.Switcher.Inspect(ctx, v.Switcher.Site.Check)}
	f.unasked, f.switching = v.unasked(ctx, f.status), f.status.Holder != nil
	switch {
	case f.status.FileErr != nil:
		f.running()
		f.add(keyFile, Unknown, "the live color is unknown: "+v.Switcher.Site.Naming(f.status.FileErr).Error()+cutOff(f.status.Drift))
	case f.switching:
		f.running()
		f.heldLock(v.now())
	default:
		f.running()
		f.way = v.wayBack(ctx)
		f.status.Learn(f.way)
		f.judgeWay(len(v.Switcher.Nginx.Test) > 0)
	}
	if err := f.status.HolderErr; err != nil {
		f.add(keyLock, Unknown, "it is unknown whether a switch is at work: "+err.Error())
		f.open = nil
	}
	if st := f.status; len(f.unasked) > 0 || v.Switcher.Site.Confirm != nil && st.Answers == "" && st.Answered == "" {
		f.add(keyTime, Unknown, "out of time: not everything answered within the deadline of "+health.Short(v.Options.Deadline))
	}
	return f
}

// cutOff says so of files that disagree for a switch was killed between them.
func cutOff(found []switcher.Drift) string {
	for _, drift := range found {
		if drift.Key == switcher.DriftCutOff {
			return fmt.Sprintf("; %s: `%s`", drift.What, drift.Mend)
		}
	}
	return ""
}

// unasked are the colors whose backends had no time to answer: that is no
// verdict. Those that were given the time of a whole attempt had it.
func (v *Verifier) unasked(ctx context.Context, st switcher.Status) map[switcher.Color]bool {
	colors := map[switcher.Color]bool{}
	if ctx.Err() == nil {
		return colors
	}
	enough := min(v.Switcher.Site.Check.Timeout, v.Options.Deadline/2)
	for color, verdicts := range st.Colors {
		for _, verdict := range verdicts {
			if !verdict.Healthy && verdict.Took < enough {
				colors[color] = true
			}
		}
	}
	return colors
}

// running judges what is known of the nginx that runs. No switch stops it.
func (f *facts) running() {
	running := f.status.Running
	stopped := false
	for _, drift := range f.status.Drift {
		level := Warning
		switch {
		case drift.Key == switcher.DriftAnswers, drift.Key != switcher.DriftStopped && (f.switching || f.status.FileErr != nil):
			continue // what a switch moves, what is judged with the other answers, and what is told with the file
		case drift.Key == switcher.DriftStopped && errors.Is(running.Err, nginx.ErrPIDMoved):
			level, stopped = Unknown, true
		case drift.Key == switcher.DriftStopped:
			level, stopped = Critical, true
		case len(running.Workers.Serving) == 0:
			level = Critical
		}
		f.add(drift.Key, level, drift.What)
	}
	if err := running.Err; err != nil && running.Matters && !stopped && !f.switching && f.status.FileErr == nil {
		f.add(keyNginx, Unknown, err.Error())
	}
}

// longHeld is after when a switch that is still at work has to be looked at:
// it keeps the way back shut.
const longHeld = 10 * time.Minute

// heldLock: a switch at work is no alarm, and what it moves is not judged.
func (f *facts) heldLock(now time.Time) {
	since := f.status.Holder.Since
	if held := now.Sub(since); held > longHeld && !since.IsZero() {
		f.add(keyLock, Warning, fmt.Sprintf("no way back: another bgswitch has been at work for %s: %s", health.Short(held.Round(time.Minute)), f.status.Holder))
	}
}

// wayBack runs nginx's test when there is room for it: fifty at once would
// take the memory of fifty.
func (v *Verifier) wayBack(ctx context.Context) switcher.Way {
	if v.Tests != nil {
		select {
		case v.Tests <- struct{}{}:
			defer func() { <-v.Tests }()
		case <-ctx.Done():
			return switcher.Way{Err: ctx.Err()}
		}
	}
	return v.Switcher.WayBack(ctx, v.Strict)
}

// judgeWay takes a test that is left to the operator's own command for no
// problem, and one that may not be run here for an unknown.
func (f *facts) judgeWay(ownTest bool) {
	err := f.way.Err
	known := func(open bool) { f.open = &open }
	switch {
	case err == nil:
		known(true)
	case errors.As(err, new(switcher.Objections)):
		known(false)
		f.add(keyBlocked, Warning, "no way back: "+err.Error())
	case errors.Is(err, switcher.ErrNoMaster):
		if !f.status.Running.Matters {
			known(true)
		}
	case errors.Is(err, nginx.ErrNoAside) && ownTest:
		known(true)
	case errors.Is(err, nginx.ErrRefused), errors.Is(err, nginx.ErrWorkersWouldDie), errors.Is(err, switcher.ErrNotReplaceable),
		errors.Is(err, switcher.ErrNoState), errors.Is(err, switcher.ErrDecidesNothing), errors.Is(err, trust.ErrUnsafe), isRefusal(err):
		known(false)
		f.add(keyCandidate, Warning, "no way back: "+err.Error())
	default:
		f.add(keyCandidate, Unknown, "it is unknown whether the way back is open: "+err.Error())
	}
}

func isRefusal(err error) bool {
	var refusal *nginxconf.Refusal
	return errors.As(err, &refusal)
}

func (f *facts) add(key string, level Level, text string) {
	f.problems = append(f.problems, Problem{Key: key, Level: level, Text: foreign.Line(text)})
}

// unhealthyText says what came of asking a color, in few words.
func unhealthyText(verdicts []health.Verdict) string {
	for _, v := range verdicts {
		if !v.Healthy {
			return v.Backend + " " + v.Reason
		}
	}
	return ""
}

// healthyWords are the answer and the slowest time of a healthy color.
func healthyWords(verdicts []health.Verdict) string {
	if len(verdicts) == 0 {
		return "not asked"
	}
	var reason string
	var slowest time.Duration
	for _, verdict := range verdicts {
		reason, slowest = strings.TrimPrefix(verdict.Reason, "status "), max(slowest, verdict.Latency)
	}
	return fmt.Sprintf("%s in %.1f ms", reason, float64(slowest.Microseconds())/1000)
}
