package statedir

import (
	"fmt"
	"time"

	"bgswitch/nginxconf"
)

// Back is the newest `back` that has begun. It is noted before anything changes:
// what the history says of it comes when it is done, and may be lost or unreadable.
type Back struct {
	Schema int             `json:"schema"`
	Time   time.Time       `json:"time"` // as in its record
	From   nginxconf.Color `json:"from"`
	To     nginxconf.Color `json:"to"`
	Who    string          `json:"who"`
}

const (
	backFile   = "back.json"
	backSchema = 1
)

// NoteBack returns when that is on the disk. Only the holder of the lock may call
// it.
func (f Folder) NoteBack(b Back) error {
	b.Schema = backSchema
	return f.Store(backFile, b)
}

// NewestBack is nil where none is noted.
func (f Folder) NewestBack() (*Back, error) {
	var b Back
	found, err := f.Load(backFile, &b)
	if err != nil || !found {
		return nil, err
	}
	if b.Schema != backSchema {
		return nil, fmt.Errorf("%s: version %d is unknown", backFile, b.Schema)
	}
	return &b, nil
}
