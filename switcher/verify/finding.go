package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/statedir"
)

// command is how records name a switch that verify made.
const command = "verify"

// Finding is what one run found of one site, and what of it is to be told.
type Finding struct {
	Site     string
	Level    Level
	Text     string // one line, without the site's name
	Problems []Problem
	Status   switcher.Status
	Way      switcher.Way
	WayOpen  *bool // nil: unknown
	Memory   Memory
	Notes    []string
	Event    string // what is to be told: empty, or one of the events
	Lasted   time.Duration
	Switched *switcher.Result // the failover of this run
}

// The events that are told.
const (
	EventChange   = "change"   // level or problems are others than in the last run
	EventReminder = "reminder" // it still lasts
	EventOver     = "over"     // all is well again
	EventFailover = "failover" // verify switched, or tried to
)

// Run verifies the site once. It always has a finding: what cannot be found
// out is Unknown.
func (v *Verifier) Run(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, v.Options.Deadline)
	defer cancel()
	f := Finding{Site: v.Switcher.Site.Name}
	lock, err := v.Switcher.State.TryLock(verifyLock)
	if err != nil {
		return v.withoutLock(f, err)
	}
	defer func() { _ = lock.Unlock() }()
	before, warning := remember(v.Switcher.State)
	f.note(warning)
	f.Memory = before.clone()
	facts := v.look(ctx)
	v.countHistory(&f, facts.status.Last)
	v.judge(&f, facts)
	v.failOver(ctx, &f)
	v.speak(&f)
	if err := f.Memory.keep(v.Switcher.State, before); err != nil {
		f.note("what was found cannot be remembered: " + err.Error())
	}
	return f
}

const verifyLock = "verify.lock"

// withoutLock is for a run that must not look: another one still does, or the
// state folder is closed to us.
func (v *Verifier) withoutLock(f Finding, err error) Finding {
	f.Memory, _ = remember(v.Switcher.State)
	f.Level, f.Text = Unknown, err.Error()
	if statedir.IsBusy(err) {
		f.Level, f.Problems = levelOf(f.Memory.Level), f.Memory.Problems
		f.Text = "another verify is at work; the last one said " + f.Level.String()
	}
	return f
}

// countHistory adds what was switched since the last run.
func (v *Verifier) countHistory(f *Finding, last *statedir.Record) {
	if last == nil || !last.Time.After(f.Memory.Totals.Until) {
		return
	}
	records, err := v.Switcher.State.History(0)
	if err != nil {
		f.note("the history cannot be counted: " + err.Error())
		return
	}
	f.Memory.Totals = f.Memory.Totals.count(records)
}

func levelOf(text string) Level {
	for _, l := range []Level{OK, Warning, Critical} {
		if l.String() == text {
			return l
		}
	}
	return Unknown
}

func (f *Finding) note(text string) {
	if text != "" {
		f.Notes = append(f.Notes, text)
	}
}

// judge dampens what the network said, and puts it all into words.
func (v *Verifier) judge(f *Finding, found facts) {
	f.Status, f.Way = found.status, found.way
	f.Problems = found.problem
	live := found.status.Live
	var words []string
	if live != "" {
		words = append(words, v.liveWords(f, live), v.idleWords(f, live.Other()))
		v.judgeAnswers(f)
	}
	for _, p := range f.Problems {
		if p.Key != string(live) && p.Key != string(live.Other()) {
			words = append(words, p.Text)
		}
	}
	if holder := found.status.Holder; holder != nil {
		words = append(words, "a switch is at work")
	}
	f.Text = strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
	v.acknowledge(f)
	f.Level = worstOf(f.Problems)
}

func worstOf(problems []Problem) Level {
	worst := OK
	for _, p := range problems {
		worst = Worst(worst, p.Level)
	}
	return worst
}

