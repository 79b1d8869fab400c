// Package accesslog counts the answers that an access log of nginx's tells of,
// from some moment on, also while it is rotated: renamed with a new one in its
// place, or copied and truncated (logrotate(8), create and copytruncate).
package accesslog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// Counts is what lines tell.
type Counts struct {
	Requests int // lines with a status
	Errors   int // of them, those with one of 500 to 599
	Unknown  int // lines in which no status was found
	Unsigned int // of the requests, those that show no user agent
	Own      int // lines of our own questions, which count nowhere else
}

// Add adds what more lines tell.
func (c *Counts) Add(more Counts) {
	c.Requests += more.Requests
	c.Errors += more.Errors
	c.Unknown += more.Unknown
	c.Unsigned += more.Unsigned
	c.Own += more.Own
}

// Log is an access log that is followed. Nothing of what stands in it is kept.
type Log struct {
	path   string
	files  []*file // the newest last: nginx goes on with the one before until it is told of the new one
	buffer []byte
}

const (
	chunk    = 64 << 10 // that is read at once, in bytes; also the longest line
	mostKept = 4        // files that are followed: the one in place, and those it was before
)

// Open opens a log, at its end. One that is not there yet, in a folder that is, is
// waited for: it is being rotated, or nobody has come. A log that others could have
// put there is none: the error wraps ordinary.ErrNotOrdinary for what is no regular
// file.
func Open(path string) (*Log, error) {
	l := &Log{path: path, buffer: make([]byte, chunk+tailSize)}
	_, err := l.open()
	if errors.Is(err, fs.ErrNotExist) {
		if info, failed := os.Stat(filepath.Dir(path)); failed == nil && info.IsDir() {
			return l, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return l, l.Skip()
}

// Missing says that there was no log yet.
func (l *Log) Missing() bool { return len(l.files) == 0 }

// Skip goes on from the end of the log as it is now.
func (l *Log) Skip() error {
	if _, err := l.open(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range l.files {
		if err := f.skip(); err != nil {
			return err
		}
	}
	return nil
}

// Read counts the lines that have come since. What was counted counts also after
// an error.
func (l *Log) Read() (Counts, error) {
	var counts Counts
	err := l.readAll(&counts)
	isNew, failed := l.open()
	if isNew {
		err = errors.Join(err, l.readAll(&counts))
	}
	if errors.Is(failed, fs.ErrNotExist) { // it is being rotated
		failed = nil
	}
	return counts, errors.Join(err, failed)
}

func (l *Log) readAll(counts *Counts) error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.read(l.buffer, counts))
	}
	return errors.Join(errs...)
}

// open opens what the log's name leads to, if that is none of those that are open.
func (l *Log) open() (isNew bool, err error) {
	fd, err := unix.Open(l.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &fs.PathError{Op: "open", Path: l.path, Err: err}
	}
	found := os.NewFile(uintptr(fd), l.path)
	defer found.Close()
	info, err := found.Stat()
	if err != nil {
		return false, err
	}
	for _, f := range l.files {
		if os.SameFile(info, f.info) {
			return false, nil
		}
	}
	opened, err := ordinary.Found(found)
	if err != nil {
		return false, err
	}
	l.files = append(l.files, &file{File: opened, info: info})
	if len(l.files) > mostKept {
		_ = l.files[0].Close()
		l.files = l.files[1:]
	}
	return true, nil
}

// Close closes what is open.
func (l *Log) Close() {
	if l == nil {
		return
	}
	for _, f := range l.files {
		_ = f.Close()
	}
}
