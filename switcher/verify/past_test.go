package verify

import (
	"strings"
	"testing"
	"time"

	"bgswitch/switcher"

	"github.com/google/go-cmp/cmp"
)

// What became another is remembered with its time, also what was done by hand,
// and runs that find the same leave nothing.
func TestPast(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Options.Fall, s.Options.Rise = 1, 1
	began := s.clock
	s.play([]step{
		{name: "first", level: OK, times: 2},
		{name: "down", do: sick(green), level: Warning, event: EventChange},
		{name: "still down", level: Warning},
		{name: "up", do: well(green), level: OK, event: EventOver},
		{name: "edited by hand", do: func(s *stand) {
			s.edit(strings.Replace(s.liveFile(), s.Blue.Addr, s.Green.Addr, 1))
			s.reload()
		}, level: OK, times: 2},
	})
	var got []string
	past := s.run().Memory.Past
	for _, c := range past {
		got = append(got, strings.TrimSpace(strings.Join([]string{c.Time.Sub(began).String(), string(c.Live), c.Level, c.Why}, " ")))
	}
	want := []string{"1m0s blue OK", "3m0s blue WARNING no way back: green " + s.Green.Addr + ` status 503: "db down"`, "5m0s blue OK", "6m0s green OK"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The past is bounded, in time and in number, and says how what is kept began.
func TestPastIsBounded(t *testing.T) {
	t.Parallel()
	var m Memory
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	flap := func(n int, pace time.Duration) {
		for range n {
			now = now.Add(pace)
			m.Level = map[string]string{"OK": "WARNING"}[m.Level]
			if m.Level == "" {
				m.Level = "OK"
			}
			m.pass(&Finding{Status: switcher.Status{Live: switcher.Blue}}, now)
		}
	}
	flap(30, time.Hour)
	if oldest := now.Sub(m.Past[0].Time); len(m.Past) != 25 || oldest != PastKept {
		t.Errorf("%d changes are kept, the oldest from %s ago", len(m.Past), oldest)
	}
	flap(1000, time.Minute)
	if len(m.Past) != pastLimit {
		t.Errorf("%d changes are kept", len(m.Past))
	}
	m.Level = "OK"
	m.pass(&Finding{Status: switcher.Status{Live: switcher.Blue}, switching: true}, now)
	before := len(m.Past)
	m.pass(&Finding{Status: switcher.Status{Live: switcher.Green}, switching: true}, now)
	if len(m.Past) != before {
		t.Error("what a switch at work moves is a change")
	}
}

// A clock that was set back leaves no change that is still to come.
func TestPastIsNotToCome(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := Memory{Past: []Change{{Time: now.Add(-time.Hour)}, {Time: now.Add(time.Hour)}}}
	kept := m.clone()
	m.notAfter(now)
	if !m.Past[1].Time.Equal(now) || m.equal(kept) || kept.Past[1].Time.Equal(now) {
		t.Errorf("%v", m.Past)
	}
}
