package livefile

import (
	"errors"
	"os"
	"path/filepath"

	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// Opened is a live file held open, so that what is put, what is watched and
// what is proved are the same one, whatever its name leads to meanwhile.
type Opened struct {
	Files []*os.File // that nginx has to open: itself, or those in a folder
	file  *os.File
	path  string
	read  func(path string) (*File, error) // what stands at the path
	led   func(path string) (*File, error) // what it leads to, through links
	want  string                           // the hash of what it has to hold
	was   *File                            // the folder as it was read; nil: it is a file
	at    Identity
}

// Open opens the file at path, which has to hold content. The error wraps
// ErrChanged where it does not.
func Open(path string, content []byte) (*Opened, error) {
	f := &File{Path: path}
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	o := &Opened{Files: []*os.File{file}, file: file, path: path, read: readPath, led: Read, want: Hash(content)}
	if f.Hash() != o.want {
		return nil, errors.Join(changed(path), file.Close())
	}
	o.at = f.Identity()
	return o, nil
}

// OpenFolder opens a folder that was read before, by one of the functions that
// do so, and has not changed since. Which files in it are opened is for Watch.
func OpenFolder(f *File, read func(named string) (*File, error)) (*Opened, error) {
	file, err := os.OpenFile(f.Path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	o := &Opened{file: file, path: f.Path, read: read, led: read, want: f.Hash(), was: f}
	if err := o.stands(); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Watch opens files in the folder, by their names from there: nginx has to open
// each of them.
func (o *Opened) Watch(names []string) error {
	for _, name := range names {
		file, err := ordinary.Open(filepath.Join(o.path, name), os.O_RDONLY)
		if err != nil {
			return err
		}
		o.Files = append(o.Files, file)
	}
	return nil
}

// StandsAt makes sure that path names this very file, and that it holds
// content: from here on it must not change.
func (o *Opened) StandsAt(path string, content []byte) error {
	o.path, o.read, o.want = path, readPath, Hash(content)
	return o.stands()
}

// LedToBy is StandsAt for a path that leads there through links: they must not
// change either.
func (o *Opened) LedToBy(path string) error {
	o.path, o.read = path, o.led
	return o.stands()
}

func (o *Opened) stands() error {
	now, err := o.now()
	o.at = now
	return err
}

// Unchanged says whether the path still names this very file and nothing of it
// was touched. touched is true where only its attributes were, or where its
// bytes were changed and changed again: they are what they were. The error wraps
// ErrChanged where the path names another file, or the bytes are others.
func (o *Opened) Unchanged() (touched bool, err error) {
	now, err := o.now()
	touched = now != o.at
	o.at = now
	return touched, err
}

// Identity is that of the file when it was last looked at.
func (o *Opened) Identity() Identity { return o.at }

// Hash is that of the bytes it holds.
func (o *Opened) Hash() string { return o.want }

func (o *Opened) now() (Identity, error) {
	f, err := o.read(o.path)
	if errors.Is(err, os.ErrNotExist) {
		return Identity{}, changed(o.path)
	}
	if err != nil {
		return Identity{}, err
	}
	var ours unix.Stat_t
	if err := unix.Fstat(int(o.file.Fd()), &ours); err != nil {
		return Identity{}, pathError("fstat", o.path, err)
	}
	switch same := f.stat.Dev == ours.Dev && f.stat.Ino == ours.Ino; {
	case same && f.Hash() == o.want:
		return f.Identity(), nil
	case same && o.was != nil:
		return Identity{}, changed(o.was.differs(f))
	}
	return Identity{}, changed(o.path)
}

// Close lets go of the file, or of the folder and those in it.
func (o *Opened) Close() error {
	err := o.file.Close()
	for _, file := range o.Files {
		if file != o.file {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}
