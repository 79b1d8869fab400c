package verify

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"
)

// memorySchema is the version of Memory; another one is not read, and begun
// anew.
const memorySchema = 1

const memoryFile = "verify.json"

// Memory is what one run leaves for the next.
type Memory struct {
	Schema       int               `json:"schema"`
	Live         switcher.Color    `json:"live"`
	Streaks      map[string]Streak `json:"streaks"`                // by color, and "answers"
	Answered     string            `json:"answered"`               // the level that was found last; empty: nothing yet
	Level        string            `json:"level"`                  // likewise, as it is told: dampened
	Problems     []Problem         `json:"problems,omitempty"`     // those of that level, in the words of when they began
	Since        time.Time         `json:"since"`                  // when that level began
	TroubleSince time.Time         `json:"trouble_since,omitzero"` // when it was no longer OK
	SpokenAt     time.Time         `json:"spoken_at,omitzero"`     // when something was told last
	Failover     *Failover         `json:"failover,omitempty"`     // the last one
	Totals       Totals            `json:"totals"`
	Past         []Change          `json:"past,omitempty"` // oldest first

	kept *Memory // what is on the disk
}

// Streak is how one thing has answered lately. The counts stop where they have
// decided, so that a quiet site leaves nothing to write.
type Streak struct {
	Up   bool `json:"up"`
	Good int  `json:"good"` // in a row
	Bad  int  `json:"bad"`  // in a row
}

// next is the streak after one more answer. The first answer of all is
// believed: there is nothing to hold against it.
func (s Streak) next(good, known bool, o Options) Streak {
	if !known {
		s.Up = good
	}
	enough := max(o.Rise, o.Fall)
	if good {
		s.Good, s.Bad = min(s.Good+1, enough), 0
		s.Up = s.Up || s.Good >= o.Rise
		return s
	}
	s.Good, s.Bad = 0, min(s.Bad+1, enough)
	s.Up = s.Up && s.Bad < o.Fall
	return s
}

// Totals count the history, each record once.
type Totals struct {
	Switches  int             `json:"switches"`
	RollBacks int             `json:"roll_backs"`
	Failovers int             `json:"failovers"`
	Switched  statedir.Moment `json:"switched"` // when the last switch was done
	Until     statedir.Moment `json:"until"`    // the time of the newest record counted
}

// remember reads the memory. One that is torn or of another version is no
// memory; warning says so.
func remember(state statedir.Folder) (m Memory, warning string) {
	found, err := state.Load(memoryFile, &m)
	if err == nil && found && m.Schema == memorySchema {
		if m.Streaks == nil {
			m.Streaks = map[string]Streak{}
		}
		kept := m.clone()
		m.kept = &kept
		return m, ""
	}
	fresh := Memory{Schema: memorySchema, Streaks: map[string]Streak{}}
	switch {
	case err != nil:
		return fresh, "cannot read what the last run remembered; starting afresh: " + err.Error()
	case found:
		return fresh, "what the last run remembered is from another version; starting afresh"
	}
	return fresh, ""
}

// keep writes the memory, where it differs from what is on the disk; else only the
// file's time tells of the run.
func (m *Memory) keep(state statedir.Folder) error {
	if m.kept != nil && m.equal(*m.kept) {
		return state.Touch(memoryFile)
	}
	if err := state.Store(memoryFile, m); err != nil {
		return err
	}
	kept := m.clone()
	m.kept = &kept
	return nil
}

// LastRun is when verify last ran for a site; the zero time: it has not, as far as
// is known there.
func LastRun(state statedir.Folder) (time.Time, error) { return state.Changed(memoryFile) }

func (m *Memory) equal(other Memory) bool {
	failover := m.Failover == other.Failover || m.Failover != nil && other.Failover != nil && *m.Failover == *other.Failover
	return failover && m.Live == other.Live && m.Answered == other.Answered && m.Level == other.Level && m.Totals == other.Totals &&
		maps.Equal(m.Streaks, other.Streaks) && slices.Equal(m.Problems, other.Problems) &&
		samePast(m.Past, other.Past) && m.Since.Equal(other.Since) && m.TroubleSince.Equal(other.TroubleSince) && m.SpokenAt.Equal(other.SpokenAt)
}

