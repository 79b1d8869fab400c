package statedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"bgswitch/switcher/access"

	"golang.org/x/sys/unix"
)

// Usable finds out, without writing anything, whether a switch could make the
// folder where it is missing, would find it safe, and could be recorded in it.
// The error wraps ErrUnsafe, unix.ENOTDIR where something else stands in the
// way, or what the system would say; access.ErrFrozen, too, where it would say
// so to everybody.
func (f Folder) Usable() error {
	if err := f.Safe(); err != nil {
		return err
	}
	at, err := f.nearest()
	if err == nil {
		err = access.Writable(at)
	}
	if err != nil || at != f.Path {
		return err
	}
	if err := access.Writable(f.file(historyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// nearest is the folder itself, or the first one above it that is there.
func (f Folder) nearest() (string, error) {
	for at := f.Path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && info.IsDir() {
			return at, nil
		}
		if _, gone := os.Lstat(at); gone == nil {
			return "", &fs.PathError{Op: "mkdir", Path: at, Err: unix.ENOTDIR}
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) || at == filepath.Dir(at) {
			return "", err
		}
	}
}
