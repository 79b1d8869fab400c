package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
)

// failOver switches when the live color is down and the idle one is up, as
// `to` does. Once: until somebody acknowledges it, or switches by hand, there
// is no second time, and never one within the cooldown after any switch.
func (v *Verifier) failOver(ctx context.Context, f *Finding) {
	live := f.Status.Live
	if !v.Options.Failover || live == "" || f.Status.Holder != nil {
		return
	}
	down, up := f.Memory.Streaks[string(live)], f.Memory.Streaks[string(live.Other())]
	if down.Up || down.Bad < v.Options.Fall || !up.Up || up.Good < v.Options.Rise {
		return
	}
	if why := v.held(f); why != "" {
		f.Text += ", no failover: " + why
		return
	}
	v.switchOver(ctx, f, live)
}

// held says why there is no failover now; empty: nothing is in its way.
func (v *Verifier) held(f *Finding) string {
	now := v.now()
	if last := f.Memory.Failover; last != nil && !last.Acknowledged {
		return "the one of " + last.Time.Local().Format(time.DateTime) + " is not acknowledged (`bgswitch verify --ack`)"
	} else if last != nil && now.Sub(last.Time) < v.Options.Cooldown {
		return "the last one is less than " + v.Options.Cooldown.String() + " ago"
	}
	if last := f.Status.Last; last != nil && last.Outcome == string(switcher.Done) && now.Sub(last.Time) < v.Options.Cooldown {
		return "the last switch is less than " + v.Options.Cooldown.String() + " ago"
	}
	return ""
}

func (v *Verifier) switchOver(ctx context.Context, f *Finding, live switcher.Color) {
	reason := unhealthyText(f.Status.Colors[live])
	result, err := v.Switcher.Switch(ctx, switcher.Request{
		To: live.Other(), Handover: nginx.HandoverFast, Command: command, Who: "bgswitch verify",
		Reason: fmt.Sprintf("%s failed %d times: %s; %s is healthy", live, f.Memory.Streaks[string(live)].Bad, reason, live.Other()),
	})
	f.Switched, f.Event = &result, EventFailover
	f.Memory.Failover = &Failover{Time: v.now().UTC(), From: live, To: live.Other(), Done: err == nil}
	if err != nil {
		f.failedOver(live, err)
		return
	}
	text := fmt.Sprintf("failed over from %s to %s: %s; acknowledge it with `bgswitch verify --ack`", live, live.Other(), reason)
	f.Problems = []Problem{{"failover", Warning, text}}
	f.Level, f.Text = Warning, text
	f.Status.Live = live.Other()
}

func (f *Finding) failedOver(live switcher.Color, err error) {
	text := fmt.Sprintf("failing over from %s to %s failed: %v", live, live.Other(), err)
	var failed *switcher.Error
	if errors.As(err, &failed) && failed.Traffic != "" {
		text += "; " + failed.Traffic
	}
	f.Problems = append(f.Problems, Problem{"failover", Critical, text})
	f.Level, f.Text = worstOf(f.Problems), f.Text+", "+text
}

// acknowledge settles a failover that somebody has switched away from by hand,
// and goes on warning of one that nobody has looked at.
func (v *Verifier) acknowledge(f *Finding) {
	last := f.Memory.Failover
	if last == nil || last.Acknowledged {
		return
	}
	if r := f.Status.Last; r != nil && r.Command != command && r.Outcome == string(switcher.Done) && r.Time.After(last.Time) {
		last.Acknowledged = true
		return
	}
	text := fmt.Sprintf("failed over from %s to %s at %s and not acknowledged", last.From, last.To, last.Time.Local().Format(time.DateTime))
	if !last.Done {
		text = fmt.Sprintf("failing over from %s to %s failed at %s and is not acknowledged", last.From, last.To, last.Time.Local().Format(time.DateTime))
	}
	f.Problems = append(f.Problems, Problem{"failover", Warning, text})
	f.Text += ", " + text
}

// Ack acknowledges the last failover: the next one may come. It says whether
// there was one to acknowledge.
func (v *Verifier) Ack() (bool, error) {
	lock, err := v.Switcher.State.TryLock(verifyLock)
	if err != nil {
		return false, err
	}
	defer func() { _ = lock.Unlock() }()
	before, _ := remember(v.Switcher.State)
	m := before.clone()
	if m.Failover == nil || m.Failover.Acknowledged {
		return false, nil
	}
	m.Failover.Acknowledged = true
	return true, m.keep(v.Switcher.State, before)
}
