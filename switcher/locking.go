package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"bgswitch/switcher/lock"

	"golang.org/x/sys/unix"
)

// takeLock takes the locks of the live files, and makes sure that the switch can
// be recorded.
func (s *Survey) takeLock(ctx context.Context) error {
	if _, err := s.Site.read(); err != nil {
		return asError(stepRead, s.unreadable(err)) // nothing is left beside what is no live file
	}
	if s.request.DryRun {
		return s.askForLock()
	}
	err := s.State.Create()
	if err == nil {
		err = s.State.Usable()
	}
	if err != nil {
		return s.unusable(err)
	}
	taken, err := s.Lock(ctx, s.request.WaitLock, s.request.Command)
	s.journals = taken
	if err != nil && ctx.Err() == nil {
		return s.notLocked(err)
	}
	for _, open := range s.State.Readable() {
		s.note("%s", open)
	}
	return err
}

// askForLock is a dry run's: it takes nothing.
func (s *Survey) askForLock() error {
	if err := s.State.Usable(); err != nil {
		if s.keeps(err) {
			return s.unusable(err)
		}
		s.note("you may not write the state folder: %v", err)
	}
	if s.request.wayBack {
		return nil
	}
	holder, held, err := s.Holder()
	switch {
	case held:
		return s.notLocked(&lock.BusyError{Holder: holder})
	case errors.Is(err, fs.ErrPermission):
		s.note("whether another bgswitch is at work is unknown: %v", err)
	case err != nil:
		return s.notLocked(err)
	}
	return nil
}

func (s *Switcher) notLocked(err error) error {
	switch {
	case lock.IsBusy(err):
		return refuse(Busy, fmt.Sprintf("`%s` waits for it; `%s` shows where the traffic is", s.Again("--wait-lock", "30s"), s.Command("status")), err)
	case errors.Is(err, fs.ErrNotExist):
		return s.unreadable(err)
	case errors.Is(err, unix.EACCES):
		return refuse(Failed, s.AsRoot(), err)
	}
	return s.notWritten(err)
}

// unusable is a state folder that nothing can be kept in.
func (s *Switcher) unusable(err error) error {
	hint := "set state_dir in the settings to a folder that can be written, and is safe from others"
	if errors.Is(err, fs.ErrPermission) && !keepsAnybody(err) {
		hint = s.AsRoot() + ", or set state_dir to a folder of yours"
	}
	return &Error{Outcome: Failed, Step: "use the state folder", Err: err, Hint: hint}
}
