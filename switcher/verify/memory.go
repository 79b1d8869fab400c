package verify

import (
	"reflect"
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
	Schema   int               `json:"schema"`
	Streaks  map[string]Streak `json:"streaks"`            // by color, and "answers"
	Level    string            `json:"level"`              // what was reported last; empty: nothing yet
	Problems []Problem         `json:"problems,omitempty"` // likewise
	Since    time.Time         `json:"since"`              // when that level began
	SpokenAt time.Time         `json:"spoken_at"`
	Failover *Failover         `json:"failover,omitempty"` // the last one
	Totals   Totals            `json:"totals"`
}

// Streak is how one thing has answered lately. The counts stop at 1,000.
type Streak struct {
	Up   bool `json:"up"`
	Good int  `json:"good"` // in a row
	Bad  int  `json:"bad"`  // in a row
}

// Failover is a switch that verify made, or tried to make, by itself.
type Failover struct {
	Time         time.Time      `json:"time"`
	From         switcher.Color `json:"from"`
	To           switcher.Color `json:"to"`
	Done         bool           `json:"done"`
	Acknowledged bool           `json:"acknowledged"`
}

// Totals count the history, each record once.
type Totals struct {
	Switches  int       `json:"switches"`
	RollBacks int       `json:"roll_backs"`
	Failovers int       `json:"failovers"`
	Until     time.Time `json:"until"` // the time of the newest record counted
}

const streakEnd = 1000

// next is the streak after one more answer. The first answer of all is
// believed: there is nothing to hold against it.
func (s Streak) next(good bool, known bool, o Options) Streak {
	if !known {
		s.Up = good
	}
	if good {
		s.Good, s.Bad = min(s.Good+1, streakEnd), 0
		s.Up = s.Up || s.Good >= o.Rise
		return s
	}
	s.Good, s.Bad = 0, min(s.Bad+1, streakEnd)
	s.Up = s.Up && s.Bad < o.Fall
	return s
}

// remember reads the memory. One that is torn or of another version is no
// memory; warning says so.
func remember(state statedir.Folder) (m Memory, warning string) {
	found, err := state.Load(memoryFile, &m)
	if err == nil && found && m.Schema == memorySchema {
		if m.Streaks == nil {
			m.Streaks = map[string]Streak{}
		}
		return m, ""
	}
	fresh := Memory{Schema: memorySchema, Streaks: map[string]Streak{}}
	switch {
	case err != nil:
		return fresh, "what the last run remembered cannot be read, it begins anew: " + err.Error()
	case found:
		return fresh, "what the last run remembered is of another version, it begins anew"
	}
	return fresh, ""
}

// keep writes the memory, where it differs from what was there.
func (m Memory) keep(state statedir.Folder, before Memory) error {
	if reflect.DeepEqual(m, before) {
		return nil
	}
	if err := state.Create(); err != nil {
		return err
	}
	return state.Store(memoryFile, m)
}

// clone is a memory that shares nothing with the one it was made from.
func (m Memory) clone() Memory {
	streaks := map[string]Streak{}
	for key, streak := range m.Streaks {
		streaks[key] = streak
	}
	m.Streaks = streaks
	if m.Failover != nil {
		copied := *m.Failover
		m.Failover = &copied
	}
	return m
}

// count adds the records that came since the last run.
func (t Totals) count(records []statedir.Record) Totals {
	until := t.Until
	for _, r := range records { // newest first
		if !r.Time.After(t.Until) {
			break
		}
		switch switcher.Outcome(r.Outcome) {
		case switcher.Done:
			t.Switches++
			if r.Command == command {
				t.Failovers++
			}
		case switcher.RolledBack:
			t.RollBacks++
		}
		if r.Time.After(until) {
			until = r.Time
		}
	}
	t.Until = until
	return t
}
