package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// Failover is a switch that verify made, or tried to make, by itself.
type Failover struct {
	Time         time.Time        `json:"time"`
	From         switcher.Color   `json:"from"`
	To           switcher.Color   `json:"to"`
	Outcome      switcher.Outcome `json:"outcome"` // begun: the run was ended before the switch was
	Error        statedir.Text    `json:"error"`
	Acknowledged bool             `json:"acknowledged"`
}

// begun is remembered before the switch, so that a run that is killed in the
// middle leaves no second one to the next.
const begun switcher.Outcome = "begun"

// refused says that nothing was touched: it may be tried again.
func (o *Failover) refused() bool {
	switch o.Outcome {
	case begun, switcher.Done, switcher.RolledBack, switcher.Stuck:
		return false
	}
	return true
}

// words tell of it; ack is the command that acknowledges it.
func (o *Failover) words(ack string) string {
	at := moment.Text(o.Time)
	switch {
	case o.Outcome == switcher.Done:
		return fmt.Sprintf("failed over from %s to %s at %s, not acknowledged (`%s`)", o.From, o.To, at, ack)
	case o.refused():
		return fmt.Sprintf("a failover from %s to %s was refused at %s: %s", o.From, o.To, at, o.Error)
	case o.Outcome == begun:
		return fmt.Sprintf("a failover from %s to %s at %s was interrupted; outcome unknown, not acknowledged (`%s`)", o.From, o.To, at, ack)
	}
	return fmt.Sprintf("a failover from %s to %s at %s ended %s, not acknowledged (`%s`)", o.From, o.To, at, o.Outcome, ack)
}

// failOver switches when the live color is down and the idle one is up, as
// `to` does. Once: until somebody acknowledges it, or switches by hand, there
// is no second time, and never one within the cooldown after any switch. It is
// overtaken where something has changed by the time it holds the lock, or
// somebody else has it: what was found no longer holds then.
func (v *Verifier) failOver(ctx context.Context, f *Finding) (overtaken bool) {
	live := f.Status.Live
	if !v.Options.Failover || live == "" {
		return false
	}
	down, up := f.Memory.Streaks[string(live)], f.Memory.Streaks[string(live.Other())]
	if down.Up || down.Bad < v.Options.Fall || !up.Up || up.Good < v.Options.Rise {
		return false
	}
	if why := v.held(f); why != "" {
		f.Text += ", no failover: " + why
		return false
	}
	return v.switchOver(ctx, f, live)
}

// held says why there is no failover now; empty: nothing is in its way.
func (v *Verifier) held(f *Finding) string {
	if f.WayOpen != nil && !*f.WayOpen {
		return "the way back is not open"
	}
	last := f.Memory.Failover
	switch {
	case f.switching:
		return "the switch decides"
	case f.Status.Baking != nil && !f.Status.Baking.CutOff():
		return "the bake decides"
	case f.Status.BakingErr != nil:
		return "it is unknown whether something bakes"
	case len(f.unasked) > 0:
		return "not everything answered"
	case f.Status.LastErr != nil:
		return "the history cannot be read"
	case last != nil && !last.Acknowledged && !last.refused():
		return "the last one is not acknowledged"
	case last != nil && v.recent(last.Time):
		return "the last one is less than " + health.Short(v.Options.Cooldown) + " ago"
	case v.recent(f.Memory.Totals.Switched.Time):
		return "the last switch is less than " + health.Short(v.Options.Cooldown) + " ago"
	case v.recent(f.Status.Seen.Changed):
		return "the live file was changed less than " + health.Short(v.Options.Cooldown) + " ago"
	case f.forgetful != nil:
		return "it could not be recorded"
	}
	return ""
}

// recent: a time that is still to come is recent, too, where the clock was set
// back by less than the cooldown.
func (v *Verifier) recent(t time.Time) bool {
	return !t.IsZero() && v.now().Sub(t).Abs() < v.Options.Cooldown
}

