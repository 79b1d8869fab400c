package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/lock"
)

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
	Event    string           // what is to be told: empty, or one of the events
	Lasted   time.Duration    // the trouble, where the event is a reminder or its end
	Switched *switcher.Result // the failover of this run
	Overlaps bool             // another run is at it: this one did not look

	unasked map[switcher.Color]bool
	lasting bool // what is found can be remembered
}

// The events that are told.
const (
	EventChange   = "change"   // level or problems are others than in the last run
	EventReminder = "reminder" // it still lasts
	EventOver     = "over"     // all is well again
	EventFailover = "failover" // verify switched, or tried to
)

// command is how records name a switch that verify made.
const command = "verify"

// verifyLock keeps runs from piling up, and guards what they remember.
const verifyLock = "verify.lock"

// Run verifies the site once. It always has a finding: what cannot be found
// out is Unknown, and a run that cannot remember looks all the same. The
// deadline of the options ends it, but for a failover under way.
func (v *Verifier) Run(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, v.Options.Deadline)
	defer cancel()
	f := Finding{Site: v.Switcher.Site.Name}
	held, err := v.Switcher.State.TryLock(verifyLock)
	if lock.IsBusy(err) {
		return v.overlapping(f)
	}
	before, warning := remember(v.Switcher.State)
	if f.lasting = err == nil; f.lasting {
		defer func() { _ = held.Release() }()
		f.note(warning)
	} else {
		f.forgets(err)
	}
	v.find(ctx, &f, before)
	if v.failOver(ctx, &f) {
		before.kept = f.Memory.kept
		v.find(ctx, &f, before)
	}
	v.speak(&f)
	if f.lasting {
		f.forgets(f.Memory.keep(v.Switcher.State))
	}
	return f
}

// find looks, and puts what it sees into words, by what was known before.
func (v *Verifier) find(ctx context.Context, f *Finding, before Memory) {
	f.Memory, f.WayOpen = before.clone(), nil
	facts := v.look(ctx)
	v.countHistory(f, facts.status.Last)
	v.judge(f, facts)
}

func (f *Finding) forgets(err error) {
	if err != nil {
		f.note("what is found cannot be remembered: " + err.Error())
	}
}

// overlapping repeats what the last run said, while another one is at it.
func (v *Verifier) overlapping(f Finding) Finding {
	f.Memory, _ = remember(v.Switcher.State)
	f.Level, f.Problems, f.Overlaps = levelOf(f.Memory.Level), f.Memory.Problems, true
	f.Text = "another verify is at work; the last one said " + f.Level.String()
	return f
}

func (f *Finding) note(text string) {
	if text != "" {
		f.Notes = append(f.Notes, text)
	}
}

// judge dampens what the network said, and puts it all into words.
func (v *Verifier) judge(f *Finding, found facts) {
	f.Status, f.Way, f.Problems, f.unasked = found.status, found.way, found.problems, found.unasked
	live := found.status.Live
	f.carryOver()
	var words []string
	if live != "" {
		f.Memory.isLive(live)
		words = append(words, v.liveWords(f, live), v.idleWords(f, live.Other(), found.open))
		if v.byFileAlone(f) {
			words = append(words, "whether nginx has loaded it is unknown")
		}
		v.judgeAnswers(f)
	}
	v.acknowledge(f)
	slices.SortStableFunc(f.Problems, func(a, b Problem) int { return b.Level.Compare(a.Level) })
	for _, p := range f.Problems {
		if p.Key != string(live) && p.Key != string(live.Other()) {
			words = append(words, p.Text)
		}
	}
	if found.status.Holder != nil {
		words = append(words, "a switch is at work")
	}
	f.Text = oneLine(strings.Join(words, ", "))
	f.Level = worstOf(f.Problems)
}

// carryOver keeps the problems that cannot be judged while a switch is at
// work: they are not over because nobody looked.
func (f *Finding) carryOver() {
	if f.Status.Holder == nil {
		return
	}
	for _, p := range f.Memory.Problems {
		switch p.Key {
		case keyNginx, keyCandidate, switcher.DriftStopped, switcher.DriftNotLoaded, switcher.DriftAnswers:
			f.Problems = append(f.Problems, p)
		}
	}
}

