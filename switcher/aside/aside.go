// Package aside lets contents stand in for files, in mounts that nobody else
// sees: the files themselves are not touched.
package aside

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrMoved says that a file was replaced by somebody while a content stood in
// for it, so that whoever read it may have read the other one.
var ErrMoved = errors.New("somebody replaced the live file during the test")

// Content is what stands in for a file: its bytes and what decides who may read
// them; or a whole folder, where files below one are read.
type Content struct {
	Over     string // the file, as whoever reads it sees it
	Folder   string // what stands in for a folder, seen in the same way; empty: the bytes do
	Bytes    []byte
	Mode     fs.FileMode
	UID, GID int
	// Was is the file that it was made for, where another one under that path
	// must not be taken for it.
	Was *File
}

// File is one file, whatever it is called.
type File struct{ Device, Inode uint64 }

// FileOf is the file that was looked at.
func FileOf(info fs.FileInfo) File {
	stat := info.Sys().(*syscall.Stat_t)
	return File{stat.Dev, stat.Ino}
}

// OnOwnThread runs fn on a thread that ends with it: what fn does to the
// thread's namespaces and rights reaches nothing else of this process, only
// the children it starts. The process's first thread cannot end alone, and
// /proc/self shows its namespaces: it is only held while another one is found.
func OnOwnThread(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- OnOwnThread(fn)
			return
		}
		result <- fn()
	}()
	return <-result
}

// PrivateMounts gives this thread mounts of its own. In a chroot the root folder
// need be no mount point, and then mount(2) takes it for none (EINVAL): there
// that is said of the namespace's own root folder.
func PrivateMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace (root may, outside of a container): %w", err)
	}
	err := makePrivate()
	if errors.Is(err, unix.EINVAL) {
		err = outsideChroot(makePrivate)
	}
	if err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return nil
}

func makePrivate() error { return unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }

// outsideChroot does something at the root folder of the mount namespace, where
// setns(2) takes even those who are there already, and comes back.
func outsideChroot(do func() error) error {
	inside, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(inside)
	namespace, err := os.Open("/proc/thread-self/ns/mnt")
	if err != nil {
		return err
	}
	defer namespace.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS); err != nil {
		return err
	}
	err = do()
	if back := unix.Fchdir(inside); back != nil {
		return back
	}
	return errors.Join(err, unix.Chroot("."))
}

// stage is where a content stands for a moment, in memory, in a namespace
// that nobody else sees. It is a folder that every Linux has and no nginx
// configuration lives in.
const stage = "/dev"

// LayOver lets a content stand in for its file among the mounts of this thread,
// which have to be private.
func LayOver(content Content) error {
	if content.Folder != "" {
		return unix.Mount(content.Folder, content.Over, "", unix.MS_BIND|unix.MS_REC, "")
	}
	return OnStage(content, func(path string) error {
		return unix.Mount(path, content.Over, "", unix.MS_BIND, "")
	})
}

// OnStage does something with the path at which a content stands for a moment,
// in a file system of its own. What is mounted of it stays.
func OnStage(content Content, do func(path string) error) error {
	if err := unix.Mount("tmpfs", stage, "tmpfs", StageFlags, "size=4m,mode=0755"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	candidate := filepath.Join(stage, "candidate")
	err := write(candidate, content)
	if err == nil {
		err = do(candidate)
	}
	return errors.Join(err, unix.Unmount(stage, unix.MNT_DETACH))
}

// StageFlags are those of the stage's file system.
const StageFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

func write(path string, content Content) error {
	if err := os.WriteFile(path, content.Bytes, 0o600); err != nil {
		return err
	}
	if err := os.Chown(path, content.UID, content.GID); err != nil {
		return err
	}
	return os.Chmod(path, content.Mode.Perm())
}
