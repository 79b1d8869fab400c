package switcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/sockets"
)

// Drain is what is still open of a color that may be stopped when nothing is.
type Drain struct {
	Color    Color
	Workers  []OldWorker // of all colors
	Backends []Backend   // of the color; nil where their connections are not known
	Unread   error       // why they are not
	Notes    []string    // what the operator has to know besides
}

// OldWorker is one of nginx's that was told to end, and finishes its connections.
type OldWorker struct {
	nginx.Worker
	Color       Color     // that it passes to; empty: unknown
	Since       time.Time // when the switch was that ended it; the zero time: unknown
	Connections int       // to backends of the color that is to be stopped
}

// Backend is a server, and how many connections old workers have to it.
type Backend struct {
	Name        string
	Connections int
}

// Keeps says whether a worker keeps a color from being stopped: it may pass to it
// whatever comes on connections that it had before, also where none is open to
// the color just now.
func (w OldWorker) Keeps(color Color) bool { return w.Color != color.Other() || w.Connections > 0 }

// Keeping are the workers that keep the color from being stopped.
func (d Drain) Keeping() (list []OldWorker) {
	for _, w := range d.Workers {
		if w.Keeps(d.Color) {
			list = append(list, w)
		}
	}
	return list
}

// Drained says that nothing is open any more.
func (d Drain) Drained() bool { return d.Color != "" && len(d.Keeping()) == 0 }

// Connections is how many old workers have to the color.
func (d Drain) Connections() (n int) {
	for _, b := range d.Backends {
		n += b.Connections
	}
	return n
}

// Oldest is since when the first of those that keep the color was told to end;
// the zero time where that is not known of any.
func (d Drain) Oldest() (oldest time.Time) {
	for _, w := range d.Keeping() {
		if oldest.IsZero() || !w.Since.IsZero() && w.Since.Before(oldest) {
			oldest = w.Since
		}
	}
	return oldest
}

// String is what is open, in one line that stays the same as long as that does.
func (d Drain) String() string {
	keeping := d.Keeping()
	if len(keeping) == 0 {
		return "nothing is open"
	}
	words, unknown := Counted(len(keeping), "old worker"), 0
	for _, w := range keeping {
		if w.Color == "" {
			unknown++
		}
	}
	switch {
	case unknown == len(keeping):
		words += " of an unknown color"
	case unknown > 0:
		words += fmt.Sprintf(" (%d of an unknown color)", unknown)
	}
	if d.Unread == nil {
		words += fmt.Sprintf(", %s to %s", Counted(d.Connections(), "connection"), d.Color)
	}
	return words
}

// Drain answers whether a color may be stopped, and waits until it may, at most
// for wait; no color means the one that is idle. What is open is told at each
// look. The error is an *Error; where it is NotDrained, the Drain says what is
// open.
func (s *Switcher) Drain(ctx context.Context, color Color, wait time.Duration, tell func(open Drain, left time.Duration)) (Drain, error) {
	look, until := &drainage{Switcher: s, color: color, tests: true}, time.Now().Add(wait)
	for asking := true; ; asking = false {
		began := time.Now()
		open, err := look.once(ctx, asking)
		if err == nil && open.Drained() && !asking {
			open, err = look.once(ctx, true)
		}
		left := time.Until(until)
		switch {
		case ctx.Err() != nil:
			return open, cannotStop(open.Color, refuse(Interrupted, "", errors.New("interrupted")))
		case err == nil && open.Drained():
			return open, nil
		case err == nil && left <= 0:
			return open, cannotStop(open.Color, s.notDrained(open, wait))
		case err != nil && (left <= 0 || !passing(err, asking)):
			return open, cannotStop(open.Color, err)
		case err == nil:
			tell(open, left)
		}
		nginx.AwaitEnd(ctx, open.workers(), min(drainPace(time.Since(began)), left))
	}
}

// drainPace is how long is waited between two looks, where no worker ends: tables
// that take long to read are read less often.
func drainPace(took time.Duration) time.Duration {
	return min(max(250*time.Millisecond, 20*took), 2*time.Second)
}

func cannotStop(color Color, err error) error {
	if color == "" {
		return asError("see what is open", err)
	}
	return asError(fmt.Sprintf("call %s drained", color), err)
}

// passing says whether what keeps one from knowing may be over in a moment:
// somebody switches or, unless it was so from the beginning, nginx is not there.
func passing(err error, first bool) bool {
	outcome := outcomeOf(err)
	return outcome == Busy || outcome == Failed && !first
}

func (s *Switcher) notDrained(open Drain, wait time.Duration) error {
	why := open.String()
	if wait > 0 {
		why = fmt.Sprintf("after %s, still %s", health.Short(wait), why)
	}
	return refuse(NotDrained, fmt.Sprintf("`%s` waits until it may be stopped", s.Command("drain", string(open.Color), "--wait", "5m")), errors.New(why))
}

// drainage looks again and again at what is open of a color. What takes its time
// is found out once, where it is needed.
type drainage struct {
	*Switcher
	color    Color        // empty: whichever is idle
	tests    bool         // nginx's test may be run
	tested   nginx.Tested // once that was
	located  bool
	backends []backend
	unread   error    // why it is not known where they are
	notes    []string // nil: nothing is known yet
}

// dump is what nginx reads; nil where that cannot be found out.
func (l *drainage) dump(ctx context.Context, is found) func() *nginx.Dump {
	return func() *nginx.Dump {
		if l.tests && len(is.nginx.Test) == 0 {
			var err error
			if l.tested, err = is.nginx.TestAsIs(ctx, is.master); err != nil {
				l.Log.Debug().Err(err).Msg("it is not known what nginx reads")
			}
		}
		l.tests = false
		return l.tested.Dump
	}
}

