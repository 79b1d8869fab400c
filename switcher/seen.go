package switcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// seenNginx is the nginx that we see: its master and its workers are processes
// of this host, so that a load can be proved by the generation it starts.
type seenNginx struct {
	*Switcher
	found
	files   files
	workers nginx.Workers // before the switch
	serving []int         // when they were last looked at
	census  census
	ended   bool // the master ended under our hands, and no other came
	other   bool // another master has taken its place
}

func (s *seenNginx) view(file *livefile.File) view { return viewOf(file, s.master.PID) }
func (s *seenNginx) window() time.Duration         { return 0 }
func (s *seenNginx) asks() *nginx.Master           { return s.master }
func (s *seenNginx) since() time.Time              { return s.workers.Oldest }

func (s *seenNginx) alone() (err error) {
	if s.workers, err = s.master.Workers(); err != nil {
		return err
	}
	s.serving = s.workers.Serving
	processes, err := s.census()
	if err == nil {
		err = s.nginx.Only(s.master, processes)
	}
	if err != nil {
		return refuse(Failed, s.hintForMaster(err), err)
	}
	return nil
}

// permitted: who reloads by a command of the settings need not signal.
func (s *seenNginx) permitted() error {
	err := s.master.Permitted()
	if err == nil || errors.Is(err, nginx.ErrNotPermitted) && len(s.Nginx.Reload) > 0 {
		return nil
	}
	return refuse(Failed, s.hintForMaster(err), err)
}

func (s *seenNginx) survivable() error { return s.nginx.Survivable(s.master) }

func (s *seenNginx) testAsIs(ctx context.Context) (nginx.Tested, error) {
	return s.nginx.TestAsIs(ctx, s.master)
}

func (s *seenNginx) testAside(ctx context.Context, contents []nginx.Content) (nginx.Tested, error) {
	return s.nginx.TestAside(ctx, s.master, contents)
}

func (s *seenNginx) knows(files files, given *statedir.Record) Loaded {
	return loadedBy(s.master, s.workers, files, given)
}

// load proves by generation. A master that ends meanwhile may be followed by
// another one, as a supervisor does it: that one is told to load, too, so that
// what it has read is known.
func (s *seenNginx) load(ctx context.Context, l load) (loading, error) {
	attempt, err := s.loadOnce(ctx, l)
	if errors.Is(err, nginx.ErrMasterEnded) && s.follow(ctx, l.limit) {
		signalled := attempt.Signalled
		attempt, err = s.loadOnce(ctx, l)
		attempt.Signalled = attempt.Signalled || signalled
	}
	if err != nil {
		if attempt.Said != "" {
			err = fmt.Errorf("%w: %s", err, attempt.Said)
		}
		return loading{Attempt: attempt}, err
	}
	s.serving = attempt.Generation.Workers
	return loading{Attempt: attempt, generation: &attempt.Generation}, nil
}

func (s *seenNginx) loadOnce(ctx context.Context, l load) (nginx.Attempt, error) {
	order := nginx.Load{Files: l.files, Limit: l.limit, Handover: l.handover, Asked: l.asked, Workers: s.serving, Log: s.Log}
	if len(s.Nginx.Reload) > 0 {
		order.Signal = s.Nginx.ReloadByOperator
	}
	return s.master.Load(ctx, s.nginx, order)
}

// followPause is how often a new master is looked for.
const followPause = 20 * time.Millisecond

// follow looks for the master that takes the place of one that has ended. Where
// none comes in time, none is waited for a second time.
func (s *seenNginx) follow(ctx context.Context, limit time.Duration) bool {
	if s.ended {
		limit = 0
	}
	for until := time.Now().Add(limit); ; time.Sleep(followPause) {
		if next, workers, err := s.next(ctx); err == nil {
			s.close()
			s.found, s.serving, s.ended, s.other = next, workers.Serving, false, true
			return true
		}
		if time.Now().After(until) || ctx.Err() != nil {
			s.ended = true
			return false
		}
	}
}

func (s *seenNginx) next(ctx context.Context) (found, nginx.Workers, error) {
	next, err := s.findOnly(ctx, nginx.Census, s.files)
	if err != nil {
		return found{}, nginx.Workers{}, err
	}
	workers, err := next.master.Workers()
	if err == nil && len(workers.Serving) == 0 {
		err = errors.New("it has no workers yet")
	}
	if err != nil {
		next.close()
	}
	return next, workers, err
}

// lives looks whether every worker of a generation that was proved still serves.
func (s *seenNginx) lives(l loading) error {
	now, err := s.master.Workers()
	if err != nil {
		return err
	}
	for _, pid := range l.generation.Workers {
		if !slices.Contains(now.Serving, pid) {
			return fmt.Errorf("worker %d, which loaded it, no longer serves", pid)
		}
	}
	return nil
}

// never: the workers from before the switch serve, they and no others, and
// nginx has never opened the new file, or is through with it: it is serial, and
// has opened the old one after our second signal.
func (s *seenNginx) never(first, second loading) bool {
	if s.other || first.Opened && !second.Opened {
		return false
	}
	now, err := s.master.Workers()
	return err == nil && len(now.Serving) > 0 && slices.Equal(now.Serving, s.workers.Serving)
}

// generation is what serves, as a record keeps it.
func (s *seenNginx) generation() *nginx.Generation {
	return &nginx.Generation{Master: s.master.PID, MasterStart: s.master.Start(), Workers: append([]int{}, s.workers.Serving...), Draining: append([]int{}, s.workers.Draining...), Newest: s.workers.Newest}
}

func (s *seenNginx) old() (before, ending []nginx.Worker) {
	now, err := s.master.Workers()
	if err != nil {
		return nil, nil
	}
	return s.workers.Present(), now.Old()
}
