package switcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// Status is what is known of a site: what the file says, what the running
// nginx has loaded, what answers. What could not be found out says so, and is
// never guessed.
type Status struct {
	Site     string
	Path     string
	Live     Color // by the file; empty when it is not understood
	FileErr  error
	Running  Running
	Answers  Color  // through nginx; empty when not asked, or when neither mark came
	Answered string // what came, where it was no color
	Drift    []Drift
	Colors   map[Color][]health.Verdict
	Last     *statedir.Record
	LastErr  error
	Holder   *statedir.Holder // who is switching right now
}

// Running is the nginx that runs.
type Running struct {
	Workers nginx.Workers
	Loaded  *bool  // whether its workers have the file as it is; nil: unknown
	Why     string // how that is known, or why it is not
	Err     error  // there is no master to be found
	Matters bool   // whether one has to be found: not where the operator reloads by a command
}

// Drift is one way in which file, nginx and traffic do not agree, and the
// command that mends it.
type Drift struct {
	Key  string `json:"key"`
	What string `json:"what"`
	Mend string `json:"mend"`
}

// The kinds of drift.
const (
	DriftStopped   = "stopped"    // nginx does not run
	DriftNotLoaded = "not loaded" // its workers have an older file
	DriftAnswers   = "answers"    // through nginx, something else answers
)

// Status looks at everything, the backends of both colors and nginx at the
// same time; it changes nothing and needs no rights. What may not be read is
// named as unknown.
func (s *Switcher) Status(ctx context.Context) Status {
	check := s.Site.Check
	check.Attempts, check.Passes = 1, 1
	return s.Inspect(ctx, check)
}

// Inspect is Status with another check than one answer of each backend.
func (s *Switcher) Inspect(ctx context.Context, check health.Check) Status {
	st := Status{Site: s.Site.Name, Path: s.Site.File, Colors: map[Color][]health.Verdict{}}
	file := s.readStatus(&st)
	var asking sync.WaitGroup
	var lock sync.Mutex
	for _, color := range []Color{Blue, Green} {
		asking.Go(func() {
			verdicts := s.Asker.Ask(ctx, check, s.Site.Backends(color))
			lock.Lock()
			defer lock.Unlock()
			st.Colors[color] = verdicts
		})
	}
	if s.Site.Confirm != nil {
		asking.Go(func() { st.Answers, st.Answered = s.answer(ctx) })
	}
	st.Running = s.running(file)
	st.Running.Matters = len(s.Nginx.Reload) == 0
	s.lastSwitch(&st)
	asking.Wait()
	st.Drift = s.drift(st)
	return st
}

func (s *Switcher) readStatus(st *Status) *livefile.File {
	file, err := livefile.Read(s.Site.File)
	if err != nil {
		st.FileErr = err
		return nil
	}
	st.Path = file.Path
	read, err := nginxconf.Read(file.Bytes, s.Site.Layout)
	if err != nil {
		st.FileErr = err
		return file
	}
	st.Live = read.Live()
	return file
}

func (s *Switcher) running(file *livefile.File) Running {
	master, err := s.Nginx.Master()
	if err != nil {
		return Running{Err: err, Why: err.Error()}
	}
	defer master.Close()
	workers, err := master.Workers()
	if err != nil {
		return Running{Err: err, Why: err.Error()}
	}
	if file == nil {
		return Running{Workers: workers, Why: "the file cannot be read"}
	}
	return s.loaded(file, workers)
}

// startResolution is how exactly a worker's start can be held against a file's
// time: the kernel counts starts in ticks of 10 ms and file times in its own.
const startResolution = 20 * time.Millisecond

