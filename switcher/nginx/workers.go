package nginx

import (
	"slices"
	"time"
)

// Workers is what runs below a master at one moment.
type Workers struct {
	Master        int
	MasterStarted time.Time
	Serving       []int // pids, ascending
	Draining      []int // told to end, still busy with connections
	Oldest        time.Time
	Newest        uint64 // start of the latest that serves, in clock ticks since boot; 0: none does
}

// Workers looks at the master's children. Anyone may: no rights are needed.
func (m *Master) Workers() (Workers, error) {
	kids, err := children(m.PID)
	if err != nil {
		return Workers{}, err
	}
	w := Workers{Master: m.PID, MasterStarted: m.id.started()}
	for _, kid := range kids {
		switch {
		case kid.draining():
			w.Draining = append(w.Draining, kid.id.pid)
		case kid.serving():
			w.Serving = append(w.Serving, kid.id.pid)
			w.Newest = max(w.Newest, kid.id.start)
			if begun := kid.id.started(); w.Oldest.IsZero() || begun.Before(w.Oldest) {
				w.Oldest = begun
			}
		}
	}
	slices.Sort(w.Serving)
	slices.Sort(w.Draining)
	return w, nil
}

func contains(ids []processID, id processID) bool { return slices.Contains(ids, id) }

func pids(ids []processID) []int {
	var list []int
	for _, id := range ids {
		list = append(list, id.pid)
	}
	slices.Sort(list)
	return list
}
