package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// speak decides whether there is anything to tell: a change, a reminder of what
// lasts, or that it is over, and for how long it lasted. That all is well when
// nothing is remembered is no news. Where only one of what was found and what
// is told is well, it waits: the one will follow the other, or turn back.
func (v *Verifier) speak(f *Finding) {
	now := v.now().UTC()
	m := &f.Memory
	m.notAfter(now)
	m.Answered = f.Level.String()
	level := worstOf(f.told)
	if f.Event == "" && (level == OK) != (f.Level == OK) {
		return
	}
	first := m.Level == ""
	same := !first && m.Level == level.String() && sameKeys(m.Problems, f.told)
	lasted := now.Sub(m.TroubleSince)
	switch {
	case f.Event == EventFailover:
	case same && level != OK && now.Sub(m.SpokenAt) >= v.Options.Remind:
		f.Event, f.Lasted = EventReminder, lasted
	case same, first && level == OK:
	case level == OK:
		f.Event, f.Lasted = EventOver, lasted
	default:
		f.Event = EventChange
	}
	m.found(level, f, now)
	f.Text += f.lastedWords()
}

// sameKeys: the order in which problems are found does not matter.
func sameKeys(a, b []Problem) bool { return slices.Equal(keys(a), keys(b)) }

func keys(problems []Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, p.Key)
	}
	slices.Sort(list)
	return list
}

func (f *Finding) lastedWords() string {
	switch f.Event {
	case EventOver:
		return ", over after " + shortSpan(f.Lasted)
	case EventReminder:
		return ", for " + shortSpan(f.Lasted) + " now"
	}
	return ""
}

// shortSpan is a span as people say it: 45s, 12m, 6h5m, 2d3h.
func shortSpan(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < day:
		text := strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
		if strings.HasSuffix(text, "h0m") {
			return strings.TrimSuffix(text, "0m")
		}
		return text
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}