// liveWords judges the live color.
func (v *Verifier) liveWords(f *Finding, live switcher.Color) string {
	verdicts := f.Status.Colors[live]
	streak := v.streak(f, string(live), health.Healthy(verdicts))
	bad := unhealthyText(verdicts)
	switch {
	case !streak.Up && bad == "":
		bad = fmt.Sprintf("healthy %d of %d times again", streak.Good, v.Options.Rise)
		fallthrough
	case !streak.Up:
		text := fmt.Sprintf("%s live but unhealthy: %s", live, bad)
		f.Problems = append([]Problem{{string(live), Critical, text}}, f.Problems...)
		return text
	case bad != "":
		return fmt.Sprintf("%s live (failed %d of %d times: %s)", live, streak.Bad, v.Options.Fall, bad)
	}
	return fmt.Sprintf("%s live (%s)", live, healthyWords(verdicts))
}

// idleWords judges the idle color, half of the way back; the other half is the
// candidate, which look has judged.
func (v *Verifier) idleWords(f *Finding, idle switcher.Color) string {
	verdicts := f.Status.Colors[idle]
	streak := v.streak(f, string(idle), health.Healthy(verdicts))
	bad := unhealthyText(verdicts)
	open := streak.Up && f.Way.Err == nil && f.Status.Holder == nil
	f.WayOpen = &open
	switch {
	case !streak.Up && bad == "":
		bad = fmt.Sprintf("healthy %d of %d times again", streak.Good, v.Options.Rise)
		fallthrough
	case !streak.Up:
		text := fmt.Sprintf("no way back: %s %s", idle, bad)
		f.Problems = append([]Problem{{string(idle), Warning, text}}, f.Problems...)
		return text
	case bad != "":
		return fmt.Sprintf("%s failed %d of %d times: %s", idle, streak.Bad, v.Options.Fall, bad)
	case f.has("candidate") || f.Status.Holder != nil:
		return ""
	}
	return fmt.Sprintf("way back open: %s (%s)%s", idle, healthyWords(verdicts), untestedWords(f.Way))
}

func untestedWords(way switcher.Way) string {
	if way.Tested {
		return ""
	}
	return ", untested by nginx"
}

func (f *Finding) has(key string) bool {
	return slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Key == key })
}

// judgeAnswers dampens what came through nginx.
func (v *Verifier) judgeAnswers(f *Finding) {
	if v.Switcher.Site.Confirm == nil || f.Status.Holder != nil {
		return
	}
	good := f.Status.Answers == f.Status.Live
	streak := v.streak(f, switcher.DriftAnswers, good)
	f.Problems = slices.DeleteFunc(f.Problems, func(p Problem) bool { return p.Key == switcher.DriftAnswers })
	switch {
	case streak.Up:
	case f.Status.Answers == f.Status.Live.Other():
		f.Problems = append(f.Problems, Problem{switcher.DriftAnswers, Warning, fmt.Sprintf("%s answers through nginx", f.Status.Answers)})
	case good:
		f.Problems = append(f.Problems, Problem{switcher.DriftAnswers, Warning, fmt.Sprintf("%s answered through nginx %d of %d times again", f.Status.Live, streak.Good, v.Options.Rise)})
	default:
		f.Problems = append(f.Problems, Problem{switcher.DriftAnswers, Critical, "neither color answers through nginx: " + f.Status.Answered})
	}
}

func (v *Verifier) streak(f *Finding, key string, good bool) Streak {
	before, known := f.Memory.Streaks[key]
	f.Memory.Streaks[key] = before.next(good, known, v.Options)
	return f.Memory.Streaks[key]
}

// healthyWords are the answer and the slowest time of a healthy color.
func healthyWords(verdicts []health.Verdict) string {
	var reason string
	var slowest time.Duration
	for _, verdict := range verdicts {
		reason, slowest = strings.TrimPrefix(verdict.Reason, "status "), max(slowest, verdict.Latency)
	}
	return fmt.Sprintf("%s in %.1f ms", reason, float64(slowest.Microseconds())/1000)
}
