package nginx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// Handover is who ends the old workers.
type Handover string

// The two ways of handing over. nginx itself tells its old workers to end
// 100 ms after it has started the new ones (ngx_msleep(100) in
// ngx_master_process_cycle); until then both answer.
const (
	HandoverFast  Handover = "fast"  // by us, as soon as the whole new generation runs
	HandoverNginx Handover = "nginx" // by nginx, at its own pace
)

// Load is one load of a configuration: what to watch, how long, by whom.
type Load struct {
	File     string        // the file that the master has to open
	Limit    time.Duration // after this the wait is over, with no verdict
	Settle   time.Duration // how long after it opened the file nginx is through with it for certain
	Handover Handover
	Workers  []int                       // the workers that served when they were last looked at; nil: not known
	Signal   func(context.Context) error // replaces our own SIGHUP when set
	Log      zerolog.Logger
}

// Generation is the set of workers that one load started.
type Generation struct {
	Master      int           `json:"master"`
	MasterStart uint64        `json:"master_start"` // clock ticks since boot
	Workers     []int         `json:"workers"`
	Draining    []int         `json:"draining,omitempty"` // old workers that still finish connections
	Handover    Handover      `json:"handover"`
	CutOver     time.Duration `json:"-"` // from the signal until no old worker accepted any more
}

// How a load can fail.
var (
	// ErrNotLoaded: nginx refused the configuration and the old workers serve.
	ErrNotLoaded = errors.New("nginx did not take the configuration")
	// ErrWorkersDied: the new workers ended while they started; the master
	// stops the old ones all the same.
	ErrWorkersDied = errors.New("the new workers died while starting")
	// ErrLate: the limit was over, which is no verdict: nginx may still be at it.
	ErrLate = errors.New("nginx has not taken the configuration")
	// ErrMasterEnded: the master itself is gone.
	ErrMasterEnded = errors.New("the nginx master has ended")
)

// pollInterval is how often the workers are looked at; lookGap is the longest
// silence between two looks after which it can no longer be told which workers
// came before the file was opened: a generation that was already under way is
// 100 ms older than that (see HandoverFast).
const (
	pollInterval = time.Millisecond
	lookGap      = 80 * time.Millisecond
	refusedFor   = 100 * time.Millisecond
)

// Attempt is what was seen of a load, also of one that failed.
type Attempt struct {
	Generation Generation
	Opened     bool   // the master opened the file after the signal
	Said       string // nginx's own line in its error log, or empty
}

// Load signals the master and waits until every worker that accepts was born
// after the master opened the file, and none of the older ones accepts any
// more. The error wraps ErrNotLoaded, ErrWorkersDied, ErrMasterEnded or
// ErrLate.
func (m *Master) Load(ctx context.Context, n *Nginx, l Load) (Attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Limit)
	defer cancel()
	watch, err := watchOpens(l.File, m.PID)
	if err != nil {
		return Attempt{}, err
	}
	defer watch.close()
	log := n.errorLog(m)
	w, err := newWait(m, watch, log, l)
	if err != nil {
		return Attempt{}, err
	}
	defer w.close()
	if err := w.signal(ctx); err != nil {
		return w.attempt(""), err
	}
	err = w.until(ctx)
	return w.attempt(log.reason()), err
}

// wait is the state of one Load.
type wait struct {
	master   *Master
	load     Load
	watch    *opens
	log      *errorLog
	began    time.Time
	opened   bool
	openedAt time.Time          // when that was seen
	old      map[processID]bool // everything that was there before the opening
	first    []processID        // the workers that served before the signal
	handles  map[processID]handle
	looked   time.Time
	now      look
	told     bool      // the old workers have got our SIGQUIT
	odd      bool      // a worker came or went by itself: leave the pace to nginx
	lostNew  bool      // a child of the new generation ended without serving
	good     time.Time // since when the criterion has held
	took     time.Duration
	blind    error // why the last look that failed did

	sinceRefused time.Time // since when the log has said so, with no worker to contradict it
}

