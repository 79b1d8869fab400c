package verify

import (
	"slices"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
)

// Change is when runs began to find something else than those before.
type Change struct {
	Time  time.Time      `json:"time"`
	Live  switcher.Color `json:"live"`  // by the files; empty: unknown
	Level string         `json:"level"` // as it is told; empty: nothing was told yet
	Why   string         `json:"why"`   // the worst of what was told then
}

// PastKept is for how long changes are remembered, and pastLimit how many.
const (
	PastKept  = 24 * time.Hour
	pastLimit = 100
)

// pass remembers what became another. The last change before what is kept stays,
// for it says how that began. A switch at work moves the live color, and is in
// the history.
func (m *Memory) pass(f *Finding, now time.Time) {
	c := Change{Time: now, Live: f.Status.Live, Level: m.Level, Why: worstText(f.told)}
	if n := len(m.Past); n > 0 {
		last := m.Past[n-1]
		if f.switching {
			c.Live = last.Live
		}
		if c.Live == last.Live && c.Level == last.Level {
			return
		}
	}
	m.Past = append(m.Past, c)
	from := len(m.Past) - 1
	for from > 0 && len(m.Past)-from < pastLimit && now.Sub(m.Past[from].Time) < PastKept {
		from--
	}
	m.Past = slices.Clone(m.Past[from:])
}

// worstText is the text of the worst problem, the first of them.
func worstText(problems []Problem) string {
	if len(problems) == 0 {
		return ""
	}
	return foreign.Excerpt(slices.MaxFunc(problems, func(a, b Problem) int { return a.Level.Compare(b.Level) }).Text)
}

func samePast(a, b []Change) bool {
	return slices.EqualFunc(a, b, func(a, b Change) bool {
		return a.Time.Equal(b.Time) && a.Live == b.Live && a.Level == b.Level && a.Why == b.Why
	})
}
