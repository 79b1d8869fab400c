package switcher

import (
	"context"
	"errors"
	"fmt"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"golang.org/x/sys/unix"
)

func (sw *switching) replace(context.Context) error {
	if sw.master != nil && sw.master.Permitted() != nil {
		return refuse(Failed, "start nginx, and type it again", fmt.Errorf("%w: it has ended meanwhile", nginx.ErrNotRunning))
	}
	sw.replacement = &livefile.Replacement{Old: sw.file, Bytes: sw.plan.After}
	if sw.seen.inPlace() {
		sw.replacement.KeepIn = sw.State.Path
		sw.note("the file is mounted by itself: it was written in place, for a rename would not be seen")
	}
	if err := sw.replacement.Prepare(); err != nil {
		return notWritten(err)
	}
	if err := sw.noteUntested(); err != nil {
		return errors.Join(err, sw.replacement.Forget())
	}
	if err := sw.replacement.Put(); err != nil {
		return notWritten(err)
	}
	sw.replaced = true
	return sw.seen.holds(sw.plan.After)
}

// noteUntested leaves a note for the next run, where this one may be killed
// with a file in place that is not sure to be right: one that was not tested,
// or that is written over and may be torn.
func (sw *switching) noteUntested() error {
	if sw.tested && !sw.seen.inPlace() {
		return nil
	}
	sw.noted = true
	return sw.State.NoteUntested(statedir.Untested{
		Live: sw.file.Path, Kept: sw.replacement.Kept,
		LiveHash: livefile.Hash(sw.plan.After), KeptHash: sw.file.Hash(),
	})
}

// forgetNote ends what noteUntested began: the file is sure to be right now.
func (sw *switching) forgetNote() error {
	if !sw.noted {
		return nil
	}
	sw.noted = false
	return sw.State.ForgetUntested()
}

func notWritten(err error) error {
	switch {
	case errors.Is(err, livefile.ErrChanged):
		return refuse(Failed, "look at the file and type it again", err)
	case errors.Is(err, livefile.ErrHardLink):
		return refuse(Failed, "give the live file a single name", err)
	case errors.Is(err, unix.EROFS):
		return refuse(Failed, "the live file is as it was; remount its file system for writing, and type it again", err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return refuse(Failed, "the live file is as it was; make room on its file system (`df -h`, `df -i`), and type it again", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return refuse(Failed, "the live file is as it was; see who may write it and its folder (`ls -ld`, `lsattr`), or run it as root", err)
	}
	return refuse(Failed, "the live file is as it was; look at its folder and type it again", err)
}

func (sw *switching) testInPlace(ctx context.Context) error {
	_, err := sw.Nginx.TestAsIs(ctx, sw.master)
	if errors.Is(err, nginx.ErrRefused) && sw.brokenBefore != nil {
		return fmt.Errorf("%w; nginx refused the configuration before this switch, too", err)
	}
	return err
}

func (sw *switching) reload(ctx context.Context) error {
	attempt, err := sw.load(ctx)
	sw.first = attempt
	if err != nil {
		if attempt.Said != "" {
			err = fmt.Errorf("%w: %s", err, attempt.Said)
		}
		return err
	}
	sw.settle(attempt)
	return nil
}

// load signals nginx, or has the operator's command do it, and waits for the
// proof where the workers can be seen from here.
func (sw *switching) load(ctx context.Context) (nginx.Attempt, error) {
	if sw.master == nil {
		return nginx.Attempt{}, sw.Nginx.ReloadByOperator(ctx)
	}
	l := nginx.Load{File: sw.file.Path, Limit: sw.limit, Settle: sw.settled, Workers: sw.workers.Serving, Handover: sw.request.Handover, Log: sw.Log}
	if len(sw.Nginx.Reload) > 0 {
		l.Signal = sw.Nginx.ReloadByOperator
	}
	return sw.master.Load(ctx, sw.Nginx, l)
}

// settle notes the proof by generation.
func (sw *switching) settle(attempt nginx.Attempt) {
	if sw.master == nil {
		return
	}
	sw.generation, sw.proof = &attempt.Generation, "generation"
}
