// Package switcher tells the story of a switch: everything that only looks
// comes first, and a failure there refuses the switch; from the first byte
// that changes, a failure puts the old bytes back.
package switcher

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"github.com/rs/zerolog"
)

// Switcher is what a switch needs: a site and the effects.
type Switcher struct {
	Site  Site
	Nginx *nginx.Nginx
	State statedir.Folder
	Locks statedir.Folder // holds the live file's lock
	Asker health.Asker
	Host  string // the name of this host, for the records
	Log   zerolog.Logger
	Say   func(text string) // what is told on the way; nil: nothing
}

// Request is what somebody asked for.
type Request struct {
	To       Color // empty: back to the other color
	Force    bool  // skip the target's health
	Reason   string
	Wait     time.Duration // keep asking until the target is healthy, at most this long
	WaitLock time.Duration // wait for another bgswitch, at most this long
	DryRun   bool
	Handover nginx.Handover
	Strict   bool   // refuse what others may write
	Command  string // as it is recorded: to, back
	Who      string
}

// Result is what came of a request.
type Result struct {
	Outcome  Outcome
	Plan     Plan
	Record   statedir.Record
	Verdicts []health.Verdict
	Steps    []string // the steps that a dry run did not take
	Notes    []string // what the operator has to know besides
	Draining int      // old workers that still finish connections, in the end
}

// switching is one switch under way.
type switching struct {
	*Switcher
	request Request
	began   time.Time
	result  Result

	lock    *statedir.Lock
	file    *livefile.File
	plan    Plan
	master  *nginx.Master
	workers nginx.Workers     // before anything was signalled
	loaded  bool              // the workers have the file as it was
	limit   time.Duration     // how long a load may take
	settled time.Duration     // after which nginx is through with one
	first   nginx.Attempt     // what was seen of loading the new file
	asIs    <-chan testResult // of the configuration as it stands
	aside   <-chan testResult // of the new file

	testing  sync.WaitGroup
	endTests context.CancelFunc
	tested   bool // the new file was accepted aside

	brokenBefore error // what nginx said of the configuration as it stood

	seen        seen // the file as the running nginx sees it
	replacement *livefile.Replacement
	replaced    bool // our bytes are in the file
	noted       bool // the next run knows what to do if this one is killed
	generation  *nginx.Generation
	proof       string
}

// step is one step of a switch: its name is its log line, its line in a dry
// run, the opening of its error, and its entry in the record.
type step struct {
	name    string
	do      func(context.Context) error
	changes bool
	skip    func() bool
}

// Switch does what the request asks. On an error that is an *Error, Result
// still holds what is known. ctx is obeyed until the file is replaced; from
// there the switch is finished or rolled back.
func (s *Switcher) Switch(ctx context.Context, request Request) (Result, error) {
	sw := &switching{Switcher: s, request: request, began: time.Now()}
	defer sw.release()
	failed := sw.run(ctx)
	sw.conclude(failed)
	if failed != nil {
		return sw.result, failed
	}
	return sw.result, nil
}

func (sw *switching) release() {
	sw.stopTests()
	if sw.master != nil {
		sw.master.Close()
	}
	if sw.lock != nil {
		if err := sw.lock.Unlock(); err != nil {
			sw.Log.Debug().Err(err).Msg("cannot let go of the lock")
		}
	}
}

// run takes the steps one after the other.
func (sw *switching) run(ctx context.Context) *Error {
	changing := false
	for _, s := range sw.steps() {
		if s.skip != nil && s.skip() {
			continue
		}
		if sw.result.Outcome == Already {
			return nil
		}
		if s.changes && sw.request.DryRun {
			sw.result.Steps = append(sw.result.Steps, s.name)
			continue
		}
		if s.changes && !changing {
			if err := ctx.Err(); err != nil {
				return &Error{Outcome: Interrupted, Step: s.name, Err: errInterrupted, Hint: "type it again when you are ready"}
			}
			changing, ctx = true, context.WithoutCancel(ctx)
		}
		if err := sw.take(ctx, s); err != nil {
			return sw.fail(ctx, s, err, changing)
		}
	}
	sw.result.Outcome = Done
	if sw.request.DryRun {
		sw.result.Outcome = Planned
	}
	return nil
}

func (sw *switching) take(ctx context.Context, s step) error {
	began := time.Now()
	err := s.do(ctx)
	taken := statedir.StepRecord{Step: s.name, TookMS: milliseconds(time.Since(began))}
	if err != nil {
		taken.Error = asError(s.name, err).Error()
	}
	sw.result.Record.Steps = append(sw.result.Record.Steps, taken)
	sw.Log.Debug().Float64("ms", taken.TookMS).Err(err).Msg(s.name)
	return err
}

// fail ends a switch: what has changed is put back.
func (sw *switching) fail(ctx context.Context, s step, cause error, changing bool) *Error {
	failed := asError(s.name, cause)
	if changing && sw.touched(cause) {
		return sw.rollBack(ctx, failed)
	}
	if err := sw.forgetNote(); err != nil {
		sw.note(fmt.Sprintf("the note for the next run could not be removed: %v", err))
	}
	if ctx.Err() != nil {
		failed.Outcome, failed.Err, failed.Hint = Interrupted, errInterrupted, "type it again when you are ready"
	}
	return failed
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (s *Switcher) say(text string) {
	if s.Say != nil {
		s.Say(text)
	}
}

func (sw *switching) note(text string) { sw.result.Notes = append(sw.result.Notes, text) }
