package livefile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MountPoint says whether the file is mounted by itself: nothing can be
// renamed over it (rename(2), EBUSY). It asks for the thread, not the process:
// /proc/self shows the mounts of the first thread, which may have others.
func (f *File) MountPoint() (bool, error) { return mountPoint("thread-self", f.Path) }

// MountPointFor says the same of a path as another process sees it.
func MountPointFor(pid int, path string) (bool, error) {
	return mountPoint(strconv.Itoa(pid), path)
}

func mountPoint(of, path string) (bool, error) {
	mounts, err := mountsOf(of)
	if err != nil {
		return false, err
	}
	for _, m := range mounts {
		if m.at == filepath.Clean(path) {
			return true, nil
		}
	}
	return false, nil
}

// MountedFor says where another process sees this very file mounted by itself,
// as a container does that was given a single file: it goes on seeing this
// file whatever is renamed over it here. An error wraps fs.ErrPermission where
// the process may not be looked into.
func (f *File) MountedFor(pid int) (at string, mounted bool, err error) {
	mounts, err := mountsOf(strconv.Itoa(pid))
	if err != nil {
		return "", false, err
	}
	for _, m := range mounts {
		// The kernel shows the file's present name as the mount's root.
		if m.root == "/" || filepath.Base(m.root) != filepath.Base(f.Path) {
			continue
		}
		seen, err := openFor(pid, m.at, unix.O_PATH)
		if err != nil {
			return "", false, err
		}
		var stat unix.Stat_t
		err = unix.Fstat(int(seen.Fd()), &stat)
		seen.Close()
		if err == nil && stat.Dev == f.stat.Dev && stat.Ino == f.stat.Ino {
			return m.at, true, nil
		}
	}
	return "", false, nil
}

// ReadFor reads a file as another process sees it, its root folder and its
// mounts included. The limits are those of Read.
func ReadFor(pid int, path string) (*File, error) {
	opened, err := openFor(pid, path, unix.O_RDONLY|unix.O_NONBLOCK)
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

// openFor resolves links as the process would: an absolute one stays below its
// root (openat2(2), RESOLVE_IN_ROOT).
func openFor(pid int, path string, flags uint64) (*os.File, error) {
	root, err := os.Open(fmt.Sprintf("/proc/%d/root", pid))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(int(root.Fd()), path, &how)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// ReadOnly says whether the file system of a path refuses every write, by its
// own state or by how it is mounted (statfs(2), f_flags).
func ReadOnly(path string) (bool, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return false, pathError("statfs", path, err)
	}
	return stat.Flags&unix.ST_RDONLY != 0, nil
}

// mount is a line of mountinfo (proc_pid_mountinfo(5)): what is mounted, as a
// path on its file system, and where.
type mount struct{ root, at string }

func mountsOf(process string) ([]mount, error) {
	text, err := os.ReadFile("/proc/" + process + "/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMounts(string(text)), nil
}

func parseMounts(text string) []mount {
	var mounts []mount
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 4 {
			mounts = append(mounts, mount{root: unescape(fields[3]), at: unescape(fields[4])})
		}
	}
	return mounts
}

// unescape decodes \040 and the like: the kernel writes blanks, newlines,
// backslashes and `#` in octal (fs/proc_namespace.c, mangle).
func unescape(field string) string {
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) && octal(field[i+1:i+4]) {
			b.WriteByte((field[i+1]-'0')<<6 | (field[i+2]-'0')<<3 | (field[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(field[i])
	}
	return b.String()
}

func octal(digits string) bool {
	for _, d := range []byte(digits) {
		if d < '0' || d > '7' {
			return false
		}
	}
	return true
}