// clone is a memory that shares nothing with the one it was made from but what
// is on the disk.
func (m Memory) clone() Memory {
	m.Streaks, m.Problems, m.Past = maps.Clone(m.Streaks), slices.Clone(m.Problems), slices.Clone(m.Past)
	if m.Failover != nil {
		copied := *m.Failover
		m.Failover = &copied
	}
	return m
}

// isLive: what came through nginx for one color says nothing of the other.
func (m *Memory) isLive(color switcher.Color) {
	if m.Live != color {
		delete(m.Streaks, switcher.DriftAnswers)
		m.Live = color
	}
}

// found notes what of this run's finding is told, or was before.
func (m *Memory) found(level Level, f *Finding, now time.Time) {
	if m.Level != level.String() {
		m.Since = now
	}
	switch {
	case level == OK:
		m.TroubleSince = time.Time{}
	case m.TroubleSince.IsZero():
		m.TroubleSince = now
	}
	if f.Event != "" {
		m.SpokenAt = now
	}
	if !sameKeys(m.Problems, f.told) || m.Level != level.String() {
		m.Problems = f.told
	}
	m.Level = level.String()
}

// notAfter brings times that are still to come down to now: the clock was set
// back, and what waits for them would wait for as long.
func (m *Memory) notAfter(now time.Time) {
	times := []*time.Time{&m.Since, &m.TroubleSince, &m.SpokenAt}
	if m.Failover != nil {
		times = append(times, &m.Failover.Time)
	}
	for i := range m.Past {
		times = append(times, &m.Past[i].Time)
	}
	for _, t := range times {
		if t.After(now) {
			*t = now
		}
	}
}

// countHistory adds what was recorded since the last run.
func (v *Verifier) countHistory(f *Finding, last *statedir.Record) {
	until := f.Memory.Totals.Until
	if last == nil || last.Time.Equal(until.Time) {
		return
	}
	var t tally
	for r, err := range v.Switcher.State.Records(nil) {
		if errors.Is(err, fs.ErrPermission) { // nor can what is found be remembered, which is told
			return
		}
		if err != nil {
			f.note("cannot count the history: " + err.Error())
			return
		}
		// Their order is that of the file: the clock may have been set back.
		if r.Time.Equal(until.Time) {
			break
		}
		t.add(r)
	}
	f.Memory.count(t)
}

// tally is what new records come to. They are taken newest first, and none is
// kept: there may be many.
type tally struct {
	Totals
	byHand   bool      // somebody switched by hand
	failover *Failover // the last one
}

func (t *tally) add(r statedir.Record) {
	if t.Until.IsZero() {
		t.Until = statedir.Moment{Time: r.Time}
	}
	switch outcome := switcher.Outcome(r.Outcome); {
	case r.Drill(): // it ends where it began
	case outcome == switcher.RolledBack:
		t.RollBacks++
	case outcome == switcher.Done:
		t.Switches++
		if t.Switched.IsZero() {
			t.Switched = statedir.Moment{Time: r.Time}
		}
		t.addDone(r)
	}
}

// addDone: a switch by hand acknowledges the failovers before it.
func (t *tally) addDone(r statedir.Record) {
	if r.Command != command {
		t.byHand = t.byHand || t.failover == nil
		return
	}
	t.Failovers++
	if t.failover == nil {
		t.failover = &Failover{Time: r.Time, From: r.From, To: r.To, Outcome: switcher.Done, Acknowledged: t.byHand}
	}
}

// count adds a tally. Where nothing is remembered, or not how it ended, a
// failover that nobody has switched away from is found again: it must stay the
// only one.
func (m *Memory) count(t tally) {
	if t.failover != nil && (m.Totals.Until.IsZero() || m.Failover != nil && m.Failover.Outcome == begun) {
		m.Failover = t.failover
	} else if t.byHand && m.Failover != nil {
		m.Failover.Acknowledged = true
	}
	m.Totals.Switches += t.Switches
	m.Totals.RollBacks += t.RollBacks
	m.Totals.Failovers += t.Failovers
	if !t.Switched.IsZero() {
		m.Totals.Switched = t.Switched
	}
	if !t.Until.IsZero() {
		m.Totals.Until = t.Until
	}
}
