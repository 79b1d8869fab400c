// Package lock lets one process at a time do a thing. A lock is a file with an
// open file description lock on it (fcntl(2), F_OFD_SETLK): the kernel lets go
// of it when its holder ends, however that happens. The file can be opened only
// by those who may make names in its folder, since whoever can open a file can
// lock it, and it is there only while somebody holds the lock, or after he was
// killed.
package lock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// Holder is who has the lock.
type Holder struct {
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "a process that did not leave its name"
	}
	return fmt.Sprintf("process %d (%s), since %s", h.PID, h.Command, h.Since.Local().Format("15:04:05"))
}

// BusyError says that somebody else holds the lock.
type BusyError struct{ Holder Holder }

func (e *BusyError) Error() string { return "another bgswitch is at work: " + e.Holder.String() }

// IsBusy says whether the error is that somebody else holds the lock.
func IsBusy(err error) bool {
	var busy *BusyError
	return errors.As(err, &busy)
}

// Lock is a lock that is held. Its file may hold more lines than the one that
// names its holder.
type Lock struct {
	File   *os.File
	Folder trust.Folder // where it stands
	name   string
}

const (
	retry      = 20 * time.Millisecond  // how often a lock that is waited for is tried
	nameWithin = 200 * time.Millisecond // how long a holder may take to leave his name
	sizeLimit  = 64 << 10               // of what is read of the file, in bytes
)

// Take takes the lock and adds a line that names this process. It waits at most
// for wait, and tells for whom; with none it gives up as soon as the
// holder has left his name, for which he has 200 ms. The error is a *BusyError
// when somebody else holds it, and wraps trust.ErrUnsafe where the file may be
// another one's.
func Take(ctx context.Context, path string, wait time.Duration, command string, tell func(Holder)) (*Lock, error) {
	began := time.Now()
	for {
		taken, err := try(path)
		if err != nil {
			return nil, err
		}
		if taken != nil {
			taken.sign(command)
			return taken, nil
		}
		holder, pause, patience := holderOf(path), retry, wait
		if holder.PID == 0 { // he has only just come, or is just going
			pause, patience = time.Millisecond, max(wait, nameWithin)
		}
		left := patience - time.Since(began)
		if left <= 0 {
			return nil, &BusyError{holder}
		}
		if tell != nil && wait > 0 && holder.PID != 0 {
			tell(holder)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(pause, left)):
		}
	}
}

// try takes the lock if it is free; both results are nil where it is not.
func try(path string) (*Lock, error) {
	l, err := open(path, (*Lock).openToTake)
	if errors.Is(err, errLost) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = unix.FcntlFlock(l.File.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		return nil, l.Leave()
	case err != nil:
		return nil, errors.Join(&os.PathError{Op: "lock", Path: path, Err: err}, l.Leave())
	}
	if _, err := l.named(); err != nil { // whoever had it before has taken the name away: it locks nothing
		return nil, l.Leave()
	}
	return l, nil
}

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
		return fmt.Errorf("%w: %s is no lock of bgswitch's", trust.ErrUnsafe, l.File.Name())
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
	if os.Geteuid() == 0 && folder.Uid != 0 {
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
var errLost = fmt.Errorf("the name of the lock was taken away: %w", os.ErrNotExist)

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

// sign adds the line that names the holder. It is for people: a full disk keeps
// nobody from the lock.
func (l *Lock) sign(command string) {
	_ = l.Append(Holder{PID: os.Getpid(), Command: command, Since: time.Now()})
}

// Append adds a line to the file, the JSON of value, after whatever stands
// there. Nothing is synced.
func (l *Lock) Append(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	info, err := l.File.Stat()
	if err != nil {
		return err
	}
	// A line that a crash cut off is ended by the newline before this one.
	_, err = l.File.WriteAt(append(append([]byte{'\n'}, line...), '\n'), info.Size())
	return err
}

// Lines are the file's lines; damaged says that there are others, which a crash
// cut off, say.
func (l *Lock) Lines() (lines [][]byte, damaged bool, err error) { return linesOf(l.File) }

func linesOf(file *os.File) (lines [][]byte, damaged bool, err error) {
	if _, err := file.Seek(0, 0); err != nil {
		return nil, false, err
	}
	text, err := ordinary.ReadAll(file, sizeLimit)
	if err != nil {
		return nil, false, err
	}
	for line := range bytes.Lines(text) {
		switch line = bytes.TrimSpace(line); {
		case json.Valid(line):
			lines = append(lines, line)
		case len(line) > 0:
			damaged = true
		}
	}
	return lines, damaged, nil
}

// Release takes the file away and lets go. Where it may not be taken away it
// says nothing more: a file that names nobody is in nobody's way.
func (l *Lock) Release() error {
	if _, err := l.named(); err == nil && l.Folder.Remove(l.name) != nil {
		_ = l.File.Truncate(0)
	}
	return l.Leave()
}

// Leave lets go, and leaves the file there. Closing alone does not: a child that
// has been forked and does not run its program yet holds the lock with us
// (F_OFD_SETLK(2const)).
func (l *Lock) Leave() error {
	_ = unix.FcntlFlock(l.File.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK})
	return errors.Join(l.File.Close(), l.Folder.Close())
}

// Held says who holds a lock now; ok is false when it is free. It takes nothing
// and creates nothing. The error wraps fs.ErrPermission where somebody may hold
// it who cannot be asked.
func Held(path string) (holder Holder, ok bool, err error) {
	l, err := open(path, (*Lock).openToLook)
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, err
	}
	defer func() { _ = l.Leave() }()
	asked := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(l.File.Fd(), unix.F_OFD_GETLK, &asked); err != nil {
		return Holder{}, false, &os.PathError{Op: "ask for the lock", Path: path, Err: err}
	}
	if asked.Type == unix.F_UNLCK {
		return Holder{}, false, nil
	}
	return holderIn(l.File), true, nil
}

func holderOf(path string) Holder {
	l, err := open(path, (*Lock).openToLook)
	if err != nil {
		return Holder{}
	}
	defer func() { _ = l.Leave() }()
	return holderIn(l.File)
}

// holderIn reads the last name in the file. One that a killed process left
// names nobody: whoever holds the lock now is just about to write his own.
func holderIn(file *os.File) Holder {
	lines, _, err := linesOf(file)
	if err != nil {
		return Holder{}
	}
	var holder Holder
	for _, line := range lines {
		_ = json.Unmarshal(line, &holder)
	}
	if holder.PID <= 0 || errors.Is(unix.Kill(holder.PID, 0), unix.ESRCH) {
		return Holder{}
	}
	holder.Command = foreign.Line(holder.Command)
	return holder
}
