package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/lock"
)

// Finding is what one run found of one site, and what of it is to be told.
type Finding struct {
	Site     string
	Level    Level  // what this look found; what is told of it is dampened
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

	told      []Problem // those that have lasted, and those that are not over for good
	unasked   map[switcher.Color]bool
	switching bool
	forgetful error // why what is found cannot be remembered
}

// Asked says whether the backends of a color were asked, and had the time to answer.
func (f Finding) Asked(color switcher.Color) bool {
	return len(f.Status.Colors[color]) > 0 && !f.unasked[color]
}

// The events that are told.
const (
	EventChange   = "change"   // level or problems are others than in the last run
	EventReminder = "reminder" // it still lasts
	EventOver     = "over"     // all is well again
	EventFailover = "failover" // verify switched, or tried to
)

// command is how records name a switch that verify made.
const command = switcher.VerifyCommand

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
	if v.underWay(err) {
		return v.overlapping(f)
	}
	before, warning := remember(v.Switcher.State)
	if f.forgetful = err; err == nil {
		defer func() { _ = held.Release() }()
		f.note(warning)
	} else {
		f.forgets(err)
		before.Streaks, before.Level = map[string]Streak{}, "" // they would dampen for ever
	}
	v.find(ctx, &f, before)
	if v.failOver(ctx, &f) {
		before.kept = f.Memory.kept
		v.find(ctx, &f, before)
	}
	if interrupted(ctx) && f.Switched == nil {
		f.interrupted(before)
	} else {
		v.speak(&f)
		f.Memory.pass(&f, v.now().UTC())
	}
	for _, warning := range f.Status.Warnings {
		f.note(warning)
	}
	for _, e := range f.Way.Elsewhere {
		f.note(switcher.ElsewhereWords(e))
	}
	if d := f.Status.Drills; d != nil && !f.switching && !interrupted(ctx) {
		f.note("last drill: " + d.String())
	}
	if f.forgetful == nil {
		f.forgets(f.Memory.keep(v.Switcher.State))
	}
	_ = v.Switcher.State.Publish() // whoever may not is not the one who keeps anything
	return f
}

// find looks, and puts what it sees into words, by what was known before.
func (v *Verifier) find(ctx context.Context, f *Finding, before Memory) {
	f.Memory, f.WayOpen = before.clone(), nil
	facts := v.look(ctx)
	v.countHistory(f, facts.status.Last)
	v.judge(f, facts)
}

