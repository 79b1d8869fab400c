package livefile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Replacement is an old file and the bytes to put in its place: Prepare, Put,
// then PutBack or Forget. After Put the old file stands beside the live one
// under a name with a leading dot, which nginx's include patterns never match
// (glob(3), GLOB_PERIOD unset), until PutBack or Forget.
type Replacement struct {
	Old   *File
	Bytes []byte
	// KeepIn is for a file that has to be written in place: the folder that
	// keeps the old bytes (and the new ones, to know a torn write again) until
	// PutBack or Forget. Empty: the file is exchanged, never written.
	KeepIn string

	Kept  string  // where the new file stands before Put, the old one after it
	Notes []error // what went wrong besides, with the live file right: a sync, a file that could not be removed

	made   unix.Stat_t // the new file as it was prepared
	moved  bool        // the new file is in place, as far as the calls told
	put    *File       // the new file as it went in
	byLink bool        // for tests: as if the file system could not exchange
}

// Prepare writes the new file beside the live one: bytes, owner, mode and
// extended attributes (access lists and labels among them), synced. A file
// with several names is refused with ErrHardLink, one that is mounted by
// itself with ErrMountPoint. After an error nothing is left behind.
func (r *Replacement) Prepare() error {
	if r.KeepIn != "" {
		return r.keep()
	}
	if err := r.Old.replaceable(); err != nil {
		return err
	}
	path := temporary(filepath.Dir(r.Old.Path), r.Old.Path)
	made, err := writeLike(path, r.Bytes, r.Old)
	if err != nil {
		return err
	}
	r.Kept, r.made = path, made
	return nil
}

// replaceable says whether another file may take this one's name.
func (f *File) replaceable() error {
	if f.stat.Nlink > 1 {
		return fmt.Errorf("%w: %s has %d: replacing it would split them; make it a file of its own (cp it, then mv the copy over it), or link to it with ln -s",
			ErrHardLink, f.Path, f.stat.Nlink)
	}
	// Where the mounts cannot be read, the exchange itself will tell (EBUSY).
	if mounted, err := f.MountPoint(); err == nil && mounted {
		return fmt.Errorf("%w: %s: mount its folder instead of the file", ErrMountPoint, f.Path)
	}
	return nil
}

// Put exchanges the prepared file with the live one, in one step, and syncs
// the folder. What comes out must be the file that was read: else it goes back
// in at once and the error wraps ErrChanged. After an error the live file is
// the old one, and nothing stands beside it; where even that failed, the error
// says so, and PutBack may be tried.
func (r *Replacement) Put() error {
	if r.KeepIn != "" {
		return r.putInPlace()
	}
	// Opened first: a lack of file descriptors must show before the exchange.
	folder, err := os.Open(filepath.Dir(r.Old.Path))
	if err != nil {
		return errors.Join(err, r.Forget())
	}
	defer folder.Close()
	err = r.Old.untouched()
	if err == nil {
		err = r.swap(folder)
	}
	if err == nil {
		r.put, err = readPath(r.Old.Path)
	}
	if err != nil {
		return errors.Join(err, r.takeOut(folder))
	}
	return nil
}

func (r *Replacement) swap(folder *os.File) error {
	if err := r.exchange(); err != nil {
		return err
	}
	out, err := readPath(r.Kept)
	if err != nil {
		return err
	}
	if !r.Old.alike(out) {
		return changed(r.Old.Path)
	}
	return folder.Sync()
}

func (r *Replacement) exchange() (err error) {
	swap := exchange
	if r.byLink {
		swap = exchangeByLink
	}
	r.Kept, err = swap(r.Kept, r.Old.Path)
	if err == nil {
		r.moved = !r.moved
	}
	return err
}

// takeOut brings back what stood under the live name, where the exchange took
// place at all: an error need not mean that it did not. Then the new file is
// removed, unless somebody has written another, or into it, in that moment.
func (r *Replacement) takeOut(folder *os.File) error {
	var err error
	if prepared, _ := r.holds(); !prepared {
		if err := r.exchange(); err != nil {
			return fmt.Errorf("the new file is in place: %w", err)
		}
		err = folder.Sync()
	}
	if _, asMade := r.holds(); !asMade {
		return errors.Join(err, r.rescue())
	}
	return errors.Join(err, r.Forget())
}

// rescue gives somebody's edit a name that Sweep does not take for ours.
func (r *Replacement) rescue() error {
	path := strings.Replace(r.Kept, temporaryMark, ".not-bgswitch-", 1)
	if err := os.Rename(r.Kept, path); err != nil {
		path = r.Kept
	}
	return fmt.Errorf("%w: %s: what was written in that moment stands in %s", ErrChanged, r.Old.Path, path)
}

// holds says whether the kept name holds the file that was prepared, and that
// one as it was made. It needs no file descriptor.
func (r *Replacement) holds() (prepared, asMade bool) {
	var there unix.Stat_t
	if err := unix.Lstat(r.Kept, &there); err != nil {
		return !r.moved, !r.moved
	}
	prepared = there.Dev == r.made.Dev && there.Ino == r.made.Ino
	return prepared, prepared && there.Size == r.made.Size && there.Mtim == r.made.Mtim
}

// PutBack exchanges the two again: no space is needed, and the old file is
// the very one it was; where it was lost, it is written anew. A live file
// whose bytes are not ours any more is left alone, and the old one stays where
// it is kept: the error wraps ErrChanged. Without an error the live file is the
// old one; what went wrong besides is in Notes.
func (r *Replacement) PutBack() error {
	if r.KeepIn != "" {
		return r.putBackInPlace()
	}
	live, err := readPath(r.Old.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return changed(r.Old.Path)
	case err != nil:
		return err
	case bytes.Equal(live.Bytes, r.Old.Bytes):
		r.note(r.Forget())
		return nil
	case !bytes.Equal(live.Bytes, r.Bytes):
		return changed(r.Old.Path)
	}
	if err := r.swapBack(); err != nil {
		return err
	}
	r.note(syncFolderOf(r.Old.Path))
	return nil
}

func (r *Replacement) swapBack() error {
	kept, err := readPath(r.Kept)
	if err != nil || !bytes.Equal(kept.Bytes, r.Old.Bytes) {
		return r.writeAnew()
	}
	if failed := r.exchange(); failed != nil {
		r.note(failed)
		return r.writeAnew()
	}
	out, err := readPath(r.Kept)
	if err == nil && !bytes.Equal(out.Bytes, r.Bytes) {
		return errors.Join(changed(r.Old.Path), r.exchange())
	}
	r.note(err)
	r.note(r.Forget())
	return nil
}

// writeAnew is for an old file that somebody removed from beside the live one,
// or that cannot be exchanged.
func (r *Replacement) writeAnew() error {
	path := temporary(filepath.Dir(r.Old.Path), r.Old.Path)
	if _, err := writeLike(path, r.Old.Bytes, r.Old); err != nil {
		return err
	}
	if err := os.Rename(path, r.Old.Path); err != nil {
		return errors.Join(err, removeIfThere(path))
	}
	r.note(r.Forget())
	return nil
}

func (r *Replacement) note(err error) {
	if err != nil {
		r.Notes = append(r.Notes, err)
	}
}

// Forget removes what stands beside the live file, or in KeepIn.
func (r *Replacement) Forget() error {
	if r.KeepIn != "" && r.Kept != "" {
		return errors.Join(removeIfThere(r.Kept), removeIfThere(r.Kept+nextSuffix))
	}
	return removeIfThere(r.Kept)
}
