package verify

import (
	"fmt"
	"slices"
	"time"
)

// speak decides whether there is anything to tell: a change, a reminder of what
// lasts, or that it is over, and for how long it lasted.
func (v *Verifier) speak(f *Finding) {
	now := v.now().UTC()
	m := &f.Memory
	before := levelOf(m.Level)
	first := m.Level == ""
	if m.Since.After(now) || m.SpokenAt.After(now) { // the clock was set back
		m.Since, m.SpokenAt = now, now
	}
	lasted := now.Sub(m.Since)
	switch {
	case f.Event == EventFailover:
	case first && f.Level == OK, !first && before == f.Level && sameKeys(m.Problems, f.Problems) && !v.due(f, now):
		m.remember(f, first, now, m.SpokenAt)
		return
	case !first && before == f.Level && sameKeys(m.Problems, f.Problems):
		f.Event, f.Lasted = EventReminder, lasted
	case f.Level == OK:
		f.Event, f.Lasted = EventOver, lasted
	default:
		f.Event = EventChange
	}
	m.remember(f, first, now, now)
	f.Text += f.lastedWords()
}

func (v *Verifier) due(f *Finding, now time.Time) bool {
	return f.Level != OK && now.Sub(f.Memory.SpokenAt) >= v.Options.Remind
}

// remember notes what was found; since moves when the level does.
func (m *Memory) remember(f *Finding, first bool, now, spokenAt time.Time) {
	if first || m.Level != f.Level.String() {
		m.Since = now
	}
	if !sameKeys(m.Problems, f.Problems) {
		m.Problems = f.Problems
	}
	m.Level, m.SpokenAt = f.Level.String(), spokenAt
}

func sameKeys(a, b []Problem) bool {
	return slices.EqualFunc(a, b, func(x, y Problem) bool { return x.Key == y.Key })
}

func (f *Finding) lastedWords() string {
	switch f.Event {
	case EventOver:
		return fmt.Sprintf(", over after %s", shortSpan(f.Lasted))
	case EventReminder:
		return fmt.Sprintf(", for %s now", shortSpan(f.Lasted))
	}
	return ""
}

func shortSpan(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Minute).String()
}
