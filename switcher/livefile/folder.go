package livefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// A folder that a link leads to, and whose files nginx includes, is read as one
// live file: its bytes are the list of all that stands in it, with the hash of
// each file, and whatever changes in there changes its identity. Of what is no
// small file, and so hardly one of nginx's, it is known which it is.

// filesLimit is how many files a folder may hold that is read.
const filesLimit = 1000

// inside is one of what stands in a folder.
type inside struct {
	name string // from there
	says string // what it holds, or is
	is   Identity
}

// ReadFolder reads a folder. It follows links as Read does, those in the folder,
// too, but for links to other folders.
func ReadFolder(named string) (*File, error) {
	f, err := findFolder(named)
	if err != nil {
		return nil, err
	}
	var list strings.Builder
	err = filepath.WalkDir(f.Path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(entry.Name(), mark) {
			return err
		}
		if len(f.inside) == filesLimit {
			return ordinary.Refuse("%s holds more than %d files", f.Path, filesLimit)
		}
		one, err := look(path)
		if err == nil {
			one.name, err = filepath.Rel(f.Path, path)
		}
		f.inside = append(f.inside, one)
		fmt.Fprintf(&list, "%s  %s\n", one.says, one.name)
		return err
	})
	f.Bytes = []byte(list.String())
	return f, err
}

func look(path string) (inside, error) {
	var stat unix.Stat_t
	switch err := unix.Stat(path, &stat); {
	case errors.Is(err, unix.ENOENT), err == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR: // a link to nothing, or to a folder
		text, err := os.Readlink(path)
		return inside{says: "-> " + text}, err
	case err != nil:
		return inside{}, pathError("stat", path, err)
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return inside{says: "not a regular file"}, nil
	case stat.Size > SizeLimit:
		return inside{says: fmt.Sprintf("%d bytes, file %d, changed %d", stat.Size, stat.Ino, stat.Ctim.Nano())}, nil
	}
	one, err := Read(path)
	if err != nil {
		return inside{}, err
	}
	return inside{says: one.Hash(), is: one.Identity()}, nil
}

// differs is the first path in the folder that is another now; the folder's own
// where none is.
func (f *File) differs(now *File) string {
	for _, of := range [][2]*File{{f, now}, {now, f}} {
		for _, one := range of[0].inside {
			if !slices.ContainsFunc(of[1].inside, func(other inside) bool { return other.name == one.name && other.says == one.says }) {
				return filepath.Join(f.Path, one.name)
			}
		}
	}
	return f.Path
}

// NameFolder is a folder that is known by its name alone, as a release is: what
// stands in it is nobody's business here, also where an app that runs from it
// writes there. Another one by its name was made at another time, where the file
// system tells (statx(2)).
func NameFolder(named string) (*File, error) {
	f, err := findFolder(named)
	if err != nil {
		return nil, err
	}
	var made unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, f.Path, 0, unix.STATX_BTIME, &made); err != nil {
		return nil, pathError("statx", f.Path, err)
	}
	f.Bytes = []byte(f.Path + "\n")
	f.stat.Ctim = unix.NsecToTimespec(made.Btime.Sec*int64(time.Second) + int64(made.Btime.Nsec))
	return f, nil
}

func findFolder(named string) (*File, error) {
	path, err := Resolve(named)
	if err != nil {
		return nil, err
	}
	f := &File{Named: named, Path: path, Home: path}
	if err := unix.Stat(path, &f.stat); err != nil {
		return nil, pathError("stat", path, err)
	}
	if !f.IsFolder() {
		return nil, ordinary.Refuse("%s is not a folder", path)
	}
	return f, nil
}

// IsFolder says that it is a folder.
func (f *File) IsFolder() bool { return f.stat.Mode&unix.S_IFMT == unix.S_IFDIR }
