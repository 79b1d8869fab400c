package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// As does something with the rights of another user to files, in a thread of its
// own that is his for good (setfsuid(2)); with ours where user is nil.
func As(user *syscall.Credential, do func() error) error {
	if user == nil {
		return do()
	}
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		// Those of package unix are for this thread alone (setgroups(2), "C library/kernel differences").
		err := errors.Join(unix.Setgroups(nil), unix.Setfsgid(int(user.Gid)), unix.Setfsuid(int(user.Uid)))
		if is, _ := unix.SetfsuidRetUid(-1); err == nil && is != int(user.Uid) {
			err = unix.EPERM
		}
		if err == nil {
			err = do()
		}
		ended <- err
	}()
	return <-ended
}

// Names are those in the folder.
func (f Folder) Names() ([]string, error) {
	opened, err := openBelow(f.fd(), ".", f.Path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return opened.Readdirnames(-1)
}

// Rename gives what has a name in the folder another one, for good; what has that
// already makes no room.
func (f Folder) Rename(from, to string) error {
	err := f.refusal("rename", from, unix.Renameat2(f.fd(), from, f.fd(), to, unix.RENAME_NOREPLACE))
	return errors.Join(err, f.Sync())
}

// RemoveFolder removes a folder of this one with all that is in it. It goes from
// one open folder into the next, follows no link, and enters nothing that is
// mounted: that is an error, and what was not reached by then stays. each is called
// for every name that is gone. ctx ends it.
func (f Folder) RemoveFolder(ctx context.Context, name string, each func()) error {
	return removeFolder(ctx, f.fd(), name, f.at(name), each)
}

// removedAtOnce is how many names are read at a time.
const removedAtOnce = 512

func removeFolder(ctx context.Context, above int, name, path string, each func()) error {
	folder, err := openBelow(above, name, path)
	if err != nil {
		return err
	}
	defer folder.Close()
	for {
		names, err := folder.Readdirnames(removedAtOnce)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, below := range names {
			if err := remove(ctx, int(folder.Fd()), below, path+"/"+below, each); err != nil {
				return err
			}
		}
		if _, err := folder.Seek(0, io.SeekStart); err != nil { // what was removed may have moved the rest
			return err
		}
	}
	if err := unix.Unlinkat(above, name, unix.AT_REMOVEDIR); err != nil {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	each()
	return nil
}

// remove removes whatever has a name in an open folder.
func remove(ctx context.Context, folder int, name, path string, each func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := unix.Unlinkat(folder, name, 0)
	switch {
	case err == nil:
		each()
		return nil
	case errors.Is(err, unix.EISDIR):
		return removeFolder(ctx, folder, name, path, each)
	case errors.Is(err, unix.ENOENT):
		return nil
	}
	return &fs.PathError{Op: "remove", Path: path, Err: err}
}

// openBelow opens a folder of an open one to read its names: no link, and nothing
// that is mounted there (openat2(2), RESOLVE_NO_XDEV).
func openBelow(folder int, name, path string) (*os.File, error) {
	opened, err := root.OpenBelow(folder, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV)
	if errors.Is(err, unix.EXDEV) {
		return nil, fmt.Errorf("%s is a mount", path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: withoutPath(err)}
	}
	return opened, nil
}

func withoutPath(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}
