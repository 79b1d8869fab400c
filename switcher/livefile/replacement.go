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
// then Restore or Forget. After Put the old file is kept under a name with a
// leading dot until Restore or Forget.
type Replacement struct {
	Old   *File
	Bytes []byte // nil in what a killed run left, where the new file is lost
	// InPlace is for a file that cannot be exchanged: it is written over.
	InPlace bool
	Kept    string  // where the new file stands before Put, the old one after it (in place: the old one, the new one beside it)
	Notes   []error // what went wrong besides, with the live file right: a sync, a file that could not be removed

	hash   string      // of the new bytes, where only that is known
	made   unix.Stat_t // the new file as it was prepared
	moved  bool        // the new file is in place, as far as the calls told
	byLink bool        // for tests: as if the file system could not exchange
}

// New is a replacement of old by content. folder is where the old bytes are kept
// of a file that is written in place; one that is exchanged is kept beside the
// live one. Nothing is written yet.
func New(old *File, content []byte, inPlace bool, folder string) *Replacement {
	if !inPlace {
		folder = filepath.Dir(old.Path)
	}
	return &Replacement{Old: old, Bytes: content, InPlace: inPlace, Kept: temporary(folder, old.Path)}
}

func (r *Replacement) after() string {
	if r.Bytes != nil {
		return Hash(r.Bytes)
	}
	return r.hash
}

// Prepare writes the new file beside the live one: bytes, owner, mode and
// extended attributes (access lists and labels among them), synced. A file
// with several names is refused with ErrHardLink, one that is mounted by
// itself with ErrMountPoint. After an error nothing is left behind.
func (r *Replacement) Prepare() error {
	if r.InPlace {
		return r.keep()
	}
	if err := r.Old.replaceable(); err != nil {
		return err
	}
	made, err := r.write(r.Kept, r.Bytes)
	r.made = made
	return err
}

func (r *Replacement) write(path string, content []byte) (made unix.Stat_t, err error) {
	if r.Old.link {
		return makeLink(path, string(content), r.Old)
	}
	return writeLike(path, content, r.Old)
}

func (r *Replacement) read(path string) (*File, error) { return r.Old.readAs(path) }

// replaceable says whether another file may take this one's name.
func (f *File) replaceable() error {
	if f.stat.Nlink > 1 {
		return fmt.Errorf("%w: %s has %d; replacing it would split them; make it a file of its own (cp it, then mv the copy over it), or link to it with ln -s",
			ErrHardLink, f.Path, f.stat.Nlink)
	}
	if f.link { // nothing can be mounted over one
		return nil
	}
	// Where the mounts cannot be read, the exchange itself will tell (EBUSY).
	if mounted, err := f.MountPoint(); err == nil && mounted {
		return fmt.Errorf("%w: %s; mount its folder instead of the file", ErrMountPoint, f.Path)
	}
	return nil
}

