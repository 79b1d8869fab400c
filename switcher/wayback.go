package switcher

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bgswitch/switcher/access"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// Why there is no way back, besides what nginx says of the new file.
var (
	// ErrNoMaster: no nginx is to be found here that could test the file of the
	// way back; where the operator reloads by a command, that is usual.
	ErrNoMaster = errors.New("no master of nginx was found")
	// ErrNotReplaceable: the live file could not be replaced now.
	ErrNotReplaceable = errors.New("the live file cannot be replaced")
	// ErrNoState: the state folder could not be used now.
	ErrNoState = errors.New("the state folder cannot be used")
)

// Way is what a survey of a switch to the idle color found, its health apart.
type Way struct {
	To     Color
	Tested bool // nginx has accepted the file that would be put in place
	Err    error

	Elsewhere []statedir.Elsewhere // where nginx passes to a color besides; nil: unknown

	read bool // its test has shown that it reads the file, and passes to what that decides
}

// WayBack is a survey of a switch to the idle color, as strict as that would be,
// without the lock and without asking that color. Nothing is written. The error
// wraps one of those above, ErrDecidesNothing, trust.ErrUnsafe where it is too
// strict for the live file, or those of package nginx; nginx.ErrNoAside where the
// test needs more rights.
func (s *Switcher) WayBack(ctx context.Context, strict bool) Way {
	survey := newSurvey(s.Typed, []*Switcher{s}, Request{DryRun: true, Strict: strict, wayBack: true})
	defer survey.Close()
	err := survey.look(ctx)
	way := Way{To: survey.parts[0].plan.To, Tested: survey.accepted.new, Elsewhere: survey.parts[0].elsewhere, read: survey.accepted.dump != nil}
	var failed *Error
	if !errors.As(err, &failed) {
		return way
	}
	way.Err, way.read = failed.Err, false
	because := map[string]error{"use the state folder": ErrNoState, stepFind: ErrNoMaster, stepReplaceable: ErrNotReplaceable}[failed.Step]
	if because != nil && !errors.Is(failed.Err, because) {
		way.Err = fmt.Errorf("%w: %w", because, failed.Err)
	}
	return way
}

// keepsAnybody says that nobody could switch: the file has several names, is
// immutable, or its file system is read-only; or the state folder is, or no
// folder, or others can write it; for root, also where it is a stranger's. That
// we may not write them is another matter: who looks may have fewer rights than
// who switches, and a mount that is read-only for him alone.
func keepsAnybody(err error) bool {
	for _, cause := range []error{livefile.ErrHardLink, access.ErrFrozen, unix.ENOTDIR} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return errors.Is(err, trust.ErrUnsafe) && (os.Geteuid() == 0 || !errors.Is(err, trust.ErrForeign))
}