// interrupted says that somebody ended the run; the deadline does not.
func interrupted(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// interrupted finds nothing, and remembers nothing.
func (f *Finding) interrupted(before Memory) {
	f.Memory, f.Level, f.Text, f.WayOpen = before, Unknown, "interrupted before everything had answered", nil
	f.Problems = []Problem{{keyTime, Unknown, f.Text}}
}

func (f *Finding) forgets(err error) {
	if err != nil {
		f.note("cannot remember what was found: " + err.Error())
	}
}

// underWay says that another run has the lock, and not for longer than a run may
// take: one that was stopped, say, would have its answer repeated for ever.
func (v *Verifier) underWay(err error) bool {
	var busy *lock.BusyError
	return errors.As(err, &busy) && v.now().Sub(busy.Holder.Since).Abs() < v.Options.Deadline
}

// overlapping repeats what the last run said, while another one is at it.
func (v *Verifier) overlapping(f Finding) Finding {
	f.Memory, _ = remember(v.Switcher.State)
	f.Level, f.Problems, f.Overlaps = levelOf(f.Memory.Answered), f.Memory.Problems, true
	f.Text = "another verify is running; the last one said " + f.Level.String()
	return f
}

func (f *Finding) note(text string) {
	if text != "" && !slices.Contains(f.Notes, text) {
		f.Notes = append(f.Notes, text)
	}
}

// judge puts what was seen into words. What this look found is answered at
// once; what is told is dampened where it came from the network.
func (v *Verifier) judge(f *Finding, found facts) {
	f.Status, f.Way, f.WayOpen, f.unasked, f.switching = found.status, found.way, found.open, found.unasked, found.switching
	f.Problems, f.told = found.problems, slices.Clone(found.problems)
	live := found.status.Live
	f.carryOver()
	var colors []string
	if live != "" {
		f.Memory.isLive(live)
		v.judgeAnswers(f)
		colors = append(colors, v.liveWords(f, live), v.idleWords(f, live.Other()))
		if v.unknownLoaded(f) {
			colors = append(colors, "it is unknown whether nginx has loaded it")
		}
	}
	v.acknowledge(f)
	if b := f.Status.Baking; b.CutOff() {
		f.add(keyBake, Warning, fmt.Sprintf("%s (`%s` acknowledges it)", b, v.Switcher.Command("to", string(b.To))))
	}
	if busy := (*lock.BusyError)(nil); errors.As(f.forgetful, &busy) {
		f.add(keyOther, Warning, "another verify does not end: "+busy.Holder.String())
	}
	slices.SortStableFunc(f.Problems, func(a, b Problem) int { return b.Level.Compare(a.Level) })
	f.Text = foreign.Line(strings.Join(f.words(colors), ", "))
	f.Level = worstOf(f.Problems)
}

// words are the whole text: an outage comes first, whatever the colors are.
func (f *Finding) words(colors []string) []string {
	var outage, others []string
	for _, p := range f.Problems {
		switch {
		case p.Key == string(switcher.Blue), p.Key == string(switcher.Green):
		case p.Level == Critical:
			outage = append(outage, p.Text)
		default:
			others = append(others, p.Text)
		}
	}
	if f.switching {
		others = append(others, "a switch is at work")
	}
	if b := f.Status.Baking; b != nil && !b.CutOff() {
		others = append(others, b.String())
	}
	return slices.Concat(outage, colors, others)
}

// carryOver keeps the problems that cannot be judged while a switch is at
// work: they are not over because nobody looked.
func (f *Finding) carryOver() {
	if !f.switching {
		return
	}
	for _, p := range f.Memory.Problems {
		switch p.Key {
		case keyNginx, keyCandidate, switcher.DriftNotLoaded, switcher.DriftAnswers:
			f.Problems = append(f.Problems, p)
		}
	}
}

// add notes a problem that is answered and told.
func (f *Finding) add(key string, level Level, text string) {
	p := Problem{key, level, foreign.Line(text)}
	f.Problems, f.told = append(f.Problems, p), append(f.told, p)
}

// addAnswer notes what the network gave: a problem is answered where this look
// found it, and told where it has lasted, or is not over for good.
func (f *Finding) addAnswer(p Problem, bad bool, s Streak) {
	p.Text = foreign.Line(p.Text)
	if bad {
		f.Problems = append(f.Problems, p)
	}
	if !s.Up {
		f.told = append(f.told, p)
	}
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
	is, verb := "by the file", ""
	if f.Status.Serves() {
		is, verb = "live", "is "
	}
	p := Problem{string(live), Critical, fmt.Sprintf("%s %s%s and UNHEALTHY: %s", live, verb, is, bad)}
	f.addAnswer(p, bad != "", streak)
	switch {
	case f.unasked[live]:
		return fmt.Sprintf("%s %s, %s", live, is, notAsked)
	case bad != "":
		return p.Text + v.times(streak)
	case len(f.Status.Colors[live]) == 0 && f.Status.Answers == live:
		return fmt.Sprintf("%s %s (answers %s)", live, is, f.Status.Through)
	}
	return fmt.Sprintf("%s %s (%s)%s", live, is, healthyWords(f.Status.Colors[live]), v.times(streak))
}

// unknownLoaded says that nothing but the file tells which color is live: neither
// what nginx has loaded is known, nor who answers.
func (v *Verifier) unknownLoaded(f *Finding) bool {
	running := f.Status.Running
	return running.Matters && running.Err == nil && running.Is == nil && v.Switcher.Site.Confirm == nil && !f.switching
}

// idleWords judges the idle color, half of the way back; look has judged the
// other half. A color that a switch at work may be about is not judged by one
// look.
func (v *Verifier) idleWords(f *Finding, idle switcher.Color) string {
	streak, bad := v.asked(f, idle)
	healthy := fmt.Sprintf("%s (%s)%s", idle, healthyWords(f.Status.Colors[idle]), v.times(streak))
	p := Problem{string(idle), Warning, fmt.Sprintf("no way back: %s %s", idle, bad)}
	switching := f.switching && streak.Up
	f.addAnswer(p, bad != "" && !switching, streak)
	switch {
	case f.unasked[idle]:
		f.WayOpen = nil
		return fmt.Sprintf("%s idle, %s", idle, notAsked)
	case bad != "":
		f.WayOpen = new(bool)
		if switching {
			return fmt.Sprintf("%s idle, %s%s", idle, bad, v.times(streak))
		}
		return p.Text + v.times(streak)
	case len(f.Status.Colors[idle]) == 0 && f.WayOpen != nil && *f.WayOpen:
		f.WayOpen = nil
		return "way back not checked: " + switcher.NoURL(idle)
	case f.WayOpen == nil || !*f.WayOpen:
		return strings.Replace(healthy, " (", " idle (", 1)
	case f.Way.Tested:
		return "way back open: " + healthy
	}
	return "way back open: " + healthy + ", not tested by nginx"
}

const notAsked = "not asked in time"

// times says how often a color has answered so, until that is told.
func (v *Verifier) times(s Streak) string {
	switch {
	case s.Up && s.Bad > 0:
		return fmt.Sprintf(" (%s, down at %d)", switcher.Counted(s.Bad, "bad answer"), v.Options.Fall)
	case !s.Up && s.Good > 0:
		return fmt.Sprintf(" (%s, needs %d)", switcher.Counted(s.Good, "good answer"), v.Options.Rise)
	}
	return ""
}

// asked counts the answer of a color. bad says what was wrong with it; it is
// empty where it answered well, or was not asked.
func (v *Verifier) asked(f *Finding, color switcher.Color) (streak Streak, bad string) {
	if f.unasked[color] {
		streak, known := f.Memory.Streaks[string(color)]
		streak.Up = streak.Up || !known
		return streak, ""
	}
	verdicts := f.Status.Colors[color]
	if len(verdicts) == 0 { // it runs only once it is live
		return Streak{Up: true}, ""
	}
	return v.streak(f, string(color), health.Healthy(verdicts)), unhealthyText(verdicts)
}

// judgeAnswers judges what came through nginx. What had no time to come is not
// judged, nor what cannot come.
func (v *Verifier) judgeAnswers(f *Finding) {
	st := f.Status
	if v.Switcher.Site.Confirm == nil || f.switching || f.stopped() {
		return
	}
	if st.Answers == "" && st.Answered == "" {
		f.addAnswer(Problem{switcher.DriftAnswers, Warning, st.Through + ": " + notAsked}, false, f.Memory.Streaks[switcher.DriftAnswers])
		return
	}
	p := Problem{switcher.DriftAnswers, Warning, fmt.Sprintf("%s answers %s", st.Answers, st.Through)}
	if st.Answers == "" {
		p.Level, p.Text = Critical, "neither color answers "+st.Through+": "+st.Answered
		if st.Nobody {
			p.Text = "neither color answers " + st.Through + ", and a switch would be rolled back: " + st.Answered
		}
		f.unconfirmed()
	}
	good := st.Answers == st.Live
	f.addAnswer(p, !good, v.streak(f, switcher.DriftAnswers, good))
}

// unconfirmed: a switch asks through nginx, too. That the live color is sick
// says nothing of the other one's answer there; that nobody is there says all.
func (f *Finding) unconfirmed() {
	switch st := f.Status; {
	case st.Nobody:
		f.WayOpen = new(bool)
	case health.Healthy(st.Colors[st.Live]) && f.WayOpen != nil && *f.WayOpen:
		f.WayOpen = nil
	}
}

func (f *Finding) stopped() bool {
	return slices.ContainsFunc(f.Status.Drift, func(d switcher.Drift) bool { return d.Key == switcher.DriftStopped })
}

func (v *Verifier) streak(f *Finding, key string, good bool) Streak {
	before, known := f.Memory.Streaks[key]
	f.Memory.Streaks[key] = before.next(good, known, v.Options)
	return f.Memory.Streaks[key]
}
