// Package statedir keeps what bgswitch has to remember between two runs, a
// folder for each site. Everything in it is readable by its owner alone.
package statedir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bgswitch/switcher/lock"
	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// Modes of what is created here: records hold reasons and names of people.
const (
	folderMode = 0o700
	fileMode   = 0o600 // as package ordinary creates files
)

// Folder is the state of one site.
type Folder struct{ Path string }

// Of is the folder of one site below the state folder. Nothing is created.
func Of(stateDir, site string) Folder { return Folder{filepath.Join(stateDir, site)} }

// Create makes the folder where it is missing, for good: a note in a folder
// that a power cut takes away would be no note.
func (f Folder) Create() error {
	if _, err := os.Lstat(f.Path); err == nil {
		return nil
	}
	if err := os.MkdirAll(f.Path, folderMode); err != nil {
		return err
	}
	above := filepath.Dir(f.Path)
	return errors.Join(syncFolder(above), syncFolder(filepath.Dir(above)))
}

func (f Folder) file(name string) string { return filepath.Join(f.Path, name) }

// open opens a file of the folder. It follows no link, waits for no FIFO and
// takes nothing but a regular file: what stands in a folder that others can
// write may be anything.
func (f Folder) open(name string, flag int) (*os.File, error) {
	file, err := ordinary.Open(f.file(name), flag|unix.O_NOFOLLOW)
	if errors.Is(err, ordinary.ErrNotOrdinary) {
		return nil, fmt.Errorf("%w: %w", ErrUnsafe, err)
	}
	return file, err
}

// TryLock takes a lock of the folder, for what may not happen twice at once.
// name is its file. The error is a *lock.BusyError when somebody else holds it,
// and wraps ErrUnsafe where others can write the folder.
func (f Folder) TryLock(name string) (*lock.Lock, error) {
	if err := f.Create(); err != nil {
		return nil, err
	}
	if err := f.Safe(); err != nil {
		return nil, err
	}
	return lock.Take(context.Background(), f.file(name), 0, name, nil)
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
	return f.replace(name, func(file *os.File) error {
		_, err := file.Write(append(text, '\n'))
		return err
	})
}

func (f Folder) replace(name string, write func(*os.File) error) (err error) {
	temporary := "." + name + ".new"
	defer func() {
		if err != nil {
			err = errors.Join(err, removeIfThere(f.file(temporary)))
		}
	}()
	if err := f.writeSynced(temporary, write); err != nil {
		return err
	}
	if err := os.Rename(f.file(temporary), f.file(name)); err != nil {
		return err
	}
	return syncFolder(f.Path)
}

// loadLimit bounds what is read of a file that Store wrote, in bytes.
const loadLimit = 1 << 20

// Load reads a file that Store wrote. found is false where there is none; what
// is damaged is an error, and value is worth nothing then.
func (f Folder) Load(name string, value any) (found bool, err error) {
	file, err := f.open(name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	text, err := ordinary.ReadAll(file, loadLimit)
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return false, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return true, nil
}

func (f Folder) writeSynced(name string, write func(*os.File) error) (err error) {
	file, err := f.open(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := write(file); err != nil {
		return err
	}
	return file.Sync()
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