// add notes a problem and returns its words.
func (f *Finding) add(key string, level Level, text string) string {
	text = oneLine(text)
	f.Problems = append(f.Problems, Problem{key, level, text})
	return text
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
	streak, bad := v.asked(f, live)
	switch {
	case !streak.Up:
		return f.add(string(live), Critical, fmt.Sprintf("%s live but unhealthy: %s", live, bad))
	case f.unasked[live]:
		return fmt.Sprintf("%s, %s", v.isLive(f, live), bad)
	case bad != "":
		return fmt.Sprintf("%s (failed %d of %d times: %s)", v.isLive(f, live), streak.Bad, v.Options.Fall, bad)
	}
	return fmt.Sprintf("%s (%s)", v.isLive(f, live), healthyWords(f.Status.Colors[live]))
}

// isLive claims no more than is known.
func (v *Verifier) isLive(f *Finding, live switcher.Color) string {
	if v.byFileAlone(f) {
		return fmt.Sprintf("%s live by the file", live)
	}
	return fmt.Sprintf("%s live", live)
}

// byFileAlone says that nothing but the file tells which color is live: neither
// what nginx has loaded is known, nor who answers.
func (v *Verifier) byFileAlone(f *Finding) bool {
	running := f.Status.Running
	return running.Matters && running.Err == nil && running.Is == nil && v.Switcher.Site.Confirm == nil && f.Status.Holder == nil
}

// idleWords judges the idle color, half of the way back; open is the other
// half, which look has judged.
func (v *Verifier) idleWords(f *Finding, idle switcher.Color, open *bool) string {
	streak, bad := v.asked(f, idle)
	f.WayOpen = open
	switch {
	case !streak.Up:
		f.WayOpen = new(bool)
		return f.add(string(idle), Warning, fmt.Sprintf("no way back: %s %s", idle, bad))
	case f.unasked[idle]:
		f.WayOpen = nil
		return fmt.Sprintf("%s idle, %s", idle, bad)
	case bad != "":
		return fmt.Sprintf("%s idle (failed %d of %d times: %s)", idle, streak.Bad, v.Options.Fall, bad)
	case open == nil || !*open:
		return fmt.Sprintf("%s idle (%s)", idle, healthyWords(f.Status.Colors[idle]))
	}
	return fmt.Sprintf("way back open: %s (%s)%s", idle, healthyWords(f.Status.Colors[idle]), untestedWords(f.Way))
}

func untestedWords(way switcher.Way) string {
	if way.Tested {
		return ""
	}
	return ", untested by nginx"
}

// asked counts the answer of a color. bad says what is wrong with it; it is
// empty where it is up and has answered well.
func (v *Verifier) asked(f *Finding, color switcher.Color) (streak Streak, bad string) {
	if f.unasked[color] {
		streak, known := f.Memory.Streaks[string(color)]
		streak.Up = streak.Up || !known
		return streak, "not asked in time"
	}
	verdicts := f.Status.Colors[color]
	streak = v.streak(f, string(color), health.Healthy(verdicts))
	bad = unhealthyText(verdicts)
	if !streak.Up && bad == "" {
		bad = fmt.Sprintf("answered well only %d of %d times", streak.Good, v.Options.Rise)
	}
	return streak, bad
}

// judgeAnswers dampens what came through nginx.
func (v *Verifier) judgeAnswers(f *Finding) {
	if v.Switcher.Site.Confirm == nil || f.Status.Holder != nil || len(f.unasked) > 0 {
		return
	}
	good := f.Status.Answers == f.Status.Live
	streak := v.streak(f, switcher.DriftAnswers, good)
	f.Problems = slices.DeleteFunc(f.Problems, func(p Problem) bool { return p.Key == switcher.DriftAnswers })
	if streak.Up {
		return
	}
	p := Problem{switcher.DriftAnswers, Warning, ""}
	switch {
	case good:
		p.Text = fmt.Sprintf("%s answered through nginx only %d of %d times", f.Status.Live, streak.Good, v.Options.Rise)
	case f.Status.Answers != "":
		p.Text = fmt.Sprintf("%s answers through nginx", f.Status.Answers)
	default:
		p.Level, p.Text = Critical, "neither color answers through nginx: "+oneLine(f.Status.Answered)
	}
	f.Problems = append(f.Problems, p)
}

func (v *Verifier) streak(f *Finding, key string, good bool) Streak {
	before, known := f.Memory.Streaks[key]
	f.Memory.Streaks[key] = before.next(good, known, v.Options)
	return f.Memory.Streaks[key]
}
