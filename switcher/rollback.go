package switcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// touched says whether there is anything to take back: our bytes in the file,
// or a signal that was given. A replacement that failed has taken itself back,
// as a rule; what somebody else wrote is not ours to touch.
func (sw *switching) touched(cause error) bool {
	if sw.replacement == nil || sw.replaced {
		return true // without a replacement, the file was right and nginx was signalled
	}
	if errors.Is(cause, livefile.ErrChanged) {
		return false
	}
	now, err := livefile.Read(sw.file.Path)
	return err != nil || !bytes.Equal(now.Bytes, sw.file.Bytes)
}

// rollBack is the one undo: the old bytes come back, nginx is signalled again
// and proved again. A time-out is no verdict, so a slow load of the new file
// must be followed by one of the old.
func (sw *switching) rollBack(ctx context.Context, cause *Error) *Error {
	sw.say("rolling back, for this failed: " + cause.Step)
	if sw.replacement == nil {
		return sw.leave(ctx, cause)
	}
	defer sw.tellNotes()
	if err := sw.replacement.PutBack(); err != nil {
		return sw.stuck(cause, fmt.Errorf("the old file could not be put back: %w", err))
	}
	if err := sw.forgetNote(); err != nil {
		sw.Log.Debug().Err(err).Msg("cannot forget the note of the untested file")
	}
	attempt, err := sw.loadOld(ctx)
	if err == nil && sw.master == nil {
		err = sw.answered(ctx, sw.plan.From)
	}
	if err != nil && !sw.neverLeft(attempt) {
		if attempt.Said != "" {
			err = fmt.Errorf("%w: %s", err, attempt.Said)
		}
		return sw.stuck(cause, fmt.Errorf("nginx does not take the old file either: %w", err))
	}
	cause.Outcome = RolledBack
	cause.Traffic = fmt.Sprintf("rolled back: the file is as it was, and nginx serves %s", sw.plan.From)
	if sw.Site.Confirm != nil {
		cause.Traffic += sw.whoAnswers(ctx)
	}
	switch {
	case err == nil:
		sw.settle(attempt)
	case sw.loaded: // the workers have what is in the file again
		sw.generation = &nginx.Generation{Master: sw.master.PID, Workers: sw.workers.Serving}
	}
	cause.Hint = "`bgswitch status` shows where things stand"
	return cause
}

// busyFor is how long a master may be busy with the new file: a resolver that
// is mute holds it for ten seconds per name (resolv.conf(5), timeout, attempts).
const busyFor = time.Minute

// loadOld loads what was put back. A master that has opened the new file, and
// not the old one since, is still at the new one, and may yet put it to use:
// nobody is told that it was rolled back before that is over.
func (sw *switching) loadOld(ctx context.Context) (nginx.Attempt, error) {
	until := time.Now().Add(busyFor)
	for {
		attempt, err := sw.load(ctx)
		stillAtNew := errors.Is(err, nginx.ErrLate) && sw.first.Opened && !attempt.Opened
		if !stillAtNew || time.Now().After(until) {
			return attempt, err
		}
		sw.say("nginx is still busy with the new file: waiting until it takes the old one")
	}
}

// leave ends a switch that had no file to change: only nginx was signalled.
func (sw *switching) leave(ctx context.Context, cause *Error) *Error {
	if sw.master == nil {
		return sw.stuck(cause, fmt.Errorf("the file had named %s before, and what nginx runs cannot be seen from here%s", sw.plan.To, sw.whoAnswers(ctx)))
	}
	now, err := sw.workersNow()
	if err != nil || !slices.Equal(now.Serving, sw.workers.Serving) {
		return sw.stuck(cause, errors.New("the file already named the target, and nginx's workers are not those from before"))
	}
	cause.Outcome = RolledBack
	cause.Traffic = fmt.Sprintf("nothing was put back: the file had named %s before, and nginx runs what it ran before", sw.plan.To)
	cause.Hint = "`bgswitch status` shows where things stand"
	return cause
}

func (sw *switching) workersNow() (nginx.Workers, error) {
	if sw.master == nil {
		return nginx.Workers{}, nil
	}
	return sw.master.Workers()
}

// neverLeft says that the workers from before the switch still serve, they and
// no others, and that none with the new file can follow: nginx never opened
// it, or was through with it, for it is serial, and has opened the old one
// after our second signal.
func (sw *switching) neverLeft(attempt nginx.Attempt) bool {
	if sw.master == nil || !attempt.Opened && sw.first.Opened {
		return false
	}
	now, err := sw.workersNow()
	return err == nil && len(now.Serving) > 0 && slices.Equal(now.Serving, sw.workers.Serving)
}

// whoAnswers is told, not asked for: the color that is left may be the broken
// one.
func (sw *switching) whoAnswers(ctx context.Context) string {
	got, said := sw.answer(ctx)
	if got == "" {
		return "; through nginx: " + said
	}
	return fmt.Sprintf("; %s", said)
}

func (sw *switching) stuck(cause *Error, err error) *Error {
	cause.Outcome = Stuck
	cause.Traffic = fmt.Sprintf("stuck: %v", err)
	if errors.Is(err, livefile.ErrChanged) {
		cause.Traffic += fmt.Sprintf("; it was left alone, the old one stands in %s", sw.replacement.Kept)
	}
	cause.Hint = "look at `nginx -t` and nginx's error log, mend what they name, then type `bgswitch to " + string(sw.plan.From) + "`"
	if errors.Is(err, nginx.ErrMasterEnded) {
		cause.Hint = "end the workers that it left (`ps -C nginx -o pid,ppid,args`), which serve what they had, and start nginx"
	}
	return cause
}
