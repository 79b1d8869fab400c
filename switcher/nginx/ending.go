package nginx

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Worker names one of nginx's workers for certain: a pid alone may be used again.
type Worker struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks (10 ms) since boot
}

func (w Worker) id() processID { return processID{w.PID, w.Start} }

// Started is when it began, on the wall clock.
func (w Worker) Started() time.Time { return w.id().started() }

// AwaitEnd returns when one of the workers has ended, and else after limit, or
// when ctx is done.
func AwaitEnd(ctx context.Context, workers []Worker, limit time.Duration) {
	stop, stopping, err := os.Pipe()
	if err != nil {
		return
	}
	defer func() { stop.Close(); stopping.Close() }()
	defer context.AfterFunc(ctx, func() { stopping.Close() })()
	watched := []unix.PollFd{{Fd: int32(stop.Fd())}}
	for _, w := range workers {
		held, err := hold(w.id())
		if errors.Is(err, unix.ESRCH) {
			return
		}
		if err == nil {
			defer held.close()
			watched = append(watched, unix.PollFd{Fd: int32(held.fd), Events: unix.POLLIN})
		}
	}
	for until := time.Now().Add(limit); ; {
		left := max(time.Until(until), 0)
		_, err := unix.Poll(watched, int(left.Milliseconds())+1)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// ErrNotRead says that what the main file includes is not known.
var ErrNotRead = errors.New("the files that the main configuration includes were not read")

// ShutdownTimeout is after what time a master's workers, once they are old, close
// what they still have open; empty where they never do. The dump is asked for only
// where the main file does not tell.
func (n *Nginx) ShutdownTimeout(m *Master, dump func() *Dump) (string, error) {
	const name = "worker_shutdown_timeout"
	limit, err := outermost([]byte(m.globals), name)
	if limit == "" && err == nil {
		limit, err = n.directive(name)
	}
	if err != nil || limit != "" {
		return limit, err
	}
	included, err := n.directive("include")
	if err != nil || included == "" {
		return "", err
	}
	if read := dump(); read != nil {
		return read.Directive(name)
	}
	return "", ErrNotRead
}