// once looks once; asking tells to ask through nginx, too, where that is set.
func (l *drainage) once(ctx context.Context, asking bool) (Drain, error) {
	var st Status
	l.lastSwitch(&st)
	files := l.readStatus(&st)
	if st.FileErr != nil {
		return Drain{Color: l.color}, l.notUnderstood(l.unreadable(st.FileErr, Request{}), Request{})
	}
	open := Drain{Color: cmp.Or(l.color, st.Live.Other())}
	if asking && l.Site.Confirm != nil {
		st.Answers, st.Answered, st.Nobody = l.answer(ctx, statusTimeout)
	}
	is, err := l.findOnly(ctx, sync.OnceValues(nginx.Census), files)
	if st.Running.Err = err; err == nil {
		defer is.close()
		st.Running = l.running(is, files, st.Live)
	}
	if err := l.idle(open.Color, st); err != nil {
		return open, err
	}
	dump := l.dump(ctx, is)
	if asking && st.Answers != st.Live && !l.known(files, st.Running, dump) {
		return open, refuse(Failed, fmt.Sprintf("`%s` makes sure", l.to(st.Live)), fmt.Errorf("it is unknown whether it is idle: %s", st.Running.Why))
	}
	open = l.open(ctx, open, st, dump)
	if len(open.Workers) > 0 {
		open.Notes = l.endless(is, dump)
	}
	return open, nil
}

// endless notes, once it is known, that nothing but its connections ends an old
// worker.
func (l *drainage) endless(is found, dump func() *nginx.Dump) []string {
	if l.notes == nil {
		l.notes = []string{}
		if limit, err := is.nginx.ShutdownTimeout(is.master, dump); err == nil && limit == "" {
			l.notes = append(l.notes, noteEndless)
		}
	}
	return l.notes
}

const noteEndless = "nginx lets old workers take as long as they like; with `worker_shutdown_timeout 10m;` at the top of its configuration, it closes what is still open after that time"

// idle refuses a color that is not the one that is idle, or that has the traffic.
func (l *drainage) idle(color Color, st Status) error {
	switch is := st.Running.Is; {
	case st.Holder != nil:
		return refuse(Busy, l.hintStatus(), fmt.Errorf("another bgswitch is at work: %s", st.Holder))
	case color == st.Live:
		return refuse(NotDrained, l.hintStatus(), fmt.Errorf("%s is live", color))
	case st.Running.Err != nil:
		return refuse(Failed, l.hintForMaster(st.Running.Err), fmt.Errorf("it is unknown whether anything is open: %w", st.Running.Err))
	case is != nil && !*is:
		return refuse(Drifted, fmt.Sprintf("`%s` makes nginx load it", l.to(st.Live)), fmt.Errorf("nginx has not loaded the change that made %s idle: %s", color, st.Running.Why))
	case st.Answers == color:
		return refuse(Drifted, l.hintStatus(), errors.New("it is idle by the file, but it answers through nginx"))
	}
	return nil
}

// known says that nginx has loaded the files for certain, and reads them still.
func (l *drainage) known(files files, running Running, dump func() *nginx.Dump) bool {
	if !running.IfRead {
		return running.Is != nil
	}
	read := dump()
	return read != nil && !slices.ContainsFunc(files, func(file *livefile.File) bool {
		return !read.Reads(viewOf(file, running.Workers.Master).at, file.Bytes)
	})
}

// open adds what old workers have open.
func (l *drainage) open(ctx context.Context, open Drain, st Status, dump func() *nginx.Dump) Drain {
	workers := st.Running.Workers.Old()
	if len(workers) == 0 {
		return open
	}
	pasts := l.pasts(workers, st.Running.Loaded, st.Live)
	for _, w := range workers {
		open.Workers = append(open.Workers, OldWorker{Worker: w, Color: pasts[w].color, Since: pasts[w].since})
	}
	if !l.located {
		l.located = true
		l.backends, l.unread = l.Switcher.backends(ctx, open.Color, workers[0].PID, dump)
	}
	if open.Unread = l.unread; open.Unread == nil {
		open.Unread = open.count(l.backends)
	}
	return open
}

// draining is what is open of the idle color, for those who only look: nginx's
// test is not run.
func (s *Switcher) draining(ctx context.Context, st Status) *Drain {
	if st.Live == "" || len(st.Running.Workers.Old()) == 0 {
		return nil
	}
	look := &drainage{Switcher: s}
	open := look.open(ctx, Drain{Color: st.Live.Other()}, st, func() *nginx.Dump { return nil })
	return &open
}

// count counts what the workers have open to the color.
func (d *Drain) count(backends []backend) error {
	unix := slices.ContainsFunc(backends, func(b backend) bool { return b.path != "" })
	found, err := sockets.Connections(d.pids(), unix)
	if errors.Is(err, fs.ErrPermission) {
		return errors.New("only root may see them")
	}
	if err != nil {
		return err
	}
	for _, b := range backends {
		counted := Backend{Name: b.name}
		for i := range d.Workers {
			w := &d.Workers[i]
			for _, end := range found[w.PID] {
				if b.leads(end, w.Color != d.Color.Other()) {
					counted.Connections++
					w.Connections++
				}
			}
		}
		d.Backends = append(d.Backends, counted)
	}
	return nil
}

func (d Drain) pids() (list []int) {
	for _, w := range d.Workers {
		list = append(list, w.PID)
	}
	return list
}

func (d Drain) workers() (list []nginx.Worker) {
	for _, w := range d.Workers {
		list = append(list, w.Worker)
	}
	return list
}
