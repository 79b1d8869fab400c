package livefile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bgswitch/switcher/root"

	"github.com/moby/sys/mountinfo"
)

// MountPoint says whether the file is mounted by itself: nothing can be
// renamed over it (rename(2), EBUSY). The answer is that of the calling
// thread, which may have other mounts than the first one of the process, of
// which /proc/self would speak.
func (f *File) MountPoint() (bool, error) { return mountinfo.Mounted(f.Path) }

// MountsBelow are the paths at and below a folder where something is mounted.
func MountsBelow(folder string) (paths []string, err error) {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(folder))
	for _, m := range mounts {
		paths = append(paths, m.Mountpoint)
	}
	return paths, err
}

// SeenBy says where another process sees this very file, among its own mounts
// and below its own root folder; empty where it does not. alone says that the
// file is mounted there by itself, as for a container that was given a single
// file: it goes on seeing this file whatever is renamed over it here. An error
// wraps fs.ErrPermission where the process may not be looked into.
func (f *File) SeenBy(pid int) (at string, alone bool, err error) {
	place, err := f.place()
	if err != nil {
		return "", false, err
	}
	sights, err := place.sightsOf(pid, f.Path)
	if err != nil {
		return "", false, err
	}
	for _, s := range sights {
		info, err := root.Inside(pid).Stat(s.at)
		if err == nil && f.is(info) {
			return s.at, s.alone, nil
		}
		if os.IsPermission(err) {
			return "", false, err
		}
	}
	return "", false, nil
}

func (f *File) is(info os.FileInfo) bool {
	there, ok := info.Sys().(*syscall.Stat_t)
	return ok && there.Dev == f.stat.Dev && there.Ino == f.stat.Ino
}

// place is where a file is on its file system, whatever is mounted where.
type place struct {
	major, minor int
	path         string
}

// place is found by the mount that the file's path lies on.
func (f *File) place() (place, error) {
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return place{}, err
	}
	on := covering(mounts, f.Path)
	if on == nil {
		return place{}, fmt.Errorf("%s is not on any visible mount", f.Path)
	}
	rest, _ := below(f.Path, on.Mountpoint)
	return place{on.Major, on.Minor, filepath.Join(on.Root, rest)}, nil
}

// covering is the mount that a path lies on: of two at one point, the later covers
// the other.
func covering(mounts []*mountinfo.Info, path string) (on *mountinfo.Info) {
	for _, m := range mounts {
		if _, is := below(path, m.Mountpoint); is && (on == nil || len(m.Mountpoint) >= len(on.Mountpoint)) {
			on = m
		}
	}
	return on
}

// below is the rest of a path below a folder, or below a file: itself.
func below(path, top string) (rest string, is bool) {
	if rest, is = strings.CutPrefix(path, top); !is {
		return "", false
	}
	return rest, rest == "" || rest[0] == '/' || strings.HasSuffix(top, "/")
}

// sight is a path by which a process may see a file.
type sight struct {
	at    string
	alone bool
	depth int // how much of the file's path its mount covers
}

// sightsOf are what a process's mounts show of a place (proc_pid_mountinfo(5)):
// at the path that it has here first, else by the mount that shows the least
// besides.
func (p place) sightsOf(pid int, here string) ([]sight, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	mounts, err := mountinfo.GetMountsFromReader(file, func(m *mountinfo.Info) (skip, stop bool) {
		_, shows := below(p.path, m.Root)
		return m.Major != p.major || m.Minor != p.minor || !shows, false
	})
	var sights []sight
	for _, m := range mounts {
		rest, _ := below(p.path, m.Root)
		sights = append(sights, sight{filepath.Join(m.Mountpoint, rest), rest == "", len(m.Root)})
	}
	slices.SortStableFunc(sights, func(a, b sight) int { return b.depth - a.depth })
	if i := slices.IndexFunc(sights, func(s sight) bool { return s.at == here }); i > 0 {
		sights[0], sights[i] = sights[i], sights[0]
	}
	return sights, err
}

// ReadFor reads a file as another process sees it, its root folder and its
// mounts included. The limits are those of Read.
func ReadFor(pid int, path string) (*File, error) {
	opened, err := root.Inside(pid).OpenOrdinary(path)
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
