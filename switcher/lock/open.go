package lock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// mark is how the file of a lock is told from every other one, whatever name
// others give to that: it is made with the sticky bit, which means nothing on a
// file (inode(7)), and which only its owner can set.
const mark = unix.S_ISVTX

// open opens the lock's file. A link, or a second name of somebody's file,
// would have us write into that; one that others can open, or that a stranger
// has made, could be held by him for ever.
func open(path string, file func(*Lock) error) (*Lock, error) {
	folder, err := trust.OpenFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	l := &Lock{Folder: folder, name: filepath.Base(path)}
	if err = folder.SafeLinks(); err == nil {
		err = file(l)
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, ordinary.ErrNotOrdinary) {
		err = fmt.Errorf("%w: %w", trust.ErrUnsafe, err)
	}
	if err == nil {
		return l, nil
	}
	if l.File != nil {
		err = errors.Join(err, l.File.Close())
	}
	return nil, errors.Join(err, folder.Close())
}

func (l *Lock) openToLook() (err error) {
	if l.File, err = l.Folder.Open(l.name, os.O_RDONLY); err != nil {
		return err
	}
	return l.trusted()
}

// openToTake makes the file where there is none. What is written into has to
// have the mark. An empty one may be what a killed run had no time to share.
func (l *Lock) openToTake() (err error) {
	l.File, err = l.Folder.Create(l.name, 0o600|mark)
	if errors.Is(err, os.ErrExist) {
		l.File, err = l.Folder.Open(l.name, os.O_RDWR)
		if errors.Is(err, os.ErrNotExist) {
			return errLost
		}
	}
	if err != nil {
		return err
	}
	info, err := l.File.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%w: %s is not one of bgswitch's locks", trust.ErrUnsafe, l.File.Name())
	}
	if err := l.trusted(); err != nil || info.Size() > 0 {
		return err
	}
	return l.share()
}

// trusted says that the file is shared at most with those who may write its
// folder, who can replace what it guards, too, and with nobody else.
func (l *Lock) trusted() error {
	stat, err := l.named()
	if err != nil {
		return err
	}
	rights, owners := uint32(trust.Open), []uint32{l.Folder.Stat.Uid}
	if l.grouped() {
		rights, owners = rights&^0o070, append(owners, stat.Uid)
	}
	if err := trust.Of(l.File.Name(), &stat, rights, owners...); err != nil {
		return err
	}
	return l.Folder.SafeName(l.name, &stat)
}

// grouped says that a group may write the folder, and nobody else.
func (l *Lock) grouped() bool {
	return l.Folder.Stat.Mode&trust.Write == 0o020 && !hasAccessList(l.Folder.Path)
}

// share gives the file that was made to those who may write its folder.
func (l *Lock) share() error {
	folder := &l.Folder.Stat
	stat, err := l.named()
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 && folder.Uid != 0 && stat.Uid != folder.Uid { // it need not be root who made it: see trust.As
		if err := l.File.Chown(int(folder.Uid), int(folder.Gid)); err != nil {
			return err
		}
	}
	if !l.grouped() || l.File.Chown(-1, int(folder.Gid)) != nil { // who does not belong to it keeps it to himself
		return nil
	}
	return l.File.Chmod(0o660 | fs.ModeSticky)
}

// hasAccessList says that the group's bits of a folder's mode are no word on its
// group: with an access list they are the most that anybody named in it may do
// (acl(5)).
func hasAccessList(folder string) bool {
	size, err := unix.Getxattr(folder, "system.posix_acl_access", nil)
	return err == nil && size > 0
}

// errLost: the lock's name leads to another file by now, or to none.
var errLost = fmt.Errorf("the lock file was renamed or removed: %w", os.ErrNotExist)

// named says what the lock's name leads to, which has to be its file. How many
// names that has is told by this one: as long as somebody has given it to a file
// of another one's, that has two.
func (l *Lock) named() (there unix.Stat_t, err error) {
	var ours unix.Stat_t
	if err := unix.Fstat(int(l.File.Fd()), &ours); err != nil {
		return there, &os.PathError{Op: "stat", Path: l.File.Name(), Err: err}
	}
	there, err = l.Folder.Lstat(l.name)
	if errors.Is(err, os.ErrNotExist) || err == nil && (there.Dev != ours.Dev || there.Ino != ours.Ino) {
		err = errLost
	}
	return there, err
}
