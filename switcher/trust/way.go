package trust

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// way is a path that is walked. Everything that was passed is judged.
type way struct {
	Path   string // of the folder it has come to, without any link
	Stat   unix.Stat_t
	folder *os.File // open for its names alone (O_PATH)
	rest   []string // the names that are still to come
	own    int      // as many of those, at most, are not a link's
	links  int
	doubts []error
}

// maxLinks is how many links lead from one to the other (path_resolution(7)).
const maxLinks = 40

// begin stands at the root folder.
func begin(path string) (*way, error) {
	if !filepath.IsAbs(path) {
		wd, err := unix.Getwd()
		if err != nil {
			return nil, err
		}
		path = wd + "/" + path // which is not cleaned: what `..` leads to is for the walk
	}
	w := &way{rest: names(path)}
	w.own = len(w.rest)
	return w, w.restart()
}

func names(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
}

func (w *way) restart() error {
	root, stat, err := openAt(unix.AT_FDCWD, "/", "/")
	if err != nil {
		return err
	}
	return w.enter(root, stat, "/")
}

// openAt opens what has a name in a folder, whatever it is, without following it
// or doing anything to it.
func openAt(folder int, name, path string) (*os.File, unix.Stat_t, error) {
	var stat unix.Stat_t
	fd, err := unix.Openat(folder, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Openat(folder, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, stat, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, stat, errors.Join(&os.PathError{Op: "stat", Path: path, Err: err}, file.Close())
	}
	return file, stat, nil
}

func (w *way) fd() int               { return int(w.folder.Fd()) }
func (w *way) at(name string) string { return filepath.Join(w.Path, name) }

// Close lets go of the folder.
func (w *way) Close() error { return w.folder.Close() }

// doubt notes a doubt; what links lead through twice is told once.
func (w *way) doubt(doubt error) {
	if doubt != nil && !slices.ContainsFunc(w.doubts, func(d error) bool { return d.Error() == doubt.Error() }) {
		w.doubts = append(w.doubts, doubt)
	}
}

// enter goes into a folder and judges it. In a sticky one nobody can take
// another's file away.
func (w *way) enter(folder *os.File, stat unix.Stat_t, path string) error {
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return errors.Join(&os.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}, folder.Close())
	}
	if w.folder != nil {
		_ = w.Close()
	}
	w.folder, w.Stat, w.Path = folder, stat, path
	rights := uint32(Write)
	if stat.Mode&unix.S_ISVTX != 0 {
		rights = 0
	}
	w.doubt(Of(path, &stat, rights))
	return nil
}

// turn takes the way that a link says.
func (w *way) turn(link *os.File, stat unix.Stat_t) error {
	defer link.Close()
	w.doubt(named(link.Name(), &stat, &w.Stat))
	if w.links++; w.links > maxLinks {
		return &os.PathError{Op: "open", Path: link.Name(), Err: unix.ELOOP}
	}
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(link.Fd()), "", text)
	if err != nil {
		return &os.PathError{Op: "readlink", Path: link.Name(), Err: err}
	}
	target := string(text[:n])
	w.rest = w.rest[1:]
	w.own = min(w.own, len(w.rest))
	w.rest = append(names(target), w.rest...)
	if filepath.IsAbs(target) {
		return w.restart()
	}
	return nil
}

// walk goes on until last names are left, none of them a link, or one that is
// not there.
func (w *way) walk(last int) error {
	for len(w.rest) > 0 {
		found, stat, err := openAt(w.fd(), w.rest[0], w.at(w.rest[0]))
		if err != nil {
			return err
		}
		if stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = w.turn(found, stat)
		} else if len(w.rest) <= last {
			return found.Close()
		} else if err = w.enter(found, stat, found.Name()); err == nil {
			w.rest = w.rest[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open opens the regular file at the way's end and judges it.
func open(path string) (*os.File, []error, error) {
	w, err := begin(path)
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	if err := w.walk(1); err != nil {
		return nil, w.doubts, err
	}
	name := "."
	if len(w.rest) > 0 {
		name = w.rest[0]
	}
	file, err := ordinary.OpenAt(w.fd(), name, w.at(name), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, w.doubts, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return nil, w.doubts, errors.Join(&os.PathError{Op: "stat", Path: file.Name(), Err: err}, file.Close())
	}
	return file, append(w.doubts, w.about(name, &stat)...), nil
}

// about lists the doubts about a file of the folder.
func (w *way) about(name string, stat *unix.Stat_t) (doubts []error) {
	for _, doubt := range []error{Of(w.at(name), stat, Write), named(w.at(name), stat, &w.Stat)} {
		if doubt != nil {
			doubts = append(doubts, doubt)
		}
	}
	return doubts
}

// Doubts lists why a file, or a folder with all that stands in it, is not safe
// from others: itself, the folders and the links on the way to it. What may not
// be looked at is no doubt.
func Doubts(path string) []error {
	if folder, err := OpenFolder(path); err == nil {
		defer folder.Close()
		return append(folder.doubts, inside(folder.Path)...)
	}
	file, doubts, err := open(path)
	if err == nil {
		_ = file.Close()
	}
	return doubts
}

// insideLimit is how many names of one folder are judged.
const insideLimit = 1000

// inside are the doubts about what stands in a folder. A link to another folder
// is judged, and not what stands in that.
func inside(folder string) (doubts []error) {
	opened, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer opened.Close()
	entries, _ := opened.ReadDir(insideLimit)
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if leads, err := OpenFolder(path); err == nil && !entry.IsDir() {
			doubts = append(doubts, leads.doubts...)
			_ = leads.Close()
			continue
		}
		doubts = append(doubts, Doubts(path)...)
	}
	return doubts
}

// Judge decides what becomes of doubts about a file that says what runs: as root
// it is refused, however one became root.
type Judge struct {
	Strict bool        // it is refused for everybody
	Warn   func(error) // what anybody else hears of it; nil: nothing
}

// Read reads a regular file of at most limit bytes. The error wraps ErrUnsafe
// where it is refused, and ordinary.ErrNotOrdinary where it is something else.
func (j Judge) Read(path string, limit int64) ([]byte, error) {
	file, doubts, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if len(doubts) > 0 && (j.Strict || os.Geteuid() == 0) {
		return nil, doubts[0]
	}
	for _, doubt := range doubts {
		if j.Warn != nil {
			j.Warn(doubt)
		}
	}
	return ordinary.ReadAll(file, limit)
}
