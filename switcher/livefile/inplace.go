package livefile

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Writing in place is for a file that is mounted by itself: a rename over it
// is refused (EBUSY), or never seen by who looks through the mount. A reader
// can meet the write half way. What keeps that small: nginx skips newlines
// after the last statement (src/core/ngx_conf_file.c, ngx_conf_read_token), so
// lengths are evened out with them, and the only step that changes the meaning
// is one write of the whole file, over the same length. A run that is killed
// leaves the old or the new meaning; what a power cut may tear, the kept bytes
// mend.

// nextSuffix ends the name under which the new bytes are kept.
const nextSuffix = "-next"

// keep is Prepare for a file that is written in place: old and new bytes are
// in the folder, and on the disk, before the live file is touched.
func (r *Replacement) keep() error {
	if err := r.Old.writable(); err != nil {
		return err
	}
	err := writeSynced(r.Kept, r.Old.Bytes)
	if err == nil {
		err = writeSynced(r.Kept+nextSuffix, r.Bytes)
	}
	if err == nil {
		err = syncFolderOf(r.Kept)
	}
	if err != nil {
		return errors.Join(err, r.Forget())
	}
	return nil
}

func writeSynced(path string, content []byte) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}

func (r *Replacement) putInPlace() error {
	if err := r.Old.untouched(); err != nil {
		return errors.Join(err, r.Forget())
	}
	err := overwrite(r.Old.Path, r.Bytes, func(now []byte) bool { return bytes.Equal(now, r.Old.Bytes) })
	if err == nil {
		return nil
	}
	back := r.Restore()
	switch {
	case back == nil:
		return err
	case errors.Is(back, ErrChanged): // what somebody else wrote stays
		return errors.Join(err, r.Forget())
	}
	return errors.Join(err, fmt.Errorf("the live file may be half written; the old bytes are in %s: %w", r.Kept, back))
}

func (r *Replacement) restoreInPlace() error {
	if err := overwrite(r.Old.Path, r.Old.Bytes, r.isOurs); err != nil {
		return err
	}
	r.note(r.Forget())
	return nil
}

// overwrite brings a file's bytes to others, in steps that a reader and a
// crash may come between. expected judges what stands there right before. A
// full disk shows in the first step, which only adds newlines.
func overwrite(path string, to []byte, expected func(now []byte) bool) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	now := &File{Path: path}
	if err := now.take(file); err != nil {
		return err
	}
	if bytes.Equal(now.Bytes, to) {
		return file.Sync()
	}
	if !expected(now.Bytes) {
		return changed(path)
	}
	length := max(len(now.Bytes), len(to))
	return writeSteps(file, now.Bytes, to, length)
}

// syncedFile is what the steps need of an *os.File; a test looks between them.
type syncedFile interface {
	WriteAt(content []byte, at int64) (int, error)
	Truncate(size int64) error
	Sync() error
}

func writeSteps(file syncedFile, from, to []byte, length int) error {
	if len(from) < length {
		if err := writeAt(file, padded(from, length)[len(from):], len(from)); err != nil {
			return err
		}
	}
	if err := writeAt(file, padded(to, length), 0); err != nil {
		return err
	}
	if len(to) == length {
		return nil
	}
	if err := file.Truncate(int64(len(to))); err != nil {
		return err
	}
	return file.Sync()
}

func writeAt(file syncedFile, content []byte, at int) error {
	if _, err := file.WriteAt(content, int64(at)); err != nil {
		return err
	}
	return file.Sync()
}

func padded(content []byte, length int) []byte {
	return append(bytes.Clone(content), bytes.Repeat([]byte{'\n'}, length-len(content))...)
}

// torn says that live is the old bytes, the new ones, or what stands between
// them while one is written over the other. After a power cut the end that was
// added may be NUL bytes.
func torn(live, before, after []byte) bool {
	shorter, length := min(len(before), len(after)), max(len(before), len(after))
	if len(live) > length || len(live) < shorter {
		return false
	}
	before, after = padded(before, length), padded(after, length)
	for i, b := range padded(live, length) {
		if b != before[i] && b != after[i] && (b != 0 || i < shorter) {
			return false
		}
	}
	return true
}
