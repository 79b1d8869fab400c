// Package ordinary opens and reads regular files and nothing else: what stands
// under a name may be a FIFO that never answers, a device, or a terabyte.
package ordinary

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotOrdinary says that something is not a regular file, or is too large.
var ErrNotOrdinary = errors.New("not an ordinary file")

// Refuse is ErrNotOrdinary in words that say it all.
func Refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

type refusal string

func (r refusal) Error() string { return string(r) }
func (r refusal) Unwrap() error { return ErrNotOrdinary }

// Open opens a regular file and never waits for anybody. flag may hold
// unix.O_NOFOLLOW; a file that is created is its owner's alone.
func Open(path string, flag int) (*os.File, error) {
	return OpenAt(unix.AT_FDCWD, path, path, flag, 0o600)
}

// OpenAt is Open in a folder that is open itself; path is what the file is
// called in errors, mode what one that is created has.
func OpenAt(folder int, name, path string, flag int, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(folder, name, flag|unix.O_NONBLOCK|unix.O_CLOEXEC, mode)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Openat(folder, name, flag|unix.O_NONBLOCK|unix.O_CLOEXEC, mode)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	if err := Is(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Is makes sure that an open file is a regular one.
func Is(file *os.File) error {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = Refuse("%s is not a regular file", file.Name())
	}
	return err
}

// Found opens, to read it, what was found (O_PATH), where that is a regular file:
// to open a device of somebody's can be enough to start it.
func Found(found *os.File) (*os.File, error) {
	if err := Is(found); err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/proc/self/fd/%d", found.Fd())
	return OpenAt(unix.AT_FDCWD, path, found.Name(), os.O_RDONLY, 0)
}

// Read reads a whole file of at most limit bytes. It follows links.
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ReadAll(file, limit)
}

// ReadAll reads an open file from where it stands, at most limit bytes: more
// are an error that wraps ErrNotOrdinary.
func ReadAll(file *os.File, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, Refuse("%s is larger than %d bytes", file.Name(), limit)
	}
	return text, err
}
