package livefile

import (
	"errors"
	"os"
)

// Leftover is the replacement of a live file that a killed run had under way.
type Leftover struct {
	Live, Kept    string // where the live file is, and where its old one is kept
	Before, After string // hashes of what was taken out and put in
	InPlace       bool
	Link          bool   // the live file is a link
	Led           string // where that led
}

// Replacement is what was under way, to be restored or forgotten. It is nil
// where there is nothing to restore: the old file is lost, or the live one is
// somebody else's.
func (l Leftover) Replacement() (*Replacement, error) {
	r := l.begin()
	now, err := r.read(l.Live)
	if l.Link && errors.Is(err, ErrNotOrdinary) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !l.InPlace {
		r.moved = true
		if _, err := os.Lstat(l.Kept + asideSuffix); err == nil {
			r.Kept = l.Kept + asideSuffix
		}
	}
	old, err := r.keptAs(r.Kept, l.Before)
	if led := (&File{Bytes: []byte(l.Led)}); l.Link && old == nil && led.Hash() == l.Before {
		old, err = led, nil // the text is all there is to a link
	}
	if err != nil || old == nil {
		return nil, err
	}
	if next, err := r.keptAs(l.Kept+nextSuffix, l.After); err == nil && next != nil {
		r.Bytes = next.Bytes
	}
	now.Bytes = old.Bytes
	r.Old = now
	return r, nil
}

// IsUndone says whether the live file is the old one.
func (l Leftover) IsUndone() bool {
	now, err := l.begin().read(l.Live)
	return err == nil && now.Hash() == l.Before
}

// IsPut says whether the new bytes may stand in the live file, so that Restore
// would bring the old ones back.
func (l Leftover) IsPut() bool {
	r, err := l.Replacement()
	return err == nil && r != nil && r.IsPut()
}

func (l Leftover) begin() *Replacement {
	return &Replacement{Old: &File{Path: l.Live, link: l.Link}, InPlace: l.InPlace, Kept: l.Kept, hash: l.After}
}

// keptAs reads what is kept under a name; nil where that has another hash, or
// is not there.
func (r *Replacement) keptAs(path, hash string) (*File, error) {
	f, err := r.read(path)
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
func (l Leftover) Sweep() error {
	r := l.begin()
	if now, err := r.read(l.Live); err == nil && now.Hash() == l.After && !l.InPlace {
		if old, err := r.read(l.Kept); err == nil && old.Hash() != l.Before {
			return r.rescue()
		}
	}
	errs := []error{removeIfThere(l.Kept)}
	for _, suffix := range []string{asideSuffix, anewSuffix, nextSuffix} {
		errs = append(errs, removeIfThere(l.Kept+suffix))
	}
	return errors.Join(errs...)
}
