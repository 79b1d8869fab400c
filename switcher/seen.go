package switcher

import (
	"bytes"
	"fmt"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// seen is the live file as the running nginx sees it. A container that was
// given a single file goes on seeing that file whatever is renamed over it on
// the host.
type seen struct {
	at  string // the path
	pid int    // of the process that sees it mounted by itself; 0: none does
	own bool   // the path is a mount point here, too
}

// inPlace says whether a rename would not be seen, or not be possible.
func (s seen) inPlace() bool { return s.own || s.pid != 0 }

// seenBy looks at one process's mounts. What may not be looked into is taken
// as it is here: where that is wrong, no proof will be had.
func seenBy(file *livefile.File, pid int) seen {
	s := seen{at: file.Path}
	s.own, _ = file.MountPoint()
	if at, mounted, err := file.MountedFor(pid); err == nil && mounted && !s.own {
		s.at, s.pid = at, pid
	}
	return s
}

// seenByAny looks at the mounts of every nginx there is, those in containers
// included.
func seenByAny(file *livefile.File) seen {
	for _, pid := range nginx.AnyMasters() {
		if s := seenBy(file, pid); s.inPlace() {
			return s
		}
	}
	return seen{at: file.Path}
}

// holds reads the file back the way nginx sees it.
func (s seen) holds(want []byte) error {
	if s.pid == 0 {
		return nil
	}
	got, err := livefile.ReadFor(s.pid, s.at)
	if err != nil {
		return fmt.Errorf("read %s as process %d sees it: %w", s.at, s.pid, err)
	}
	if !bytes.Equal(got.Bytes, want) {
		return fmt.Errorf("process %d sees another file at %s than was written", s.pid, s.at)
	}
	return nil
}
