package switcher

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/root"
)

// view is the live file as the running nginx sees it. A container that was
// given a single file goes on seeing that file whatever is renamed over it on
// the host.
type view struct {
	at    string // the path
	pid   int    // of the process that sees it so, with a root folder or mounts of its own; 0: it is as here
	own   bool   // the path is a mount point here, too
	alone bool   // it is mounted by itself there
}

// inPlace says whether a rename would not be seen, or not be possible.
func (v view) inPlace() bool { return v.own || v.alone }

// viewOf looks at one process's mounts. What may not be looked into is taken
// as it is here: where that is wrong, no proof will be had.
func viewOf(file *livefile.File, pid int) view {
	v := view{at: file.Path}
	v.own, _ = file.MountPoint()
	if root.Of(pid).Ours() {
		return v
	}
	if at, alone, err := file.SeenBy(pid); err == nil && at != "" {
		v.at, v.pid, v.alone = at, pid, alone
	}
	return v
}

// viewOfAny looks at the mounts of every nginx there is, those in containers
// included.
func viewOfAny(file *livefile.File) view {
	for _, pid := range nginx.AnyMasters() {
		if v := viewOf(file, pid); v.inPlace() {
			return v
		}
	}
	v := view{at: file.Path}
	v.own, _ = file.MountPoint()
	return v
}

// holds reads the file back the way nginx sees it.
func (v view) holds(want []byte) error {
	if v.pid == 0 {
		return nil
	}
	got, err := livefile.ReadFor(v.pid, v.at)
	if _, ended := root.Inside(v.pid).Stat("/"); err != nil && errors.Is(ended, fs.ErrNotExist) {
		return fmt.Errorf("%w: process %d", nginx.ErrMasterEnded, v.pid)
	}
	if err != nil {
		return fmt.Errorf("read %s as process %d sees it: %w", v.at, v.pid, err)
	}
	if !bytes.Equal(got.Bytes, want) {
		return fmt.Errorf("process %d sees a different file at %s than the one that was written", v.pid, v.at)
	}
	return nil
}
