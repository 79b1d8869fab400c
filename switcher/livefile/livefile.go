// Package livefile reads and replaces the file that decides the color. A
// replacement is whole or not at all, keeps everything of the file but its
// bytes, and can be taken back without needing any space. Where the file can
// only be written in place (inplace.go), the old bytes are kept elsewhere
// until the new ones are proved.
package livefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// SizeLimit is the largest file that is read, in bytes.
const SizeLimit = 1 << 20

// Why a file is not one that can be switched.
var (
	// ErrNotOrdinary: not a regular file of at most SizeLimit bytes.
	ErrNotOrdinary = errors.New("not an ordinary file")
	// ErrChanged: the file is not the one that was read any more.
	ErrChanged = errors.New("somebody else changed the file in the meantime")
	// ErrHardLink: the file has other names, which would keep the old bytes.
	ErrHardLink = errors.New("the file has several names (hard links)")
	// ErrMountPoint: the file is mounted by itself and can have no other put
	// in its place; it can be written in place (Replacement.KeepIn).
	ErrMountPoint = errors.New("the file is a mount point of its own")
)

// File is the live file as it was read.
type File struct {
	Named string // as the settings name it
	Path  string // where it really is, links resolved
	Bytes []byte

	stat unix.Stat_t
}

// Read reads the whole file. It follows symbolic links, never waits for a
// FIFO, and refuses what is no regular file or larger than SizeLimit with
// ErrNotOrdinary.
func Read(named string) (*File, error) {
	path, err := resolve(named)
	if err != nil {
		return nil, err
	}
	f, err := readPath(path)
	if err != nil {
		return nil, err
	}
	f.Named = named
	return f, nil
}

func resolve(named string) (string, error) {
	path, err := filepath.EvalSymlinks(named)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// readPath reads what stands at path itself, which may be no link.
func readPath(path string) (*File, error) {
	f := &File{Named: path, Path: path}
	// Looked at before it is opened: opening a device can move it.
	if err := unix.Lstat(path, &f.stat); err != nil {
		return nil, pathError("lstat", path, err)
	}
	if err := f.ordinary(); err != nil {
		return nil, err
	}
	opened, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	if err := f.take(opened); err != nil {
		return nil, err
	}
	return f, nil
}

// take reads an open file.
func (f *File) take(opened *os.File) error {
	if err := unix.Fstat(int(opened.Fd()), &f.stat); err != nil {
		return pathError("fstat", f.Path, err)
	}
	if err := f.ordinary(); err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(opened, SizeLimit+1))
	if err == nil && len(content) > SizeLimit {
		err = fmt.Errorf("%w: %s grew over %d bytes", ErrNotOrdinary, f.Path, SizeLimit)
	}
	f.Bytes = content
	return err
}

func (f *File) ordinary() error {
	switch {
	case f.stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fmt.Errorf("%w: %s is a folder", ErrNotOrdinary, f.Path)
	case f.stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%w: %s is no regular file", ErrNotOrdinary, f.Path)
	case f.stat.Size > SizeLimit:
		return fmt.Errorf("%w: %s is %d bytes, the limit is %d", ErrNotOrdinary, f.Path, f.stat.Size, SizeLimit)
	}
	return nil
}

// Hash is the SHA-256 of the bytes, in hex.
func (f *File) Hash() string { return Hash(f.Bytes) }

// Hash is the SHA-256 of bytes, in hex.
func Hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Mode is the file's permission bits.
func (f *File) Mode() fs.FileMode { return fs.FileMode(f.stat.Mode & 0o7777) }

// Owner is the file's user and group.
func (f *File) Owner() (uid, gid int) { return int(f.stat.Uid), int(f.stat.Gid) }

// Changed is when the file last changed in any way, its name included (ctime).
func (f *File) Changed() time.Time { return time.Unix(f.stat.Ctim.Unix()) }

// Modified is when the file's bytes last changed, as far as whoever changed
// them left it so (mtime). A file that is renamed keeps it.
func (f *File) Modified() time.Time { return time.Unix(f.stat.Mtim.Unix()) }

// Identity names this version of the file: two files with the same identity
// are the same file, not changed in between, whatever the clock did.
func (f *File) Identity() Identity {
	return Identity{Device: f.stat.Dev, Inode: f.stat.Ino, ChangedNS: f.stat.Ctim.Nano()}
}

// Identity is kept in the history, to know a file again.
type Identity struct {
	Device    uint64 `json:"device"`
	Inode     uint64 `json:"inode"`
	ChangedNS int64  `json:"changed_ns"`
}

// untouched makes sure, right before a replacement, that the name in the
// settings still leads to the file that was read, and that nothing of it has
// changed: the change time covers mode, owner, attributes and links, too.
func (f *File) untouched() error {
	now, err := Read(f.Named)
	if errors.Is(err, os.ErrNotExist) {
		return changed(f.Path)
	}
	if err != nil {
		return err
	}
	if now.Identity() != f.Identity() || !f.alike(now) {
		return changed(f.Path)
	}
	return nil
}

// alike says that two files have the same bytes, mode and owner. The inode
// number is left out: on overlayfs a file gets another one when it is first
// changed (kernel Documentation/filesystems/overlayfs.rst, "Inode properties").
func (f *File) alike(other *File) bool {
	return f.stat.Mode == other.stat.Mode && f.stat.Uid == other.stat.Uid && f.stat.Gid == other.stat.Gid &&
		bytes.Equal(f.Bytes, other.Bytes)
}

func changed(path string) error { return fmt.Errorf("%w: %s", ErrChanged, path) }

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