// loaded says whether the workers that serve have the file as it is: they were
// born after it changed. Two cases look alike and are told apart by the record
// of the switch that started them, or not at all: a worker born in the same
// moment, and a lone worker, which after a crash comes back with the old
// configuration.
func (s *Switcher) loaded(file *livefile.File, workers nginx.Workers) Running {
	r := Running{Workers: workers}
	changed := file.Changed()
	proved, err := s.proved(file, workers)
	switch {
	case len(workers.Serving) == 0:
		return r.is(false, "no worker serves")
	case proved:
		return r.is(true, "proved by the switch that started its workers")
	case err != nil && workers.Oldest.Before(changed) && file.Modified().Before(workers.Oldest):
		r.Why = "the file was moved or changed after its workers started, and the history that would know is not readable"
	case workers.Oldest.Before(changed.Add(-startResolution)):
		return r.is(false, "its workers started before the file changed")
	case workers.MasterStarted.After(changed.Add(startResolution)):
		return r.is(true, "nginx started after the file changed")
	case workers.Oldest.Before(changed.Add(startResolution)):
		r.Why = "its workers started in the same moment in which the file changed"
	case len(workers.Serving) == 1:
		r.Why = "its only worker started after the file changed, by a reload or after a crash"
	default:
		return r.is(true, "its workers started after the file changed")
	}
	return r
}

func (r Running) is(loaded bool, why string) Running {
	r.Loaded, r.Why = &loaded, why
	return r
}

// proved says that the newest record with a generation knows these workers and
// this file: the very one, or one with the bytes that they loaded. Records of
// what was refused since have none.
func (s *Switcher) proved(file *livefile.File, workers nginx.Workers) (bool, error) {
	records, err := s.State.History(proofsSearched)
	if err != nil {
		return false, err
	}
	for _, r := range records {
		if r.Generation != nil {
			same := r.File != nil && *r.File == file.Identity() || r.HashAfter == file.Hash()
			return same && knows(*r.Generation, workers), nil
		}
	}
	return false, nil
}

// proofsSearched is how many records are looked through for one with a proof.
const proofsSearched = 50

func knows(g nginx.Generation, workers nginx.Workers) bool {
	for _, pid := range workers.Serving {
		if !slices.Contains(g.Workers, pid) {
			return false
		}
	}
	return g.Master == workers.Master
}

func (s *Switcher) lastSwitch(st *Status) {
	records, err := s.State.History(1)
	st.LastErr = err
	if len(records) > 0 {
		st.Last = &records[0]
	}
	if holder, held, err := s.Locks.Held(); err == nil && held {
		st.Holder = &holder
	}
}

// drift compares the three facts, as far as they are known.
func (s *Switcher) drift(st Status) []Drift {
	var found []Drift
	mend := fmt.Sprintf("bgswitch to %s", st.Live)
	if st.Live == "" {
		return nil
	}
	switch err := st.Running.Err; {
	case !st.Running.Matters:
	case errors.Is(err, nginx.ErrPIDMoved):
		found = append(found, Drift{DriftStopped, fmt.Sprintf("the file says %s, but %s", st.Live, err), hintPIDMoved})
	case errors.Is(err, nginx.ErrNotRunning):
		found = append(found, Drift{DriftStopped, fmt.Sprintf("the file says %s, but %s", st.Live, st.Running.Err), "systemctl start nginx"})
	}
	if st.Running.Loaded != nil && !*st.Running.Loaded {
		found = append(found, Drift{DriftNotLoaded, fmt.Sprintf("the file says %s, but the running nginx has not loaded it: %s", st.Live, st.Running.Why), mend})
	}
	stopped := len(found) > 0 && found[0].Key == DriftStopped
	switch {
	case stopped, s.Site.Confirm == nil, st.Answers == st.Live:
	case st.Answers != "":
		found = append(found, Drift{DriftAnswers, fmt.Sprintf("the file says %s, but %s answers", st.Live, st.Answers), mend})
	default:
		found = append(found, Drift{DriftAnswers, fmt.Sprintf("the file says %s, but neither color answers: %s", st.Live, st.Answered), mendSilence(st)})
	}
	return found
}

// mendSilence says what helps when neither color answers: the other one, if it
// is healthy.
func mendSilence(st Status) string {
	if health.Healthy(st.Colors[st.Live.Other()]) {
		return fmt.Sprintf("bgswitch to %s", st.Live.Other())
	}
	return fmt.Sprintf("start %s or %s; `bgswitch status` shows when one is healthy", st.Live, st.Live.Other())
}
