package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"bgswitch/switcher/lock"
)

// ErrUnsafe: somebody else can change what is remembered, and with it what is
// put in the live file's place.
var ErrUnsafe = lock.ErrUnsafe

// ErrForeign is ErrUnsafe for who looks: the folder belongs to somebody else,
// who could use it.
var ErrForeign = fmt.Errorf("%w", ErrUnsafe)

// Safe says whether nobody but root and the user can change what the folder
// holds. TryLock refuses to work where the error wraps ErrUnsafe. A folder that is
// missing is safe.
func (f Folder) Safe() error {
	above := filepath.Dir(f.Path)
	if info, err := os.Stat(above); err == nil {
		if err := ownersAlone(above, info); err != nil {
			return err
		}
		if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("%w: everybody can write %s (mode %04o)", ErrUnsafe, above, info.Mode().Perm())
		}
	}
	info, err := os.Lstat(f.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is no folder", ErrUnsafe, f.Path)
	}
	return errors.Join(unwritable(f.Path, info), f.safeHistory())
}

func (f Folder) safeHistory() error {
	info, err := os.Lstat(f.file(historyFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no regular file", ErrUnsafe, f.file(historyFile))
	}
	return unwritable(f.file(historyFile), info)
}

func unwritable(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: others can write %s (mode %04o)", ErrUnsafe, path, info.Mode().Perm())
	}
	return ownersAlone(path, info)
}

// ownersAlone takes root and the user who runs this for owners. What root
// trusts must be root's: a note in a user's folder says what root puts back.
func ownersAlone(path string, info fs.FileInfo) error {
	stat, known := info.Sys().(*syscall.Stat_t)
	if known && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d", ErrForeign, path, stat.Uid)
	}
	return nil
}

// Readable lists what others may read in the folder, one line each: records
// hold reasons and names of people. A folder that only its owner may enter
// hides all of it.
func (f Folder) Readable() []string {
	info, err := os.Lstat(f.Path)
	if err != nil || info.Mode().Perm()&0o055 == 0 {
		return nil
	}
	open := []string{fmt.Sprintf("others can enter %s (mode %04o; 0700 is right)", f.Path, info.Mode().Perm())}
	history, err := os.Lstat(f.file(historyFile))
	if err == nil && history.Mode().Perm()&0o044 != 0 {
		open = append(open, fmt.Sprintf("others can read %s (mode %04o; 0600 is right)", f.file(historyFile), history.Mode().Perm()))
	}
	return open
}
