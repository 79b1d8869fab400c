package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"bgswitch/switcher/access"
	"bgswitch/switcher/trust"
)

// Usable finds out, without writing anything, whether a switch could make the
// folder where it is missing, would find it safe, and could be recorded in it.
// The error wraps trust.ErrUnsafe, unix.ENOTDIR where something else stands in the
// way, or what the system would say; access.ErrFrozen, too, where it would say
// so to everybody.
func (f Folder) Usable() error {
	nearest, err := trust.Nearest(f.Path)
	if err != nil {
		return err
	}
	defer nearest.Close()
	if err := nearest.Safe(); err != nil {
		return err
	}
	if err := access.Writable(nearest.Path); err != nil || nearest.Missing() {
		return err
	}
	if err := trust.Of(nearest.Path, &nearest.Stat, trust.Write); err != nil {
		return err
	}
	err = nearest.SafeFile(historyFile)
	if err == nil {
		err = access.Writable(filepath.Join(nearest.Path, historyFile))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Readable lists what others may read in the folder, one line each. A folder that
// only its owner may enter hides all of it.
func (f Folder) Readable() []string {
	folder, err := f.found()
	if err != nil {
		return nil
	}
	defer folder.Close()
	if folder.Stat.Mode&0o055 == 0 {
		return nil
	}
	open := []string{fmt.Sprintf("others can enter %s (mode %04o; it should be 0700)", f.Path, folder.Stat.Mode&0o7777)}
	history, err := folder.Lstat(historyFile)
	if err == nil && history.Mode&0o044 != 0 {
		open = append(open, fmt.Sprintf("others can read %s/%s (mode %04o; it should be 0600)", f.Path, historyFile, history.Mode&0o7777))
	}
	return open
}
