// Package root reaches files as another process does: below its root folder,
// among its mounts, from its working folder. Links are followed as that process
// would follow them, and none leads out.
package root

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// Root is where a process's paths begin. The zero value is ours.
type Root struct {
	pid   int  // 0: this process
	other bool // it is not our root folder, or has other mounts
}

// Of is the root of a process; ours where that is the same, or where it may not
// be looked into.
func Of(pid int) Root {
	link := fmt.Sprintf("/proc/%d/root", pid)
	folder, err := os.Readlink(link)
	if err != nil || folder == "/" && !Differs(pid, "mnt") {
		return Root{pid: pid}
	}
	if _, err := os.Stat(link); err != nil {
		return Root{pid: pid}
	}
	return Root{pid: pid, other: true}
}

// Inside is the root of a process that is looked into, or not at all.
func Inside(pid int) Root { return Root{pid: pid, other: true} }

// Ours says that its paths lead where ours do, relative ones apart.
func (r Root) Ours() bool { return !r.other }

// Path is where we reach what the process means, if the root is ours. It is not
// cleaned: `..` behind a link is not what stands before it.
func (r Root) Path(path string) string {
	switch {
	case filepath.IsAbs(path):
		return path
	case r.pid == 0:
		return "/" + path
	}
	return fmt.Sprintf("/proc/%d/cwd/%s", r.pid, path)
}

// againAtMost is how often a path is tried again on which somebody renames
// folders meanwhile (EAGAIN).
const againAtMost = 100

// Open opens what stands at a path. It never waits for a FIFO; in another root,
// no link of /proc leads anywhere (openat2(2), RESOLVE_IN_ROOT), so that one to
// another process's file is an error.
func (r Root) Open(path string, flags int) (*os.File, error) {
	if flags |= unix.O_CLOEXEC; flags&unix.O_PATH == 0 {
		flags |= unix.O_NONBLOCK
	}
	if !r.other {
		return os.OpenFile(r.Path(path), flags, 0)
	}
	from, resolve := "root", uint64(unix.RESOLVE_IN_ROOT)
	if !filepath.IsAbs(path) {
		from, resolve = "cwd", unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS
	}
	folder, err := unix.Open(fmt.Sprintf("/proc/%d/%s", r.pid, from), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(folder)
	return OpenBelow(folder, path, flags, resolve)
}

// OpenBelow is openat2(2) where somebody may rename folders meanwhile.
func OpenBelow(folder int, path string, flags int, resolve uint64) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	fd, err := unix.Openat2(folder, path, &how)
	for n := 0; n < againAtMost && (errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN)); n++ {
		fd, err = unix.Openat2(folder, path, &how)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Read reads a regular file of at most limit bytes.
func (r Root) Read(path string, limit int64) ([]byte, error) {
	file, err := r.OpenOrdinary(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ordinary.ReadAll(file, limit)
}

// OpenOrdinary opens a regular file to read it.
func (r Root) OpenOrdinary(path string) (*os.File, error) {
	found, err := r.Open(path, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return ordinary.Found(found)
}

// Stat looks at what a path leads to.
func (r Root) Stat(path string) (os.FileInfo, error) {
	if !r.other {
		return os.Stat(r.Path(path))
	}
	file, err := r.Open(path, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// Same says whether two paths lead to one file.
func (r Root) Same(one, other string) bool {
	a, errA := r.Stat(one)
	b, errB := r.Stat(other)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// ChangedAfter says whether a file, or anything about it, was changed after t.
func (r Root) ChangedAfter(path string, t time.Time) bool {
	info, err := r.Stat(path)
	if err != nil {
		return false
	}
	changed := info.Sys().(*syscall.Stat_t).Ctim
	return info.ModTime().After(t) || time.Unix(changed.Unix()).After(t)
}

// Differs says that a process is known to have another namespace of the kind
// than this thread.
func Differs(pid int, kind string) bool {
	theirs, ours := Namespace(strconv.Itoa(pid), kind), Namespace("thread-self", kind)
	return theirs != "" && ours != "" && theirs != ours
}

// Namespace names a process's namespace; it is empty where that is unknown.
func Namespace(process, kind string) string {
	link, _ := os.Readlink("/proc/" + process + "/ns/" + kind)
	return link
}
