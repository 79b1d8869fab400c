package livefile

import (
	"errors"
	"os"
)

// Left is the replacement of a live file that a killed run had under way, to be
// restored or forgotten: kept is where its old file stands, before and after
// are the hashes of what it took out and put in. It is nil where there is
// nothing to restore: the old file is lost, or the live one is somebody else's.
func Left(live, kept, before, after string, inPlace bool) (*Replacement, error) {
	now, err := Read(live)
	if err != nil {
		return nil, err
	}
	r := &Replacement{InPlace: inPlace, Kept: kept, hash: after}
	if !inPlace {
		r.moved = true
		if _, err := os.Lstat(kept + asideSuffix); err == nil {
			r.Kept = kept + asideSuffix
		}
	}
	old, err := keptAs(r.Kept, before)
	if err != nil || old == nil {
		return nil, err
	}
	if next, err := keptAs(kept+nextSuffix, after); err == nil && next != nil {
		r.Bytes = next.Bytes
	}
	now.Bytes = old.Bytes
	r.Old = now
	return r, nil
}

// keptAs reads what is kept under a name; nil where that has another hash, or
// is not there.
func keptAs(path, hash string) (*File, error) {
	f, err := readPath(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if f.Hash() != hash {
		return nil, nil
	}
	return f, nil
}

// Sweep removes every name under which a killed run may have kept a file. What
// stands there once the new file is in place has to be the old one: else it is
// somebody's edit, and gets a name of its own (ErrChanged).
func Sweep(live, kept, before, after string, inPlace bool) error {
	r := &Replacement{Old: &File{Path: live}, Kept: kept}
	if now, err := Read(live); err == nil && now.Hash() == after && !inPlace {
		if old, err := readPath(kept); err == nil && old.Hash() != before {
			return r.rescue()
		}
	}
	errs := []error{removeIfThere(kept)}
	for _, suffix := range []string{asideSuffix, anewSuffix, nextSuffix} {
		errs = append(errs, removeIfThere(kept+suffix))
	}
	return errors.Join(errs...)
}
