package nginx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// wait is the state of one load.
type wait struct {
	master *Master
	load   Load
	watch  *opens
	log    *errorLog
	began  time.Time
	opened bool
	known  map[int]process // the children, as they were last read
	old    oldWorkers
	looks
	beside    map[processID]bool // the new ones that were seen beside every old one
	taken     bool               // enough of those serve: the load took
	lostNew   bool               // a child of the new generation ended without serving
	end       end                // the look in which the criterion held first
	disturbed bool               // something happened that is not ours: this load proves nothing

	commanded    chan error // what came of the operator's own command
	sinceLost    time.Time  // since when there is no new worker any more
	sinceRefused time.Time  // since when the log has said so, with no worker to contradict it
}

// end is a look in which none of the old workers accepted any more.
type end struct {
	at      time.Time
	serving []processID
}

func newWait(m *Master, watch *opens, log *errorLog, l Load) (*wait, error) {
	w := &wait{
		master: m, load: l, watch: watch, log: log,
		known: map[int]process{}, beside: map[processID]bool{}, old: oldWorkers{all: map[processID]bool{}},
	}
	// What the master opens from here on is the file that was put, whoever told
	// it to: a worker that comes after that has loaded it.
	watch.forget()
	kids, err := w.children(true)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterEnded, err)
	}
	for _, kid := range kids {
		w.old.all[kid.id] = true
		if !kid.serving() {
			w.disturbed = w.disturbed || kid.starting()
			continue
		}
		w.old.first = append(w.old.first, kid.id)
	}
	if l.Workers != nil && !samePIDs(w.old.first, l.Workers) {
		w.disturbed = true // one that has crashed just now may come back at any moment
	}
	w.now.oldServing = w.old.first // so that one that is gone at the first look is missed
	return w, nil
}

// close waits for the operator's command: it must not load anything later.
func (w *wait) close() {
	if w.commanded != nil {
		<-w.commanded
	}
	w.old.close()
}

func (w *wait) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.load.Limit)
	defer cancel()
	if err := w.signal(ctx); err != nil {
		return err
	}
	w.old.hold() // while nginx reads
	return w.until(ctx)
}

// signal tells the master to load. The operator's own command may wait for the
// load itself: it is looked at meanwhile.
func (w *wait) signal(ctx context.Context) error {
	w.began = time.Now()
	w.looked, w.changed = w.began, w.began
	if w.load.Signal != nil {
		w.commanded = make(chan error, 1)
		go func() { w.commanded <- w.load.Signal(context.WithoutCancel(ctx)) }()
		return nil
	}
	if err := w.master.handle.signal(unix.SIGHUP); err != nil {
		return fmt.Errorf("%w: signal process %d: %w", ErrMasterEnded, w.master.PID, err)
	}
	return nil
}

func (w *wait) until(ctx context.Context) error {
	for {
		if err := w.step(); err != nil {
			return err
		}
		if w.done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%w within %s", ErrLate, w.load.Limit.Round(100*time.Millisecond)), w.blind)
		case err := <-w.commanded:
			w.commanded = nil
			if err != nil {
				return err
			}
		case <-time.After(min(max(time.Since(w.changed)/100, pollInterval), pollAtMost)):
		}
	}
}

// step looks once and acts on what it sees.
func (w *wait) step() error {
	if err := w.lookAgain(false); err != nil {
		return err
	}
	if w.decisive() {
		if err := w.lookAgain(true); err != nil {
			return err
		}
	}
	if w.died() {
		return ErrWorkersDied
	}
	if w.refused() {
		return ErrNotLoaded
	}
	w.seeTaken()
	if w.taken && !w.disturbed && !w.old.told && len(w.now.oldServing) > 0 && w.load.Handover == HandoverFast {
		w.old.tell(w.now.oldServing, w.load.Log)
	}
	return nil
}

// died believes that the new workers died while they started where the master
// has logged that it leaves it at that, or none has followed for a while: one
// that somebody told to end before it served looks the same, and so does one
// that /proc left out for a moment.
func (w *wait) died() bool {
	return lasts(&w.sinceLost, w.lostNew && w.noneNew(), diedFor) || w.lostNew && w.noneNew() && w.log.leftDead()
}

