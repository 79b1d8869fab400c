package statedir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/gofrs/flock"
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

// BusyError says that another bgswitch holds the lock.
type BusyError struct{ Holder Holder }

func (e *BusyError) Error() string { return "another bgswitch is at work: " + e.Holder.String() }

// IsBusy says whether the error is that somebody else holds the lock.
func IsBusy(err error) bool {
	var busy *BusyError
	return errors.As(err, &busy)
}

// Lock is the right to switch one site. The kernel lets go of it when its
// holder ends, however that happens (flock(2)).
type Lock struct {
	file *flock.Flock
	note *os.File // nil where the note could not be opened
}

// lockRetry is how often a lock that is waited for is tried.
const lockRetry = 20 * time.Millisecond

const (
	lockFile  = "lock"
	lockFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK
)

// Lock takes the lock of the site, waiting at most for wait. The error is a
// *BusyError when somebody else holds it, and wraps ErrUnsafe where others can
// write the folder. The file itself is never removed: a second file of that
// name would be a second lock.
func (f Folder) Lock(ctx context.Context, wait time.Duration, command string) (*Lock, error) {
	return f.lock(ctx, lockFile, wait, command)
}

// TryLock takes another lock of the folder, for what may not happen twice at
// once but does not switch. name is its file. The errors are those of Lock.
func (f Folder) TryLock(name string) (*Lock, error) {
	return f.lock(context.Background(), name, 0, name)
}

func (f Folder) lock(ctx context.Context, name string, wait time.Duration, command string) (*Lock, error) {
	if err := f.Create(); err != nil {
		return nil, err
	}
	if err := f.Safe(); err != nil {
		return nil, err
	}
	lock := flock.New(f.file(name), flock.SetPermissions(fileMode), flock.SetFlag(os.O_CREATE|os.O_RDWR|lockFlags))
	got, err := lock.TryLock()
	if err == nil && !got && wait > 0 {
		got, err = waitFor(ctx, lock, wait)
	}
	var holder Holder
	if err == nil && !got {
		holder, got, err = f.whoElse(name, lock)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if !got {
		return nil, errors.Join(&BusyError{holder}, lock.Close())
	}
	return &Lock{file: lock, note: f.leaveNote(name, Holder{PID: os.Getpid(), Command: command, Since: time.Now()})}, nil
}

func waitFor(ctx context.Context, lock *flock.Flock, wait time.Duration) (bool, error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	got, err := lock.TryLockContext(waiting, lockRetry)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return false, nil
	}
	return got, err
}

// nameWithin is how long a holder may take to leave its name, or to let go
// after it has taken the name away.
const nameWithin = 200 * time.Millisecond

// whoElse reads who holds a lock that was not free. Where no name stands, the
// holder has only just come or is just going: the lock is tried again.
func (f Folder) whoElse(name string, lock *flock.Flock) (holder Holder, got bool, err error) {
	for until := time.Now().Add(nameWithin); ; time.Sleep(time.Millisecond) {
		holder = f.holder(name)
		if holder.PID != 0 || time.Now().After(until) {
			return holder, false, nil
		}
		if got, err = lock.TryLock(); got || err != nil {
			return Holder{}, got, err
		}
	}
}

// leaveNote says who holds the lock. It is for people: nothing that goes wrong
// here, a full disk say, keeps anyone from switching. The note has a lock of a
// second kind (fcntl(2), open file description locks), about which Held can ask
// without taking it: who asks must not keep anyone from the first.
func (f Folder) leaveNote(name string, holder Holder) *os.File {
	file, err := f.open(name, os.O_RDWR)
	if err != nil {
		return nil
	}
	_ = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	_ = file.Truncate(0)
	if text, err := json.Marshal(holder); err == nil {
		_, _ = file.Write(text)
	}
	return file
}

// noteLimit bounds how much of a note is read, in bytes.
const noteLimit = 64 << 10

// holder reads the note. One that is not whole, or that a process left which
// was killed, names nobody: the one who holds the lock now is just about to
// write his own.
func (f Folder) holder(name string) Holder {
	file, err := f.open(name, os.O_RDONLY)
	if err != nil {
		return Holder{}
	}
	defer file.Close()
	var holder Holder
	text, err := io.ReadAll(io.LimitReader(file, noteLimit))
	if err != nil || json.Unmarshal(text, &holder) != nil {
		return Holder{}
	}
	if holder.PID <= 0 || errors.Is(unix.Kill(holder.PID, 0), unix.ESRCH) {
		return Holder{}
	}
	holder.Command = printable(holder.Command)
	return holder
}

// printable keeps a note from moving the reader's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// Unlock takes the note away and lets go.
func (l *Lock) Unlock() error {
	if l.note != nil {
		_ = l.note.Truncate(0)
		_ = l.note.Close()
		l.note = nil
	}
	return l.file.Close()
}

// Held says who holds the lock now; ok is false when it is free. It takes
// nothing and creates nothing.
func (f Folder) Held() (holder Holder, ok bool, err error) {
	file, err := f.open(lockFile, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, err
	}
	defer file.Close()
	asked := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &asked); err != nil {
		return Holder{}, false, &os.PathError{Op: "ask for the lock", Path: file.Name(), Err: err}
	}
	if asked.Type == unix.F_UNLCK {
		return Holder{}, false, nil
	}
	return f.holder(lockFile), true, nil
}
