package nginx

import (
	"slices"
	"time"
)

// Workers is what runs below a master at one moment.
type Workers struct {
	Master   int
	Serving  []int // pids, ascending
	Draining []int // told to end, still busy with connections; what a master before has left, too
	Starting int   // how many do not serve yet
	Oldest   time.Time
	Newest   uint64 // start of the latest that serves, in clock ticks since boot; 0: none does

	serving, draining []processID
}

// Old are the workers that were told to end.
func (w Workers) Old() []Worker { return workersOf(w.draining) }

// Present are all that serve, or have served.
func (w Workers) Present() []Worker { return workersOf(slices.Concat(w.serving, w.draining)) }

// Workers looks at the master's children. Anyone may: no rights are needed.
func (m *Master) Workers() (Workers, error) {
	kids, err := children(m.PID)
	if err != nil {
		return Workers{}, err
	}
	w := Workers{Master: m.PID}
	for _, kid := range append(kids, m.leftBehind()...) {
		switch {
		case kid.draining():
			w.draining = append(w.draining, kid.id)
		case kid.starting():
			w.Starting++
		case kid.serving():
			w.serving = append(w.serving, kid.id)
			w.Newest = max(w.Newest, kid.id.start)
			if begun := kid.id.started(); w.Oldest.IsZero() || begun.Before(w.Oldest) {
				w.Oldest = begun
			}
		}
	}
	w.Serving, w.Draining = pids(w.serving), pids(w.draining)
	return w, nil
}

// leftBehind are the old workers of a master that has ended before this one.
func (m *Master) leftBehind() (left []process) {
	for _, id := range m.left {
		if p, err := readProcess(id.pid); err == nil && p.id == id && p.draining() {
			left = append(left, p)
		}
	}
	return left
}

// Knows says whether any worker of a generation still serves: then nothing has
// been loaded since. A pid that was used again names a younger process.
func (w Workers) Knows(g Generation) bool {
	return slices.ContainsFunc(w.serving, func(id processID) bool {
		return id.start <= g.Newest && slices.Contains(g.Workers, id.pid)
	})
}

func samePIDs(ids []processID, list []int) bool { return slices.Equal(pids(ids), list) }

func sameProcesses(a, b []processID) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(id processID) bool { return !contains(b, id) })
}

func contains(ids []processID, id processID) bool { return slices.Contains(ids, id) }

func workersOf(ids []processID) []Worker {
	list := []Worker{}
	for _, id := range ids {
		list = append(list, Worker{id.pid, id.start})
	}
	slices.SortFunc(list, func(a, b Worker) int { return a.PID - b.PID })
	return list
}

func pids(ids []processID) []int {
	list := []int{}
	for _, id := range ids {
		list = append(list, id.pid)
	}
	slices.Sort(list)
	return list
}