func newWait(m *Master, watch *opens, log *errorLog, l Load) (*wait, error) {
	w := &wait{master: m, load: l, watch: watch, log: log, handles: map[processID]handle{}, old: map[processID]bool{}}
	kids, err := children(m.PID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterEnded, err)
	}
	for _, kid := range kids {
		w.old[kid.id] = true
		if !kid.serving() {
			w.odd = w.odd || kid.starting()
			continue
		}
		w.first = append(w.first, kid.id)
		if held, err := hold(kid.id); err == nil {
			w.handles[kid.id] = held
		}
	}
	// One that has crashed just now may come back at any moment.
	w.odd = w.odd || l.Workers != nil && !slices.Equal(pids(w.first), l.Workers)
	w.now.oldServing = w.first // so that one that is gone at the first look is missed
	watch.seen()               // what was opened before the signal does not count
	return w, nil
}

func (w *wait) close() {
	for _, held := range w.handles {
		held.close()
	}
}

func (w *wait) signal(ctx context.Context) error {
	w.looked = time.Now()
	if w.began.IsZero() {
		w.began = w.looked
	}
	if w.load.Signal != nil {
		return w.load.Signal(ctx)
	}
	if err := w.master.handle.signal(unix.SIGHUP); err != nil {
		return fmt.Errorf("%w: signal process %d: %w", ErrMasterEnded, w.master.PID, err)
	}
	return nil
}

func (w *wait) until(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if err := w.step(); err != nil {
			return err
		}
		if w.done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%w within %s", ErrLate, w.load.Limit), w.blind)
		case <-tick.C:
		}
	}
}

// step looks once and acts on what it sees.
func (w *wait) step() error {
	if err := w.lookAgain(); err != nil {
		return err
	}
	if w.lostNew && len(w.now.newServing) == 0 && len(w.now.newStarting) == 0 {
		return ErrWorkersDied
	}
	if w.refused() {
		return ErrNotLoaded
	}
	if w.mayTellOld() {
		w.tellOld()
	}
	return nil
}

// refused believes the log once no worker has followed for a while: a log that
// could not be opened anew, for logrotate, is an [emerg], too.
func (w *wait) refused() bool {
	if len(w.now.newServing)+len(w.now.newStarting) > 0 || !w.log.refused() {
		w.sinceRefused = time.Time{}
		return false
	}
	if w.sinceRefused.IsZero() {
		w.sinceRefused = time.Now()
	}
	return time.Since(w.sinceRefused) >= refusedFor
}

// complete says that the whole new generation carries its title: as many as
// served before, and none still on its way.
func (w *wait) complete() bool {
	return w.opened && len(w.now.newStarting) == 0 && len(w.now.newServing) > 0 &&
		len(w.now.newServing) >= len(w.first)
}

func (w *wait) mayTellOld() bool {
	return !w.told && w.load.Handover == HandoverFast && !w.odd && w.complete() &&
		len(w.now.newServing) == len(w.first) && len(w.first) > 0
}

// tellOld sends the old workers what nginx will send them 100 ms later. Those
// already ending are left alone: a second SIGQUIT ends nothing sooner, and
// their connections are not ours to cut.
func (w *wait) tellOld() {
	w.told = true
	for _, id := range w.now.oldServing {
		if held, ok := w.handles[id]; ok {
			if err := held.signal(unix.SIGQUIT); err != nil {
				w.load.Log.Debug().Err(err).Int("worker", id.pid).Msg("cannot end an old worker: nginx does")
			}
		}
	}
}

// done is the exact criterion. Where something else happened meanwhile, it
// has to hold for a while: a worker that crashed just before the opening comes
// back with the old configuration, forked between our list of the children and
// the opening, so that it looks new. nginx ends it with the others, 100 ms
// after the new ones (ngx_msleep in ngx_master_process_cycle), and it may take
// its time to notice on a busy machine.
func (w *wait) done() bool {
	holds := w.opened && len(w.now.newServing) > 0 && len(w.now.newStarting) == 0 && len(w.now.oldServing) == 0
	if !holds {
		w.good = time.Time{}
		return false
	}
	if w.good.IsZero() {
		w.good = time.Now()
		w.took = time.Since(w.began)
		return false // a second look: while a child ends, /proc may leave out another (proc_pid_task_children(5))
	}
	usual := !w.odd && len(w.now.newServing) == len(w.first)
	return usual || time.Since(w.openedAt) >= w.load.Settle
}

func (w *wait) attempt(said string) Attempt {
	a := Attempt{Opened: w.opened, Said: said}
	a.Generation = Generation{
		Master: w.master.PID, MasterStart: w.master.id.start, CutOver: w.took,
		Workers: pids(w.now.newServing), Draining: pids(w.now.draining), Handover: HandoverNginx,
	}
	if w.told {
		a.Generation.Handover = HandoverFast
	}
	return a
}
