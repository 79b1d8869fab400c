package livefile

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// A link that decides by where it leads is a live file, too: its bytes are its
// text, and another link is exchanged with it, in the same one step. What it
// leads to is never written.

// ReadLink reads the link itself, and not what it leads to. The error wraps
// ErrNotOrdinary where there is something else.
func ReadLink(named string) (*File, error) {
	folder, err := Resolve(filepath.Dir(named))
	if err != nil {
		return nil, err
	}
	f, err := readText(filepath.Join(folder, filepath.Base(named)))
	if err == nil {
		f.Named = named
	}
	return f, err
}

func readText(path string) (*File, error) {
	f := &File{Named: path, Path: path, Home: path, link: true}
	if err := unix.Lstat(path, &f.stat); err != nil {
		return nil, pathError("lstat", path, err)
	}
	if f.stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		return nil, ordinary.Refuse("%s is not a link", path)
	}
	text, err := os.Readlink(path)
	f.Bytes = []byte(text)
	return f, err
}

// readAs reads what stands at a path itself: a link where this is one.
func (f *File) readAs(path string) (*File, error) {
	if f.link {
		return readText(path)
	}
	return readPath(path)
}

// IsLink says that the file is a link that decides by where it leads.
func (f *File) IsLink() bool { return f.link }

// makeLink makes a link like another one.
func makeLink(path, text string, like *File) (made unix.Stat_t, err error) {
	if err := os.Symlink(text, path); err != nil {
		return made, err
	}
	if err = unix.Lstat(path, &made); err == nil && (made.Uid != like.stat.Uid || made.Gid != like.stat.Gid) {
		err = errors.Join(os.Lchown(path, int(like.stat.Uid), int(like.stat.Gid)), unix.Lstat(path, &made))
	}
	if err != nil {
		return made, errors.Join(err, removeIfThere(path))
	}
	return made, nil
}

// Step is a link on the way to a file.
type Step struct {
	At   string // where it stands, no link on the way to it
	To   string // where it leads, as it is written
	Rest string // the way that goes on from there; empty: none
	stat unix.Stat_t
}

// maxLinks is how many links lead from one to the other (path_resolution(7)).
const maxLinks = 40

// Way are the links on the way to a path, one after the other, as somebody meets
// them whose root it is.
func Way(r root.Root, path string) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for range maxLinks {
			step, found := firstLink(r, path)
			if !found || !yield(step) {
				return
			}
			path = step.Leads()
		}
	}
}

// Leads is the path that the link makes of the one it stands on.
func (s Step) Leads() string {
	if filepath.IsAbs(s.To) {
		return filepath.Join(s.To, s.Rest)
	}
	return filepath.Join(filepath.Dir(s.At), s.To, s.Rest)
}

// Is says whether the step is this very link.
func (s Step) Is(link *File) bool {
	return s.stat.Dev == link.stat.Dev && s.stat.Ino == link.stat.Ino
}

func firstLink(r root.Root, path string) (Step, bool) {
	steps := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for i := range steps {
		s := Step{At: "/" + filepath.Join(steps[:i+1]...), Rest: filepath.Join(steps[i+1:]...)}
		if s.look(r) {
			return s, true
		}
	}
	return Step{}, false
}

// look says whether there is a link, and reads it.
func (s *Step) look(r root.Root) bool {
	there, err := r.Open(s.At, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return false
	}
	defer there.Close()
	if unix.Fstat(int(there.Fd()), &s.stat) != nil || s.stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		return false
	}
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(there.Fd()), "", text)
	if err != nil {
		return false
	}
	s.To = string(text[:n])
	return true
}
