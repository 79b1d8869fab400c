package livefile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// A folder that a link leads to, and whose files nginx includes, is read as one
// live file: its bytes are the list of all that stands in it, with the hash of
// each file, and whatever changes in there changes its identity.

// filesLimit is how many files a folder may hold that is read.
const filesLimit = 1000

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
		line, err := f.list(path)
		list.WriteString(line)
		return err
	})
	f.Bytes = []byte(list.String())
	return f, err
}

// list is the line for one that stands in the folder.
func (f *File) list(path string) (string, error) {
	name, err := filepath.Rel(f.Path, path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() { // a link to one
		text, err := os.Readlink(path)
		return fmt.Sprintf("%s -> %s\n", name, text), err
	}
	one, err := Read(path)
	if err != nil {
		return "", err
	}
	f.inside = append(f.inside, one.Identity())
	return fmt.Sprintf("%s  %s\n", one.Hash(), name), nil
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
		return nil, ordinary.Refuse("%s is no folder", path)
	}
	return f, nil
}

// IsFolder says that it is a folder.
func (f *File) IsFolder() bool { return f.stat.Mode&unix.S_IFMT == unix.S_IFDIR }
