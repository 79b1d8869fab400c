package livefile

import (
	"fmt"
	"os"
	"path/filepath"

	"bgswitch/switcher/root"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// MountPoint says whether the file is mounted by itself: nothing can be
// renamed over it (rename(2), EBUSY). The answer is that of the calling
// thread, which may have other mounts than the first one of the process, of
// which /proc/self would speak.
func (f *File) MountPoint() (bool, error) { return mountinfo.Mounted(f.Path) }

// MountedFor says where another process sees this very file mounted by itself,
// as a container does that was given a single file: it goes on seeing this
// file whatever is renamed over it here. An error wraps fs.ErrPermission where
// the process may not be looked into.
func (f *File) MountedFor(pid int) (at string, mounted bool, err error) {
	mounts, err := mountsNamed(filepath.Base(f.Path), pid)
	if err != nil {
		return "", false, err
	}
	for _, m := range mounts {
		seen, err := root.Inside(pid).Open(m.Mountpoint, unix.O_PATH)
		if err != nil {
			return "", false, err
		}
		var stat unix.Stat_t
		err = unix.Fstat(int(seen.Fd()), &stat)
		seen.Close()
		if err == nil && stat.Dev == f.stat.Dev && stat.Ino == f.stat.Ino {
			return m.Mountpoint, true, nil
		}
	}
	return "", false, nil
}

// mountsNamed are what a process has mounted of files or folders of this name:
// the kernel shows the present name as the mount's root (proc_pid_mountinfo(5)).
func mountsNamed(name string, pid int) ([]*mountinfo.Info, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return mountinfo.GetMountsFromReader(file, func(m *mountinfo.Info) (skip, stop bool) {
		return m.Root == "/" || filepath.Base(m.Root) != name, false
	})
}

// ReadFor reads a file as another process sees it, its root folder and its
// mounts included. The limits are those of Read.
func ReadFor(pid int, path string) (*File, error) {
	opened, err := root.Inside(pid).Open(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	f := &File{Named: path, Path: path}
	if err := f.take(opened); err != nil {
		return nil, err
	}
	return f, nil
}
