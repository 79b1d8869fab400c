package nginx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// Handover is who ends the old workers.
type Handover string

// The two ways of handing over. nginx itself tells its old workers to end
// 100 ms after it has started the new ones (ngx_msleep(100) in
// ngx_master_process_cycle); until then both answer.
const (
	HandoverFast  Handover = "fast"  // by us, as soon as new ones serve beside all of them (see wait.enough)
	HandoverNginx Handover = "nginx" // by nginx, at its own pace
)

// MarshalJSON writes null where nothing was loaded.
func (h Handover) MarshalJSON() ([]byte, error) {
	if h == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(h))
}

// Load is one load of a configuration: what to watch, how long, by whom.
type Load struct {
	Files    []*os.File    // what the master has to open, each of them
	Limit    time.Duration // after this the wait for one load is over, with no verdict
	Handover Handover
	Workers  []int                       // the workers that served when they were last looked at; nil: not known
	Asked    int                         // how many workers the configuration asks for; 0: not known
	Signal   func(context.Context) error // replaces our own SIGHUP when set; it may return late
	Log      zerolog.Logger
}

// Generation is the set of workers that one load started.
type Generation struct {
	Master      int           `json:"master"`
	MasterStart uint64        `json:"master_start"` // clock ticks since boot
	Workers     []int         `json:"workers"`
	Newest      uint64        `json:"newest_start"` // the latest start among them, in clock ticks since boot
	Draining    []int         `json:"draining"`     // old workers that still finish connections
	Handover    Handover      `json:"handover"`
	CutOver     time.Duration `json:"-"` // from the signal until no old worker accepted any more
}

// How a load can fail.
var (
	// ErrNotLoaded: nginx refused the configuration and the old workers serve.
	ErrNotLoaded = errors.New("nginx did not load the configuration")
	// ErrWorkersDied: the new workers ended while they started; the master
	// stops the old ones all the same.
	ErrWorkersDied = errors.New("the new workers died while starting")
	// ErrLate: the limit was over, which is no verdict: nginx may still be at it.
	ErrLate = errors.New("nginx has not loaded the configuration")
	// ErrMasterEnded: the master itself is gone.
	ErrMasterEnded = errors.New("the nginx master has ended")
)

const (
	// pollInterval is how often the workers are looked at while they come and go:
	// where nginx takes its time, a hundredth of that is soon enough, and leaves
	// it the processor.
	pollInterval = 500 * time.Microsecond
	pollAtMost   = 5 * time.Millisecond
	refusedFor   = 100 * time.Millisecond
	diedFor      = time.Second
	maxLoads     = 20 // how often a load that was disturbed is followed by another
)

// Attempt is what was seen of a load, also of one that failed.
type Attempt struct {
	Generation Generation
	Signalled  bool   // nginx was told to load
	Opened     bool   // the master has opened every file
	Said       string // nginx's own line in its error log, or empty
}

// Load signals the master and waits until every worker that accepts was born
// after the master opened the files, and none of the older ones accepts any
// more. Where anything else happened meanwhile (a worker that crashed comes back
// with what the master had before, and looks new; somebody else reloads), the
// load proves nothing, and another one follows. The error wraps ErrNotLoaded,
// ErrWorkersDied, ErrMasterEnded or ErrLate.
func (m *Master) Load(ctx context.Context, n *Nginx, l Load) (Attempt, error) {
	watch, err := watchOpens(l.Files, m.PID)
	if err != nil {
		return Attempt{}, err
	}
	defer watch.close()
	var began time.Time
	var attempt Attempt
	for loads := 1; ; loads++ {
		w, err := newWait(m, watch, n.errorLog(m), l)
		if err != nil {
			return Attempt{Signalled: loads > 1}, err
		}
		// nginx is serial: once it has opened our files, whatever load is still under
		// way has read them, too.
		w.opened = attempt.Opened
		err = w.run(ctx)
		attempt = w.attempt()
		w.close()
		if began.IsZero() {
			began = w.began
		}
		if !w.end.at.IsZero() {
			attempt.Generation.CutOver = w.end.at.Sub(began)
		}
		if err != nil || !w.disturbed {
			return attempt, err
		}
		if loads == maxLoads {
			return attempt, fmt.Errorf("%w: somebody else keeps reloading it or ending its workers", ErrLate)
		}
		l.Log.Debug().Msg("the load was disturbed; trying again")
		l.Workers = m.calm(ctx, l)
	}
}

// calm waits until nginx is through with the loads that it was told of: until
// no more workers serve than are asked for, and none starts. It says which.
func (m *Master) calm(ctx context.Context, l Load) []int {
	for until := time.Now().Add(l.Limit); ; {
		now, err := m.Workers()
		if err != nil {
			return nil
		}
		if l.Asked == 0 || len(now.Serving) <= l.Asked && now.Starting == 0 || ctx.Err() != nil || time.Now().After(until) {
			return now.Serving
		}
		time.Sleep(pollInterval)
	}
}
