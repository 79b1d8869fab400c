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
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// SizeLimit is the largest file that is read, in bytes.
const SizeLimit = 1 << 20

// Why a file is not one that can be switched.
var (
	// ErrNotOrdinary: not a regular file of at most SizeLimit bytes.
	ErrNotOrdinary = ordinary.ErrNotOrdinary
	// ErrChanged: the file is not the one that was read any more.
	ErrChanged = errors.New("somebody else changed the file in the meantime")
	// ErrHardLink: the file has other names, which would keep the old bytes.
	ErrHardLink = errors.New("the file has several names (hard links)")
	// ErrMountPoint: the file is mounted by itself and can have no other put
	// in its place; it can be written in place (Replacement.InPlace).
	ErrMountPoint = errors.New("the file is a mount point itself")
)

// File is the live file as it was read.
type File struct {
	Named string // as the settings name it
	Path  string // where it really is, links resolved
	Home  string // where another one takes its place: Path, or the link that selects it
	Bytes []byte // of a link: its text

	stat   unix.Stat_t
	link   bool     // see ReadLink
	inside []inside // a folder: see ReadFolder
}

// Read reads the whole file. It follows symbolic links, never waits for a
// FIFO, and refuses what is not a regular file or larger than SizeLimit with
// ErrNotOrdinary.
func Read(named string) (*File, error) {
	path, err := Resolve(named)
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

// Resolve is where a name really leads, links resolved, absolute.
func Resolve(named string) (string, error) {
	path, err := filepath.EvalSymlinks(named)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// readPath reads what stands at path itself, which may be no link.
func readPath(path string) (*File, error) {
	f := &File{Named: path, Path: path, Home: path}
	opened, err := f.open()
	if err != nil {
		return nil, err
	}
	return f, opened.Close()
}

// open opens the file and reads it.
func (f *File) open() (*os.File, error) {
	// Looked at before it is opened: opening a device can move it.
	if err := unix.Lstat(f.Path, &f.stat); err != nil {
		return nil, pathError("lstat", f.Path, err)
	}
	if err := f.ordinary(); err != nil {
		return nil, err
	}
	opened, err := ordinary.Open(f.Path, os.O_RDONLY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	if err := f.take(opened); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// take reads an open file.
func (f *File) take(opened *os.File) error {
	if err := unix.Fstat(int(opened.Fd()), &f.stat); err != nil {
		return pathError("fstat", f.Path, err)
	}
	if err := f.ordinary(); err != nil {
		return err
	}
	content, err := ordinary.ReadAll(opened, SizeLimit)
	f.Bytes = content
	return err
}

func (f *File) ordinary() error {
	switch {
	case f.stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		return ordinary.Refuse("%s is a folder", f.Path)
	case f.stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return ordinary.Refuse("%s is not a regular file", f.Path)
	case f.stat.Size > SizeLimit:
		return ordinary.Refuse("%s is %d bytes, the limit is %d", f.Path, f.stat.Size, SizeLimit)
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

// SameAs says whether two are the same file, whatever their names.
func (f *File) SameAs(other *File) bool {
	return f.stat.Dev == other.stat.Dev && f.stat.Ino == other.stat.Ino
}

// Owner is the file's user and group.
func (f *File) Owner() (uid, gid int) { return int(f.stat.Uid), int(f.stat.Gid) }

// LastChanged is when the file, its name included, or a link on the way to it
// last changed in any way (ctime).
func (f *File) LastChanged() time.Time {
	last := time.Unix(f.stat.Ctim.Unix())
	for _, changed := range f.links() {
		if changed.After(last) {
			last = changed
		}
	}
	for _, one := range f.inside {
		if changed := time.Unix(0, one.is.ChangedNS); changed.After(last) {
			last = changed
		}
	}
	return last
}

// links are when the links on the way to the file were last changed.
func (f *File) links() (changes []time.Time) {
	for step := range Way(root.Root{}, f.Named) {
		changes = append(changes, time.Unix(step.stat.Ctim.Unix()))
	}
	return changes
}

// Identity names this version of the file: two files with the same identity
// are the same file, not changed in between, whatever the clock did; nor was a
// link on the way to it led elsewhere and back.
func (f *File) Identity() Identity {
	identity := Identity{Device: f.stat.Dev, Inode: f.stat.Ino, ChangedNS: f.stat.Ctim.Nano()}
	for _, changed := range f.links() {
		identity.LinksNS += changed.UnixNano()
	}
	for _, one := range f.inside {
		identity.ChangedNS += one.is.ChangedNS + one.is.LinksNS
	}
	return identity
}

// Identity is kept in the history, to know a file again.
type Identity struct {
	Device    uint64 `json:"device"`
	Inode     uint64 `json:"inode"`
	ChangedNS int64  `json:"changed_ns"`
	LinksNS   int64  `json:"links_ns"` // the sum of the change times of the links on the way
}

// untouched makes sure, right before a replacement, that the name in the
// settings still leads to the file that was read, and that nothing of it has
// changed: the change time covers mode, owner, attributes and links, too.
func (f *File) untouched() error {
	now, err := f.reread()
	if errors.Is(err, os.ErrNotExist) || f.link && errors.Is(err, ErrNotOrdinary) {
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

func (f *File) reread() (*File, error) {
	if f.link {
		return ReadLink(f.Named)
	}
	return Read(f.Named)
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
