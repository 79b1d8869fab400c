package switcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"bgswitch/nginxconf"
	"bgswitch/switcher/access"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/livefile"

	"golang.org/x/sys/unix"
)

var errInterrupted = errors.New("interrupted before anything changed")

const hintInterrupted = "run it again when you are ready"

// interrupted is what becomes of a step that failed because the whole was
// interrupted.
func interrupted(ctx context.Context, err error) error {
	var failed *Error
	if ctx.Err() != nil && errors.As(err, &failed) {
		failed.Outcome, failed.Err, failed.Hint = Interrupted, errInterrupted, hintInterrupted
	}
	return err
}

func (s *Switcher) unreadable(err error, r Request) error {
	lost, gone := s.gone(r.To)
	switch {
	case errors.Is(err, fs.ErrNotExist) && gone && r.Command != "":
		return refuse(Failed, lost, err)
	case errors.Is(err, fs.ErrNotExist):
		return refuse(Failed, "name the file with `--file`, or set `file:` in the settings", err)
	case errors.Is(err, fs.ErrPermission):
		return refuse(Failed, s.AsRoot(), err)
	case errors.Is(err, errSameFile):
		return refuse(NotAccepted, "list it once, with all of its places below it", err)
	case errors.Is(err, livefile.ErrNotOrdinary):
		return refuse(NotAccepted, "set `file:` to the small file that decides the color", err)
	}
	return err
}

func (s *Switcher) notUnderstood(err error, r Request) error {
	var refusal *nginxconf.Refusal
	if known := (*Error)(nil); errors.As(err, &known) || !errors.As(err, &refusal) {
		return err
	}
	err = s.Site.Naming(err)
	if last, cut := s.cutOff(err); cut {
		return refuse(NotAccepted, fmt.Sprintf("an earlier switch was interrupted; `%s` repairs what it left", s.to(last)), err)
	}
	advice := cmp.Or(refusal.Advice, "fix the file or the settings")
	if !r.Restore && r.Command != "" && s.kept() {
		advice = fmt.Sprintf("`%s` puts back what was last proved, and proves it again; or %s", s.toRestore(r.To), advice)
	}
	return refuse(NotAccepted, fmt.Sprintf("%s; `%s` reads both and changes nothing", advice, s.Command("status")), err)
}

// notWritten is a file that cannot be replaced, or was not.
func (s *Switcher) notWritten(err error) error {
	switch {
	case errors.Is(err, livefile.ErrChanged):
		return refuse(Failed, "look at the file and retry", err)
	case errors.Is(err, livefile.ErrHardLink):
		return refuse(Failed, "give the live file only one name", err)
	case errors.Is(err, unix.EROFS):
		return refuse(Failed, "the live file is as it was; remount its file system for writing and retry", err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return refuse(Failed, fmt.Sprintf("the live file is as it was; make room on its file system (`%s`, `%s`) and retry", s.about("df", "-h"), s.about("df", "-i")), err)
	case errors.Is(err, access.ErrFrozen):
		return refuse(Failed, "the live file is as it was; lift what the message names and retry", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return refuse(Failed, fmt.Sprintf("the live file is as it was; see who may write it (`%s`, `%s`), or %s", s.about("ls", "-ld"), s.about("lsattr", "-d"), s.AsRoot()), err)
	}
	return refuse(Failed, "the live file is as it was; look at its folder and retry", err)
}

// about is a command about the live files and their folders.
func (s *Switcher) about(words ...string) string {
	for _, f := range s.Site.Files {
		words = append(words, filepath.Dir(f.Path), f.Path)
	}
	return foreign.Shell(words...)
}