func (v *Verifier) switchOver(ctx context.Context, f *Finding, live switcher.Color) (overtaken bool) {
	before := f.Memory.Failover
	attempt := &Failover{Time: v.now().UTC(), From: live, To: live.Other(), Outcome: begun}
	f.Memory.Failover = attempt
	if err := f.Memory.keep(v.Switcher.State); err != nil {
		f.Memory.Failover = nil
		f.Text += ", no failover: it could not be recorded: " + err.Error()
		return false
	}
	bad, good := f.Status.Colors[live], f.Status.Colors[live.Other()]
	result, err := v.Switcher.Switch(ctx, switcher.Request{
		To: live.Other(), Handover: nginx.HandoverFast, Strict: v.Strict, Command: command, Who: "bgswitch " + command, Still: &f.Status.Seen,
		Reason: fmt.Sprintf("%s failed %d times in a row: %s; %s is healthy (%s)",
			live, f.Memory.Streaks[string(live)].Bad, unhealthyText(bad), live.Other(), healthyWords(good)),
	})
	if result.Outcome == switcher.Overtaken || result.Outcome == switcher.Busy || result.Outcome == switcher.Interrupted && interrupted(ctx) {
		f.Memory.Failover = before
		f.note("no failover: " + err.Error())
		return true
	}
	f.Switched, attempt.Outcome = &result, result.Outcome
	f.Notes = append(f.Notes, result.Notes...)
	v.countHistory(f, &result.Record)
	if err != nil {
		attempt.Error = statedir.Text(err.Error())
		f.notFailedOver(attempt.words(v.ack()), err, before != nil && !before.Acknowledged)
		return false
	}
	f.failedOver(live, unhealthyText(bad), v.ack())
	return false
}

// failedOver finds what the next run will find.
func (f *Finding) failedOver(from switcher.Color, reason, ack string) {
	to := from.Other()
	text := fmt.Sprintf("failed over from %s to %s: %s; acknowledge it with `%s`", from, to, reason, ack)
	if after := f.Switched.Record.After; after != nil && after.Error != "" {
		text += "; " + string(after.Error)
	}
	f.Event, f.Level, f.Text = EventFailover, Warning, foreign.Line(text)
	f.Problems = []Problem{
		{string(from), Warning, foreign.Line(fmt.Sprintf("no way back: %s %s", from, reason))},
		{keyFailover, Warning, f.Text},
	}
	f.told = f.Problems
	f.Status.Live, f.Status.Last, f.WayOpen = to, &f.Switched.Record, new(bool)
	f.Memory.isLive(to)
}

// notFailedOver tells of an attempt that failed; of one that was refused once
// more, there is no news.
func (f *Finding) notFailedOver(text string, err error, again bool) {
	var failed *switcher.Error
	if errors.As(err, &failed) && failed.Traffic != "" {
		text += "; " + failed.Traffic
	}
	if !again {
		f.Event = EventFailover
	}
	if !f.has(keyFailover) {
		f.add(keyFailover, Warning, text)
	}
	f.Text = foreign.Line(f.Text + ", " + text)
	f.Level = worstOf(f.Problems)
}

func (f *Finding) has(key string) bool {
	for _, p := range f.Problems {
		if p.Key == key {
			return true
		}
	}
	return false
}

// acknowledge goes on warning of a failover that nobody has looked at. One
// that was refused is over when the live color is up again.
func (v *Verifier) acknowledge(f *Finding) {
	last := f.Memory.Failover
	if last == nil || last.Acknowledged {
		return
	}
	if last.refused() && f.Status.Live != "" && f.Memory.Streaks[string(f.Status.Live)].Up {
		last.Acknowledged = true
		return
	}
	f.add(keyFailover, Warning, last.words(v.ack()))
}

// ack is the command that acknowledges the last failover.
func (v *Verifier) ack() string { return v.Switcher.Command(command, "--ack") }

// ackRetry is how often a run that is under way is waited for.
const ackRetry = 20 * time.Millisecond

// Ack acknowledges the last failover: the next one may come. It says whether
// there was one to acknowledge. A run under way is waited for until ctx ends.
func (v *Verifier) Ack(ctx context.Context) (bool, error) {
	held, err := v.Switcher.State.TryLock(verifyLock)
	for lock.IsBusy(err) && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(ackRetry):
		}
		held, err = v.Switcher.State.TryLock(verifyLock)
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = held.Release() }()
	m, _ := remember(v.Switcher.State)
	if m.Failover == nil || m.Failover.Acknowledged {
		return false, nil
	}
	m.Failover.Acknowledged = true
	return true, m.keep(v.Switcher.State)
}
