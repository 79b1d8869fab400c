// Package journal keeps, beside each live file, what the next run must know if
// this one is killed. The journal's file is also the lock of the live file:
// whoever holds it is the only one who switches that file, from whatever state
// folder, by whatever path. It is there only while somebody is at work, or
// after he was killed.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/lock"
)

// The versions of an Entry: a program that does not know one leaves it alone.
const (
	schema     = 1
	linkSchema = 2 // of a link, which the first would take for the file that it leads to
)

// Entry is what a switch had done to a live file when it was killed. The hashes
// are SHA-256, in hex.
type Entry struct {
	Schema  int    `json:"journal"`
	Kept    string `json:"kept"`     // name, in the journal's folder, of the new file and then of the old one
	Before  string `json:"before"`   // what the live file was
	After   string `json:"after"`    // what it becomes
	InPlace bool   `json:"in_place"` // it is written over, so that it may be torn
	Whole   bool   `json:"whole"`    // what it becomes stands there, and nginx has accepted it
	Link    bool   `json:"link"`     // the live file is a link, and the hashes are of where it leads
	Led     string `json:"led"`      // where the link led
	Leads   string `json:"leads"`    // where it leads once it is re-pointed
}

func (e Entry) version() int {
	if e.Link {
		return linkSchema
	}
	return schema
}

// Journal is the lock of a live file that is held, and its journal.
type Journal struct {
	lock   *lock.Lock
	live   string
	Folder string // where it stands, and where old and new files are kept
}

// Path is where the journal of a live file stands in a folder.
func Path(folder, live string) string { return livefile.Beside(folder, live, "journal") }

// Take takes the lock of a live file; its journal stands in folder. The errors
// are those of lock.Take.
func Take(ctx context.Context, folder, live string, wait time.Duration, command string, tell func(lock.Holder)) (*Journal, error) {
	taken, err := lock.Take(ctx, Path(folder, live), wait, command, tell)
	if err != nil {
		return nil, err
	}
	return &Journal{lock: taken, live: live, Folder: folder}, nil
}

// Held says who switches a live file now: see lock.Held.
func Held(folder, live string) (lock.Holder, bool, error) { return lock.Held(Path(folder, live)) }

// ErrNotUnderstood says that a killed run left a journal that says nothing
// certain.
var ErrNotUnderstood = errors.New("the journal of an earlier run is not understood")

// Left is what a killed run had written; found is false where none was, or
// where it had changed nothing yet. The error wraps ErrNotUnderstood.
func (j *Journal) Left() (e Entry, found bool, err error) {
	lines, damaged, err := j.lock.Lines()
	if err != nil {
		return Entry{}, false, notUnderstood(err)
	}
	for _, line := range lines {
		if err := json.Unmarshal(line, &e); err != nil {
			return Entry{}, false, notUnderstood(err)
		}
	}
	switch {
	case e.Schema == 0 && damaged:
		return Entry{}, false, notUnderstood(errors.New("it is damaged"))
	case e.Schema == 0:
		return Entry{}, false, nil
	case e.Schema != e.version():
		return Entry{}, false, notUnderstood(fmt.Errorf("version %d", e.Schema))
	case !livefile.IsKept(e.Kept, j.live) || e.Before == "" || e.After == "":
		return Entry{}, false, notUnderstood(errors.New("it is not whole"))
	}
	return e, true, nil
}

func notUnderstood(err error) error { return fmt.Errorf("%w: %w", ErrNotUnderstood, err) }

// Begin notes what is about to be done, before any of it is. It lasts over a
// kill from here on, over a power cut once Sync has returned.
func (j *Journal) Begin(e Entry) error {
	e.Schema = e.version()
	return j.lock.Append(e)
}

// Sync returns when the journal is on the disk. Where it has to be found after a
// power cut, since the file is not sure to be right without it, names says that
// every name in its folder has to be, too.
func (j *Journal) Sync(names bool) error {
	if !names {
		return j.lock.File.Sync()
	}
	return errors.Join(j.lock.File.Sync(), j.lock.Folder.Sync())
}

// Whole notes that what was put is whole and accepted: nobody has to put the
// old file back any more.
func (j *Journal) Whole() error {
	return j.write(struct {
		Whole bool `json:"whole"`
	}{true})
}

func (j *Journal) write(line any) error {
	return errors.Join(j.lock.Append(line), j.lock.File.Sync())
}

// Forget notes that nothing is under way any more.
func (j *Journal) Forget() error {
	return j.write(struct {
		Schema int `json:"journal"`
	}{0})
}

// Close lets go of the lock and takes the journal away.
func (j *Journal) Close() error { return j.lock.Release() }

// Leave lets go of the lock and leaves the journal to the next run.
func (j *Journal) Leave() error { return j.lock.Leave() }
