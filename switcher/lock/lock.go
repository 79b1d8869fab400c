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
	"os"
	"time"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/moment"
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
		return "a process that left no name"
	}
	return fmt.Sprintf("process %d (%s), since %s", h.PID, h.Command, moment.Clock(h.Since))
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

// Lost says that the lock's name leads to another file by now, or to none: see Expel.
func (l *Lock) Lost() bool {
	_, err := l.named()
	return errors.Is(err, errLost)
}

// Expel takes a lock's file away, whoever holds it: the next one to take the lock
// gets it, and its holder finds that he has Lost it.
func Expel(path string) error {
	l, err := open(path, (*Lock).openToLook)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(l.Folder.Remove(l.name), l.Leave())
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

// Look reads the lines of a lock's file as it stands, whoever holds it: see
// Lines. There is none where there is no file.
func Look(path string) (lines [][]byte, damaged bool, err error) {
	l, err := open(path, (*Lock).openToLook)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = l.Leave() }()
	return l.Lines()
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