// Put exchanges the prepared file with the live one, in one step, and syncs
// the folder. What comes out must be the file that was read: else it goes back
// in at once and the error wraps ErrChanged. After an error the live file is
// the old one, and nothing stands beside it; where even that failed, the error
// says so, and Restore may be tried.
func (r *Replacement) Put() error {
	if r.InPlace {
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
	if err != nil {
		return errors.Join(err, r.takeOut(folder))
	}
	return nil
}

func (r *Replacement) swap(folder *os.File) error {
	if err := r.exchange(); err != nil {
		return err
	}
	out, err := r.read(r.Kept)
	switch {
	case errors.Is(err, ErrNotOrdinary), err == nil && !r.Old.alike(out):
		return changed(r.Old.Path)
	case err != nil:
		return err
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
	if !r.holdsNew() {
		if err := r.exchange(); err != nil {
			return fmt.Errorf("the new file is in place, but: %w", err)
		}
		err = folder.Sync()
	}
	return errors.Join(err, r.Forget())
}

// holdsNew says whether the kept name still holds the file that was prepared.
// It needs no file descriptor.
func (r *Replacement) holdsNew() bool {
	var there unix.Stat_t
	if err := unix.Lstat(r.Kept, &there); err != nil {
		return !r.moved
	}
	return there.Dev == r.made.Dev && there.Ino == r.made.Ino
}

// Restore brings the old bytes back: the one way back, for a switch that failed
// and for one that was killed. The two files are exchanged again, so that no
// space is needed and the old file is the very one it was; where it was lost, it
// is written anew. A live file whose bytes are not ours any more is left alone,
// and the old one stays where it is kept: the error wraps ErrChanged. Without an
// error the live file is the old one; what went wrong besides is in Notes.
func (r *Replacement) Restore() error {
	if r.InPlace {
		return r.restoreInPlace()
	}
	live, err := r.read(r.Old.Path)
	switch {
	case r.gone(err):
		return changed(r.Old.Path)
	case err != nil:
		return err
	case bytes.Equal(live.Bytes, r.Old.Bytes):
		r.note(r.Forget())
		return nil
	case !r.isOurs(live.Bytes):
		return changed(r.Old.Path)
	}
	if err := r.exchangeBack(); err != nil {
		return err
	}
	r.note(r.Forget())
	r.note(syncFolderOf(r.Old.Path))
	return nil
}

// Ours says whether Restore would leave the live file alone, for it is somebody
// else's by now: then the error wraps ErrChanged. One that cannot be read is for
// Restore to judge.
func (r *Replacement) Ours() error {
	live, err := r.read(r.Old.Path)
	if r.gone(err) || err == nil && !bytes.Equal(live.Bytes, r.Old.Bytes) && !r.isOurs(live.Bytes) {
		return changed(r.Old.Path)
	}
	return nil
}

// gone says whether an error tells that somebody has taken the live file away, or
// put something else than a link in the place of one.
func (r *Replacement) gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || r.Old.link && errors.Is(err, ErrNotOrdinary)
}

// IsPut says whether the new bytes may stand in the live file: not where a link
// has become something else.
func (r *Replacement) IsPut() bool {
	live, err := r.read(r.Old.Path)
	if r.Old.link && errors.Is(err, ErrNotOrdinary) {
		return false
	}
	return err != nil || !bytes.Equal(live.Bytes, r.Old.Bytes) && r.isOurs(live.Bytes)
}

func (r *Replacement) isOurs(now []byte) bool {
	return Hash(now) == r.after() || r.InPlace && r.Bytes != nil && torn(now, r.Old.Bytes, r.Bytes)
}

func (r *Replacement) exchangeBack() error {
	kept, err := r.read(r.Kept)
	if err != nil || !bytes.Equal(kept.Bytes, r.Old.Bytes) {
		return r.writeAnew()
	}
	if failed := r.exchange(); failed != nil {
		r.note(failed)
		return r.writeAnew()
	}
	out, err := r.read(r.Kept)
	if err == nil && out.Hash() != r.after() {
		return errors.Join(changed(r.Old.Path), r.exchange())
	}
	r.note(err)
	return nil
}

// writeAnew is for an old file that somebody removed from beside the live one,
// or wrote to there, or that cannot be exchanged.
func (r *Replacement) writeAnew() error {
	path := strings.TrimSuffix(r.Kept, asideSuffix) + anewSuffix
	if err := removeIfThere(path); err != nil {
		return err
	}
	if _, err := r.write(path, r.Old.Bytes); err != nil {
		return err
	}
	if err := os.Rename(path, r.Old.Path); err != nil {
		return errors.Join(err, removeIfThere(path))
	}
	return nil
}

func (r *Replacement) note(err error) {
	if err != nil {
		r.Notes = append(r.Notes, err)
	}
}

// Forget removes what is kept. What somebody else wrote there, through a
// descriptor that he had opened before the exchange, gets a name of its own: the
// error wraps ErrChanged and says which.
func (r *Replacement) Forget() error {
	if r.InPlace {
		return errors.Join(removeIfThere(r.Kept), removeIfThere(r.Kept+nextSuffix))
	}
	kept, err := r.read(r.Kept)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if errors.Is(err, ErrNotOrdinary) || err == nil && !bytes.Equal(kept.Bytes, r.Old.Bytes) && kept.Hash() != r.after() {
		return r.rescue()
	}
	return removeIfThere(r.Kept)
}

// rescue gives somebody's edit a name that nobody takes for one of ours.
func (r *Replacement) rescue() error {
	path := strings.Replace(r.Kept, mark, ".not-bgswitch-", 1)
	if err := os.Rename(r.Kept, path); err != nil {
		path = r.Kept
	}
	return fmt.Errorf("%w: %s; what was written at that moment is in %s", ErrChanged, r.Old.Path, path)
}
