package switcher

import (
	"fmt"

	"bgswitch/switcher/moment"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// Loaded says whether the running nginx has loaded the live file as it is.
type Loaded struct {
	Is     *bool  // nil: unknown
	Why    string // how that is known, or why it is not
	IfRead bool   // nginx has it if its configuration, which others may have changed since, still reads it
	given  bool   // a switch gave it this very file, untouched since: no load can bring another one of it
	since  uint64 // whatever worker started from then on, in clock ticks since boot, has it; 0: unknown
}

func (l Loaded) known(is bool, why string, args ...any) Loaded {
	l.Is, l.Why = &is, fmt.Sprintf(why, args...)
	return l
}

// loadedBy is the only place that decides what nginx has loaded. It is known of
// a master to which a record of ours gave this very file, unchanged since; or
// the same bytes, where nothing was loaded since (one of its generation still
// serves); or of a master that started after the file last changed, where a record
// shows that nginx reads it. Workers' ages tell nothing: each of them may have crashed and come back with what the master
// had before. last is the record of what a master was given; nil: there is none.
func loadedBy(master *nginx.Master, workers nginx.Workers, files files, last *statedir.Record) Loaded {
	if len(workers.Serving) == 0 {
		return Loaded{}.known(false, "no worker is serving")
	}
	noted := files.noted(last)
	if noted != nil && last.Generation.Master == master.PID && last.Generation.MasterStart == master.Start() {
		at := moment.Text(last.Time)
		sameBytes, untouched, generation := true, true, workers.Knows(*last.Generation)
		for i, file := range files {
			sameBytes = sameBytes && string(noted[i].HashAfter) == file.Hash()
			untouched = untouched && noted[i].File != nil && *noted[i].File == file.Identity()
		}
		switch {
		case untouched && sameBytes:
			return Loaded{given: true, since: last.Generation.Newest + 1, IfRead: !generation}.known(true, "the switch at %s gave %s to nginx, and %s unchanged", at, files.said("it", "them"), files.said("it is", "they are"))
		case sameBytes && generation:
			return Loaded{}.known(true, "the switch at %s gave nginx the same content, and nothing was loaded since", at)
		case generation:
			return Loaded{}.known(false, "nginx still has what the switch at %s gave it, but %s changed since", at, files.said("the file was", "a file was"))
		}
	}
	if master.StartedAfter(files.lastChanged()) {
		if noted == nil {
			return Loaded{IfRead: true, since: master.Start(), Why: files.said("nginx started after the file last changed, but no switch on record shows that it reads it", "nginx started after the files last changed, but no switch on record shows that it reads them")}
		}
		return Loaded{IfRead: true, since: master.Start()}.known(true, "nginx started after the %s last changed", files.said("file", "files"))
	}
	return Loaded{Why: files.said("no switch on record gave nginx the file as it stands", "no switch on record gave nginx the files as they stand")}
}

// lastGiven is the newest record that says what a master was given, or what an app
// was started from; nil where there is none. A switch that is stuck leaves nobody
// any the wiser.
func (s *Switcher) lastGiven() (*statedir.Record, error) {
	for r, err := range s.State.Known(nil) {
		switch {
		case err != nil:
			return nil, err
		case Outcome(r.Outcome) == Stuck:
			return nil, nil
		case r.Generation != nil, len(s.Site.Restart) > 0 && string(r.Proof) == ByIdentity:
			return &r, nil
		}
	}
	return nil, nil
}