// refused believes the log once no worker has followed for a while: a log that
// could not be opened anew, for logrotate, is an [emerg], too.
func (w *wait) refused() bool {
	return lasts(&w.sinceRefused, w.noneNew() && w.log.refused(), refusedFor)
}

func (w *wait) noneNew() bool { return len(w.now.fresh()) == 0 }

// lasts says whether a thing that holds now, or does not, has held so long;
// since is where it keeps when it began to.
func lasts(since *time.Time, holds bool, long time.Duration) bool {
	switch {
	case !holds:
		*since = time.Time{}
	case since.IsZero():
		*since = time.Now()
	}
	return holds && time.Since(*since) >= long
}

// decisive says that something would follow from what is seen: then it is
// looked at whole. What a look leaves out are the workers that had their title
// already: a look at every one of them, each pollInterval, is what a switch of
// many workers spends most of its time on.
func (w *wait) decisive() bool {
	return w.opened && (!w.taken && (len(w.now.newServing) >= w.enough() || len(w.unseenBeside()) > 0) || w.complete())
}

// unseenBeside are the new workers that stand beside every old one for the first
// time, whether they serve yet or only start.
func (w *wait) unseenBeside() []processID {
	if len(w.now.oldServing) < len(w.old.first) {
		return nil
	}
	return slices.DeleteFunc(w.now.fresh(), func(id processID) bool { return w.beside[id] })
}

// enough is how many new workers have to serve before the old ones are told to
// end: as many as can work at the same time. Those that are still to come start
// meanwhile. Where nobody knows how many that will be, it is as many as before.
func (w *wait) enough() int {
	if w.load.Asked == 0 {
		return max(len(w.old.first), 1)
	}
	return max(min(w.load.Asked, runtime.NumCPU()), 1)
}

// seeTaken looks for the one sight that a load alone can show: new workers
// beside every one from before. nginx starts them all, and ends the old ones
// 100 ms later, even if the new ones are still at it; a worker that crashed and
// came back stands in another's place, so that there are never more.
func (w *wait) seeTaken() {
	if w.taken || !w.opened {
		return
	}
	for _, id := range w.unseenBeside() {
		w.beside[id] = true
	}
	if len(w.now.newServing) < w.enough() {
		return
	}
	w.taken = true
	if w.log.alarmed() || slices.ContainsFunc(w.now.newServing, func(id processID) bool { return !w.beside[id] }) {
		w.disturbed = true
	}
}

// complete is the exact criterion: as many workers as are asked for have the new
// files, and none of the old ones accepts any more.
func (w *wait) complete() bool {
	return w.opened && len(w.now.newServing) >= max(w.load.Asked, 1) && len(w.now.newStarting) == 0 && len(w.now.oldServing) == 0
}

// done wants that to hold in two looks: while a child ends, /proc may leave out
// another (proc_pid_task_children(5)).
func (w *wait) done() bool {
	if !w.complete() {
		w.end = end{}
		return false
	}
	if !w.taken { // nginx was faster than our looks, or some of them have crashed
		w.disturbed = true
	}
	if w.end.at.IsZero() {
		w.end = end{time.Now(), w.now.newServing}
		return false
	}
	w.disturbed = w.disturbed || !sameProcesses(w.end.serving, w.now.newServing)
	return true
}

func (w *wait) attempt() Attempt {
	a := Attempt{Opened: w.opened, Signalled: !w.began.IsZero(), Said: w.log.reason()}
	a.Generation = Generation{
		Master: w.master.PID, MasterStart: w.master.id.start,
		Workers: pids(w.now.newServing), Draining: pids(w.now.draining), Handover: HandoverNginx,
	}
	for _, id := range w.now.newServing {
		a.Generation.Newest = max(a.Generation.Newest, id.start)
	}
	if w.old.told {
		a.Generation.Handover = HandoverFast
	}
	return a
}
