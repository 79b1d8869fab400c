// Package access finds out what the system would refuse, without trying it.
package access

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// ErrFrozen: everybody is refused, root like anyone else, until somebody lifts
// it.
var ErrFrozen = errors.New("frozen for everybody")

// frozen is what the system would say, known to be said to everybody.
type frozen struct{ error }

func (f frozen) Unwrap() error        { return f.error }
func (f frozen) Is(target error) bool { return target == ErrFrozen }

// Writable says whether we may add to a file, or make names in a folder, with
// the rights that we have now. The error wraps what the system would say, and
// ErrFrozen where that is no matter of rights: an immutable inode, a read-only
// file system. A mount that is read-only says so to those who look through it.
func Writable(path string) error {
	stat, err := look(path)
	if err != nil {
		return err
	}
	if err := unflagged(path, stat, unix.STATX_ATTR_IMMUTABLE); err != nil {
		return err
	}
	err = ask(path, stat)
	refused := refusal(path, err)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS) && readOnlyItself(stat.Mnt_id) {
		return frozen{refused}
	}
	return refused
}

// Unfrozen says whether flags keep everybody from renaming or removing what
// stands at path, or names in it, and from writing over it (fs/namei.c,
// may_delete and may_open). The error wraps unix.EPERM and ErrFrozen.
func Unfrozen(path string) error {
	stat, err := look(path)
	if err != nil {
		return err
	}
	return unflagged(path, stat, unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND)
}

func look(path string) (stat unix.Statx_t, err error) {
	err = unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_TYPE|unix.STATX_MNT_ID, &stat)
	return stat, refusal(path, err)
}

// unflagged refuses the flags of chattr(1) that the file system knows and the
// inode has.
func unflagged(path string, stat unix.Statx_t, flags uint64) error {
	has := stat.Attributes & stat.Attributes_mask & flags
	switch {
	case has&unix.STATX_ATTR_IMMUTABLE != 0:
		return frozen{fmt.Errorf("%w: it is immutable, until `chattr -i %s`", refusal(path, unix.EPERM), path)}
	case has != 0:
		return frozen{fmt.Errorf("%w: it is append-only, until `chattr -a %s`", refusal(path, unix.EPERM), path)}
	}
	return nil
}

// ask asks the kernel itself: where that fails, unix.Faccessat makes a check of
// its own, which says yes to root. It is for kernels before 5.8, and for the
// containers of those days, which forbid the call with EPERM: what is known not
// to be immutable does not say that.
func ask(path string, stat unix.Statx_t) error {
	mode := uint32(unix.W_OK)
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		mode |= unix.X_OK
	}
	err := unix.Faccessat2(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
	forbidden := errors.Is(err, unix.EPERM) && stat.Attributes_mask&unix.STATX_ATTR_IMMUTABLE != 0
	if errors.Is(err, unix.ENOSYS) || forbidden {
		err = unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
	}
	return err
}

// readOnlyItself says whether it is the file system that is read-only, and not
// only this mount of it (proc_pid_mountinfo(5), "super options"). Unknown
// (before Linux 5.8) is no.
func readOnlyItself(mount uint64) bool {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		found := uint64(m.ID) == mount
		return !found, found
	})
	return err == nil && len(mounts) == 1 && slices.Contains(strings.Split(mounts[0].VFSOptions, ","), "ro")
}

func refusal(path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}
