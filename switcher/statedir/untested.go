package statedir

import (
	"errors"
	"fmt"
	"os"
)

// Untested is the note of a replacement that is not sure to be whole, or took
// place before nginx could test it: if the run that made it was killed, the
// next one puts the old file back.
type Untested struct {
	Schema   int    `json:"schema"`
	Live     string `json:"live"`      // the live file
	Kept     string `json:"kept"`      // where the old one stands
	LiveHash string `json:"live_hash"` // SHA-256 of what was put in
	KeptHash string `json:"kept_hash"` // SHA-256 of what was taken out
}

const (
	untestedFile   = "untested.json"
	untestedSchema = 1
)

// NoteUntested writes the note; it is on the disk when it returns. Only the
// holder of the lock may call it.
func (f Folder) NoteUntested(note Untested) error {
	note.Schema = untestedSchema
	return f.Store(untestedFile, note)
}

// ReadUntested reads the note; found is false where there is none. A note that
// is damaged, or of a later version, is an error: nothing is guessed from it.
func (f Folder) ReadUntested() (note Untested, found bool, err error) {
	found, err = f.Load(untestedFile, &note)
	if err != nil || !found {
		return Untested{}, false, err
	}
	if note.Schema != untestedSchema {
		return Untested{}, false, fmt.Errorf("%s: version %d is not known here", f.file(untestedFile), note.Schema)
	}
	if note.Live == "" || note.Kept == "" || note.LiveHash == "" || note.KeptHash == "" {
		return Untested{}, false, fmt.Errorf("%s: the note is not whole", f.file(untestedFile))
	}
	return note, true, nil
}

// ForgetUntested removes the note.
func (f Folder) ForgetUntested() error {
	err := os.Remove(f.file(untestedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncFolder(f.Path))
}
