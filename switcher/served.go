package switcher

import (
	"slices"
	"time"

	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// past is what the records tell of an old worker.
type past struct {
	color Color     // that it passes to; empty: unknown
	since time.Time // when the switch was that ended it; the zero time: unknown
}

// oldWorkers are those that end after a switch, as its record keeps them.
func (p *part) oldWorkers() []statedir.OldWorker {
	before, ending := p.survey.running.old()
	list := []statedir.OldWorker{}
	if len(ending) == 0 {
		return list
	}
	loaded := p.loaded
	if loaded.IfRead && p.survey.accepted.dump != nil {
		loaded = loaded.known(true, "%s", loaded.Why) // nginx's test has read the file
	}
	pasts := p.pasts(before, loaded, p.plan.From)
	for _, w := range ending {
		list = append(list, statedir.OldWorker{Worker: w, Color: pasts[w].color})
	}
	return list
}

// pasts tells of workers what they pass to. It is known of those that a record
// of ours names. Of the others, it is what the live file says, where that is what
// nginx has loaded ever since the newest load on record, or since it started. What
// else they may have, as after an edit by hand and a reload, nobody knows.
func (s *Switcher) pasts(workers []nginx.Worker, loaded Loaded, live Color) map[nginx.Worker]past {
	pasts := map[nginx.Worker]past{}
	for r, err := range s.State.Known(nil) {
		if err != nil {
			return map[nginx.Worker]past{}
		}
		if r.Generation == nil {
			continue
		}
		for _, w := range workers {
			pasts[w] = pasts[w].with(r, w)
		}
		if !slices.ContainsFunc(workers, func(w nginx.Worker) bool { return w.Start <= r.Generation.Newest }) {
			break // the older ones can name none of them
		}
	}
	for _, w := range workers {
		if p := pasts[w]; p.color == "" && loaded.since > 0 && w.Start >= loaded.since && loaded.Is != nil && *loaded.Is {
			p.color = live
			pasts[w] = p
		}
	}
	return pasts
}

// with adds what a record says of a worker. The oldest that has it among those
// that end is of the switch that ended it.
func (p past) with(r statedir.Record, w nginx.Worker) past {
	ended := r.Time.Add(time.Duration(r.TookMS * float64(time.Millisecond)))
	if w.Started().After(ended.Add(clockSlack)) { // then it names another process
		return p
	}
	for _, old := range r.Old {
		if old.Worker == w {
			p.since = r.Time
			if p.color == "" {
				p.color = old.Color
			}
		}
	}
	if p.color == "" && w.Start <= r.Generation.Newest && slices.Contains(r.Generation.Workers, w.PID) {
		p.color = given(r)
	}
	return p
}

// clockSlack is how far the clock on the wall may have been set between a record
// and now: starts are counted since boot.
const clockSlack = 10 * time.Second

// given is the color that nginx was given, and has loaded, in the end.
func given(r statedir.Record) Color {
	if Outcome(r.Outcome) == Done {
		return r.To
	}
	return r.From
}
