package switcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"bgswitch/switcher/access"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"golang.org/x/sys/unix"
)

// ErrNoMaster says that no nginx is to be found here that could test the file
// of the way back; where the operator reloads by a command, that is usual.
var ErrNoMaster = errors.New("no master of nginx is to be found")

// ErrNotReplaceable says that the live file could not be replaced now.
var ErrNotReplaceable = errors.New("the live file cannot be replaced")

// ErrNoState says that what a switch has to remember could not be written.
var ErrNoState = errors.New("the state folder cannot be used")

// Way is what a dry switch to the idle color found, its health apart.
type Way struct {
	To     Color
	Tested bool // nginx has accepted the file that would be put in place
	Err    error
}

// WayBack is a dry switch to the idle color, up to and without asking it: the
// file is understood, and nginx accepts the one that would take its place.
// Nothing is written. The error wraps nginx.ErrNoAside where the test needs
// more rights.
func (s *Switcher) WayBack(ctx context.Context) Way {
	file, err := livefile.Read(s.Site.File)
	if err != nil {
		return Way{Err: err}
	}
	p, err := plan(s.Site, file, Color.Other)
	if err != nil {
		return Way{To: p.To, Err: err}
	}
	if err := s.stateUsable(); keepsAnybody(err) {
		return Way{To: p.To, Err: fmt.Errorf("%w: %w", ErrNoState, err)}
	}
	master, err := s.Nginx.Master()
	if err != nil {
		return Way{To: p.To, Err: fmt.Errorf("%w: %w", ErrNoMaster, err)}
	}
	defer master.Close()
	if err := file.Replaceable(seenBy(file, master.PID).inPlace()); keepsAnybody(err) {
		return Way{To: p.To, Err: fmt.Errorf("%w: %w", ErrNotReplaceable, err)}
	}
	if err := s.Nginx.Survivable(master); err != nil {
		return Way{To: p.To, Err: err}
	}
	_, err = s.Nginx.TestAside(ctx, master, file.Path, contentOf(file, p))
	return Way{To: p.To, Tested: err == nil, Err: err}
}

// stateUsable finds out, without writing anything, whether a switch could take
// its lock and be recorded.
func (s *Switcher) stateUsable() error { return cmp.Or(s.Locks.Usable(), s.State.Usable()) }

// keepsAnybody says that nobody could switch: the file has several names, is
// immutable, or its file system is read-only; or the state folder is, or no
// folder, or others can write it. That we may not write them is another matter:
// who looks may have fewer rights than who switches, and a mount that is
// read-only for him alone.
func keepsAnybody(err error) bool {
	for _, cause := range []error{livefile.ErrHardLink, access.ErrFrozen, unix.ENOTDIR} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return errors.Is(err, statedir.ErrUnsafe) && !errors.Is(err, statedir.ErrForeign)
}

// contentOf is what stands in for the live file in a test.
func contentOf(file *livefile.File, p Plan) nginx.Content {
	uid, gid := file.Owner()
	return nginx.Content{Bytes: p.After, Mode: file.Mode(), UID: uid, GID: gid}
}
