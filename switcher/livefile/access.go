package livefile

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"bgswitch/switcher/access"

	"golang.org/x/sys/unix"
)

// Replaceable finds out, without writing anything, whether a Replacement could
// take place now: by another file under its name, or in place. The error wraps
// ErrHardLink, ErrMountPoint, or what the system would say; access.ErrFrozen,
// too, where it would say so to everybody.
func (f *File) Replaceable(inPlace bool) error {
	if inPlace {
		return f.writable()
	}
	if err := f.replaceable(); err != nil {
		return err
	}
	folder := filepath.Dir(f.Path)
	return cmp.Or(access.Unfrozen(folder), f.unfrozen(), access.Writable(folder), f.ours(folder))
}

// unfrozen: a link has none of the flags that would keep it.
func (f *File) unfrozen() error {
	if f.link {
		return nil
	}
	return access.Unfrozen(f.Path)
}

// ours: in a sticky folder a file is renamed by its owner, the folder's, and
// root alone (fs/namei.c, check_sticky).
func (f *File) ours(folder string) error {
	var stat unix.Stat_t
	if err := unix.Stat(folder, &stat); err != nil {
		return pathError("stat", folder, err)
	}
	user := uint32(os.Geteuid())
	if stat.Mode&unix.S_ISVTX == 0 || user == 0 || user == stat.Uid || user == f.stat.Uid {
		return nil
	}
	return fmt.Errorf("%w: %s is sticky, and the file belongs to user %d", pathError("rename", f.Path, unix.EPERM), folder, f.stat.Uid)
}

// writable finds out before anything is kept. It does not open the file: on
// overlayfs that would already make another one of it.
func (f *File) writable() error {
	if err := access.Unfrozen(f.Path); err != nil {
		return err
	}
	return access.Writable(f.Path)
}
