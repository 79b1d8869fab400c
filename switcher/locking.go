package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"bgswitch/switcher/access"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// takeLock takes the locks of the live files, and makes sure that the switch can
// be recorded.
func (s *Survey) takeLock(ctx context.Context) error {
	var sites []*Switcher
	for _, p := range s.parts {
		sites = append(sites, p.Switcher)
	}
	if err := s.each((*part).lockable); err != nil || s.request.DryRun {
		return err
	}
	if h := s.request.held; h != nil {
		s.journals = h.Set
		return nil
	}
	taken, err := lockAll(ctx, sites, s.request.WaitLock, s.request.Command)
	s.journals = taken
	if err != nil && ctx.Err() == nil {
		return s.notLocked(err)
	}
	for _, p := range s.parts {
		for _, open := range p.State.Readable() {
			p.note("%s", open)
		}
	}
	return err
}

func (p *part) lockable() error {
	if _, err := p.Site.read(); err != nil {
		return asError(stepRead, p.unreadable(err, p.survey.request)) // nothing is left beside what is no live file
	}
	if p.survey.request.DryRun {
		return p.askForLock()
	}
	err := p.State.Create()
	if why := p.State.Usable(); err == nil || errors.Is(why, access.ErrFrozen) { // which says what to lift
		err = why
	}
	if err != nil && p.survey.request.isBack() { // what it only remembers in keeps nobody from going back; what is not noted is told then
		p.note("cannot use the state folder: %v", err)
		return nil
	}
	if err != nil {
		return p.unusable(err)
	}
	return nil
}

// askForLock is a dry run's: it takes nothing.
func (p *part) askForLock() error {
	if err := p.State.Usable(); err != nil {
		if p.survey.keeps(err) {
			return p.unusable(err)
		}
		p.note("you are not allowed to write the state folder: %v", err)
	}
	if p.survey.request.wayBack {
		return nil
	}
	holder, held, err := p.Holder()
	switch {
	case held:
		return p.notLocked(&lock.BusyError{Holder: holder})
	case errors.Is(err, fs.ErrPermission):
		p.note("it is unknown whether another bgswitch is at work: %v", err)
	case err != nil:
		return p.notLocked(err)
	}
	return nil
}

func (s *Switcher) notLocked(err error) error {
	if errors.Is(err, unix.EPERM) {
		err = s.frozen(err)
	}
	switch {
	case lock.IsBusy(err):
		return refuse(Busy, fmt.Sprintf("`%s` waits for it; `%s` shows where the traffic is", s.Again("--wait-lock", "30s"), s.Command("status")), err)
	case errors.Is(err, fs.ErrNotExist):
		return s.unreadable(err, Request{})
	case errors.Is(err, unix.EACCES):
		return refuse(Failed, s.AsRoot(), err)
	}
	return s.notWritten(err)
}

// frozen says of a folder that nobody may write how to lift that.
func (s *Switcher) frozen(err error) error {
	places, _ := s.places()
	for _, p := range places {
		if why := access.Unfrozen(p.Folder); errors.Is(why, access.ErrFrozen) {
			return why
		}
	}
	return err
}

const hintStateDir = "set state_dir in the settings to a folder that is writable and safe from others"

// unusable is a state folder that nothing can be kept in.
func (s *Switcher) unusable(err error) error {
	hint := hintStateDir
	switch {
	case errors.Is(err, trust.ErrUnsafe):
		hint = "fix it: " + trust.Mend(err) + "; or " + hintStateDir
	case errors.Is(err, fs.ErrPermission) && !keepsAnybody(err):
		hint = s.AsRoot() + ", or set state_dir to a folder of yours"
	}
	return &Error{Outcome: Failed, Step: "use the state folder", Err: err, Hint: hint}
}

// hintUnread is for a file of the state folder that cannot be read. It is taken away
// only where it is damaged itself: else it may be all right.
func (s *Switcher) hintUnread(err error, path, without string) string {
	switch {
	case errors.Is(err, trust.ErrUnsafe):
		return "fix it: " + trust.Mend(err)
	case errors.Is(err, unix.ENOTDIR):
		return hintStateDir
	case errors.Is(err, fs.ErrPermission):
		return s.AsRoot()
	case errors.As(err, new(*fs.PathError)):
		return "see why it cannot be read"
	}
	return fmt.Sprintf("look at it; once it is gone, %s: `%s`", without, s.pastedAs("rm", path))
}
