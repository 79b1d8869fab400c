package nginx

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// view is the files as one process sees them: its root folder and its mounts.
type view struct{ root int }

// viewOf is the view of a process; ours where that is the same, or where it
// may not be looked into, or pid is 0.
func viewOf(pid int) view {
	link := fmt.Sprintf("/proc/%d/root", pid)
	root, err := os.Readlink(link)
	if err != nil || root == "/" && !differs(pid, "mnt") {
		return view{unix.AT_FDCWD}
	}
	fd, err := unix.Open(link, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return view{unix.AT_FDCWD}
	}
	return view{fd}
}

func (v view) close() {
	if v.root != unix.AT_FDCWD {
		unix.Close(v.root)
	}
}

// stat follows links as the process would: an absolute one stays below its
// root (openat2(2), RESOLVE_IN_ROOT).
func (v view) stat(path string) (unix.Stat_t, error) {
	var stat unix.Stat_t
	if v.root == unix.AT_FDCWD {
		err := unix.Stat(path, &stat)
		return stat, err
	}
	fd, err := unix.Openat2(v.root, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return stat, err
	}
	defer unix.Close(fd)
	err = unix.Fstat(fd, &stat)
	return stat, err
}

// same says whether two paths lead to one file.
func (v view) same(one, other string) bool {
	a, errA := v.stat(one)
	b, errB := v.stat(other)
	return errA == nil && errB == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

func (v view) changedAfter(path string, t time.Time) bool {
	stat, err := v.stat(path)
	return err == nil && (time.Unix(stat.Mtim.Unix()).After(t) || time.Unix(stat.Ctim.Unix()).After(t))
}

// differs says that a process is known to have another namespace of the kind
// than this thread.
func differs(pid int, kind string) bool {
	theirs, ours := namespace(strconv.Itoa(pid), kind), namespace("thread-self", kind)
	return theirs != "" && ours != "" && theirs != ours
}

// namespace names a process's namespace; it is empty where that is unknown.
func namespace(process, kind string) string {
	link, _ := os.Readlink("/proc/" + process + "/ns/" + kind)
	return link
}
