package trust

import (
	"errors"
	"io/fs"
	"os"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// Folder is an open folder. What is done in it by name is done in this very
// folder, wherever its own name leads meanwhile.
type Folder struct{ *way }

// OpenFolder opens a folder. It may be one that others can change: see Safe.
func OpenFolder(path string) (Folder, error) {
	f, err := Nearest(path)
	if err == nil && f.Missing() {
		return f, errors.Join(&fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}, f.Close())
	}
	return f, err
}

// Nearest opens a folder, or the last one on the way to it that is there. The
// error wraps unix.ENOTDIR where something else stands in the way.
func Nearest(path string) (Folder, error) {
	w, err := begin(path)
	if err != nil {
		return Folder{}, err
	}
	f := Folder{w}
	if err := f.goOn(); err != nil {
		return f, errors.Join(err, f.Close())
	}
	return f, nil
}

// goOn walks as far as there are folders. Where a link leads to nothing, nothing
// can be made (mkdir(2), EEXIST).
func (f Folder) goOn() error {
	err := f.walk(0)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case len(f.rest) > f.own:
		return &fs.PathError{Op: "mkdir", Path: f.at(f.rest[0]), Err: unix.ENOTDIR}
	}
	return nil
}

// Missing says that there are folders still to come: see Nearest.
func (f Folder) Missing() bool { return len(f.rest) > 0 }

// MakeFolder opens a folder, and makes it where it is missing, for good: its name
// is on the disk. It makes nothing where others could take it away.
func MakeFolder(path string, mode fs.FileMode) (Folder, error) {
	f, err := Nearest(path)
	if err != nil {
		return f, err
	}
	for err == nil && f.Missing() {
		if err = f.Safe(); err == nil {
			err = f.make(f.rest[0], mode)
		}
	}
	if err != nil {
		return f, errors.Join(err, f.Close())
	}
	return f, nil
}

// make makes the next folder, and goes on into it.
func (f Folder) make(name string, mode fs.FileMode) error {
	err := unix.Mkdirat(f.fd(), name, uint32(mode))
	if err == nil {
		err = unix.Fchmodat(f.fd(), name, uint32(mode), 0) // whatever the caller's umask
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return &fs.PathError{Op: "mkdir", Path: f.at(name), Err: err}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.goOn()
}

// Safe is the first doubt about the folder and the way to it.
func (f Folder) Safe() error { return first(f.doubts, ErrUnsafe) }

// SafeLinks is the first doubt about the links on the way to the folder.
func (f Folder) SafeLinks() error { return first(f.doubts, ErrPlanted) }

func first(doubts []error, kind error) error {
	for _, doubt := range doubts {
		if errors.Is(doubt, kind) {
			return doubt
		}
	}
	return nil
}

// Open opens a regular file of the folder, and no link. It is not judged.
func (f Folder) Open(name string, flag int) (*os.File, error) {
	return ordinary.OpenAt(f.fd(), name, f.at(name), flag|unix.O_NOFOLLOW, 0o600)
}

// Create makes a file in the folder and opens it for reading and writing; one
// that is there is an error that wraps fs.ErrExist. mode is as open(2) takes it.
func (f Folder) Create(name string, mode uint32) (*os.File, error) {
	return ordinary.OpenAt(f.fd(), name, f.at(name), os.O_CREATE|os.O_EXCL|os.O_RDWR|unix.O_NOFOLLOW, mode)
}

// OpenSafe is Open for a file that is believed: the error wraps ErrUnsafe where
// others could change it.
func (f Folder) OpenSafe(name string, flag int) (*os.File, error) {
	file, err := f.Open(name, flag)
	if errors.Is(err, ordinary.ErrNotOrdinary) || errors.Is(err, unix.ELOOP) {
		return nil, noFile(f.at(name))
	}
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	err = f.refusal("stat", name, unix.Fstat(int(file.Fd()), &stat))
	if err == nil {
		err = first(f.about(name, &stat), ErrUnsafe)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// SafeFile says whether a file of the folder is one that OpenSafe opens to who
// may.
func (f Folder) SafeFile(name string) error {
	stat, err := f.Lstat(name)
	if err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return noFile(f.at(name))
	}
	return first(f.about(name, &stat), ErrUnsafe)
}

// SafeName says that a name of the folder, which leads to a file, is none that
// others can have given to a file of somebody else.
func (f Folder) SafeName(name string, stat *unix.Stat_t) error {
	return named(f.at(name), stat, &f.Stat)
}

func noFile(path string) error {
	return &Doubt{text: path + " is not a regular file", mend: "mv " + foreign.Shell(path, path+".old"), is: ErrUnsafe}
}

// Lstat says what stands under a name of the folder.
func (f Folder) Lstat(name string) (stat unix.Stat_t, err error) {
	err = f.refusal("stat", name, unix.Fstatat(f.fd(), name, &stat, unix.AT_SYMLINK_NOFOLLOW))
	return stat, err
}

// Replace puts a new file under a name of the folder, whole or not at all: it is
// on the disk before it gets the name. temporary is what it is called until then;
// whatever has that name is removed.
func (f Folder) Replace(name, temporary string, write func(*os.File) error) (err error) {
	if err := f.Remove(temporary); err != nil {
		return err
	}
	file, err := f.Open(temporary, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Sync())
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.refusal("rename", name, unix.Renameat(f.fd(), temporary, f.fd(), name))
	}
	if err != nil {
		return errors.Join(err, f.Remove(temporary))
	}
	return f.Sync()
}

// Remove takes a name away, where it is there.
func (f Folder) Remove(name string) error {
	err := unix.Unlinkat(f.fd(), name, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return f.refusal("remove", name, err)
}

// Sync returns when the folder's names are on the disk.
func (f Folder) Sync() error {
	fd, err := unix.Openat(f.fd(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return f.refusal("open", ".", err)
	}
	folder := os.NewFile(uintptr(fd), f.Path)
	return errors.Join(folder.Sync(), folder.Close())
}

func (f Folder) refusal(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.at(name), Err: err}
}
