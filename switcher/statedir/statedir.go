// Package statedir keeps what bgswitch has to remember between two runs, a
// folder for each site. Everything in it is readable by its owner alone; a summary
// beside it is for everybody.
package statedir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bgswitch/switcher/lock"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// folderMode keeps what is in a folder to ourselves: records hold reasons and
// names of people.
const (
	folderMode = 0o700
	aboveMode  = 0o755
)

// Folder is the state of one site. Whatever is done with it finds the folder
// anew and believes it only where nobody else can change it: else the error wraps
// trust.ErrUnsafe, and trust.ErrForeign where it is somebody else's, who could.
type Folder struct{ Path string }

// Of is the folder of one site below the state folder. Nothing is created.
func Of(stateDir, site string) Folder { return Folder{filepath.Join(stateDir, site)} }

// Create makes the folder where it is missing, for good: a note in a folder
// that a power cut takes away would be no note.
func (f Folder) Create() error {
	made, err := f.made()
	if err != nil {
		return err
	}
	return made.Close()
}

// made makes the folder above for everybody: a summary of the site stands there.
func (f Folder) made() (trust.Folder, error) {
	above, err := trust.MakeFolder(filepath.Dir(f.Path), aboveMode)
	if err != nil {
		return above, err
	}
	if err := above.Close(); err != nil {
		return above, err
	}
	return safe(trust.MakeFolder(f.Path, folderMode))
}

func (f Folder) found() (trust.Folder, error) { return safe(trust.OpenFolder(f.Path)) }

// safe keeps a folder that nobody else can change. In a sticky one others could
// put what is not there yet.
func safe(folder trust.Folder, err error) (trust.Folder, error) {
	if err != nil {
		return folder, err
	}
	if err = folder.Safe(); err == nil {
		err = trust.Of(folder.Path, &folder.Stat, trust.Write)
	}
	if err != nil {
		return folder, errors.Join(err, folder.Close())
	}
	return folder, nil
}

// TryLock takes a lock of the folder, for what may not happen twice at once.
// name is its file. The error is a *lock.BusyError when somebody else holds it.
func (f Folder) TryLock(name string) (*lock.Lock, error) {
	if err := f.Create(); err != nil {
		return nil, err
	}
	return lock.Take(context.Background(), filepath.Join(f.Path, name), 0, name, nil)
}

// Store replaces a file of the folder with the JSON of value: synced, then
// renamed, so that a reader finds the whole old or the whole new one. Only the
// holder of a lock that stands for this file may call it: the temporary name
// is always the same, so that killed runs leave no more than one.
func (f Folder) Store(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if len(text) >= loadLimit {
		return fmt.Errorf("%s would be larger than %d bytes", filepath.Join(f.Path, name), loadLimit)
	}
	store := func() error {
		folder, err := f.found()
		if err != nil {
			return err
		}
		defer folder.Close()
		return replace(folder, name, func(file *os.File) error {
			_, err := file.Write(append(text, '\n'))
			return err
		})
	}
	if published[name] != nil {
		return f.publish(store)
	}
	return store()
}

func replace(folder trust.Folder, name string, write func(*os.File) error) error {
	return folder.Replace(name, "."+name+".new", write)
}

// loadLimit bounds what Load reads, in bytes.
const loadLimit = 1 << 20

// Load reads a file that Store wrote. found is false where there is none; what
// is damaged is an error, and value is worth nothing then. Who may not read it gets
// what is public of it.
func (f Folder) Load(name string, value any) (found bool, err error) {
	if found, err = f.load(name, loadLimit, value); err != nil {
		return f.loadPublic(name, err, value)
	}
	return found, nil
}

func (f Folder) load(name string, limit int64, value any) (found bool, err error) {
	file, err := f.open(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	text, err := ordinary.ReadAll(file, limit)
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return false, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return true, nil
}

// Touch sets the time of a file that Store wrote to now, and writes nothing else.
func (f Folder) Touch(name string) error {
	file, err := f.open(name)
	if err != nil {
		return err
	}
	now := unix.NsecToTimeval(time.Now().UnixNano())
	return errors.Join(unix.Futimes(int(file.Fd()), []unix.Timeval{now, now}), file.Close())
}

// Changed is when a file of the folder was last written or touched; the zero time
// where there is none.
func (f Folder) Changed(name string) (time.Time, error) {
	folder, err := f.found()
	if err == nil {
		var stat unix.Stat_t
		if stat, err = folder.Lstat(name); err == nil {
			return time.Unix(stat.Mtim.Unix()), folder.Close()
		}
		err = errors.Join(err, folder.Close())
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return time.Time{}, err
}

// open opens a file of the folder to read it.
func (f Folder) open(name string) (*os.File, error) {
	folder, err := f.found()
	if err != nil {
		return nil, err
	}
	file, err := folder.OpenSafe(name, os.O_RDONLY)
	return file, errors.Join(err, folder.Close())
}
