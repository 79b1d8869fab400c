// Package journal keeps, beside each live file, what the next run must know if
// this one is killed. The journal's file is also the lock of the live file:
// whoever holds it is the only one who switches that file, from whatever state
// folder, by whatever path. It is there only while somebody is at work, or
// after he was killed.
package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/lock"
)

// The versions of an Entry: a program that does not know one leaves it alone.
const (
	schema     = 1
	linkSchema = 2 // of a link, which the first would take for the file that it leads to
	setSchema  = 3 // of one of several files, which those before would judge alone
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

	// With are all files that are switched together, this one among them, in the
	// order of their paths. Whether they are whole is said by the first one's
	// journal alone, and it is the last to be forgotten: where it tells nothing of
	// them, nothing has to be put back.
	With []Place `json:"with,omitempty"`
}

func (e Entry) version() int {
	switch {
	case len(e.With) > 0:
		return setSchema
	case e.Link:
		return linkSchema
	}
	return schema
}

// Journal is the lock of a live file that is held, and its journal.
type Journal struct {
	Place
	lock  *lock.Lock
	whole int64 // how long it was before that was noted; 0: it was not
}

// Place is where the journal of a live file stands, and where old and new files
// are kept.
type Place struct {
	Folder string `json:"folder"`
	Live   string `json:"live"`
}

// Path is that of the journal.
func (p Place) Path() string { return livefile.Beside(p.Folder, p.Live, "journal") }

// Take takes the lock of a live file. The errors are those of lock.Take.
func Take(ctx context.Context, p Place, wait time.Duration, command string, tell func(lock.Holder)) (*Journal, error) {
	taken, err := lock.Take(ctx, p.Path(), wait, command, tell)
	if err != nil {
		return nil, err
	}
	return &Journal{Place: p, lock: taken}, nil
}

// Held says who switches a live file now: see lock.Held.
func Held(p Place) (lock.Holder, bool, error) { return lock.Held(p.Path()) }

// CutOff is Left for who only looks, and takes nothing. What cannot be read is not
// found, nor what somebody has under way. Of several files that are switched
// together, Whole is what the first one's journal says.
func (p Place) CutOff() (e Entry, found bool) {
	if e, found = p.look(); !found {
		return Entry{}, false
	}
	if _, held, err := Held(p); held || err != nil {
		return Entry{}, false
	}
	again, found := p.look() // else its holder has just gone
	return again, found && again.Kept == e.Kept
}

func (p Place) look() (e Entry, found bool) {
	lines, damaged, err := lock.Look(p.Path())
	if err != nil {
		return Entry{}, false
	}
	if e, found, err = p.entry(lines, damaged); err != nil || !found {
		return Entry{}, false
	}
	if len(e.With) > 0 && e.With[0] != p {
		first, tells := e.With[0].look()
		e.Whole = !tells || first.Whole || !slices.Equal(first.With, e.With)
	}
	return e, true
}

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
	return j.entry(lines, damaged)
}

// Tells says whether the next run has to read it: a killed one had left something.
func (j *Journal) Tells() bool {
	_, found, err := j.Left()
	return found || err != nil || j.WasHooked()
}

func (p Place) entry(lines [][]byte, damaged bool) (e Entry, found bool, err error) {
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
	case !livefile.IsKept(e.Kept, p.Live) || e.Before == "" || e.After == "" || !p.isAmong(e):
		return Entry{}, false, notUnderstood(errors.New("it is incomplete"))
	}
	return e, true, nil
}

// isAmong says whether the entry is of one file, or of several, this one among
// them.
func (p Place) isAmong(e Entry) bool {
	if len(e.With) == 0 {
		return true
	}
	for i := range len(e.With) - 1 {
		if e.With[i].compare(e.With[i+1]) >= 0 {
			return false
		}
	}
	return len(e.With) > 1 && slices.Contains(e.With, p)
}

func (p Place) compare(other Place) int { return cmp.Compare(p.Live, other.Live) }

func notUnderstood(err error) error { return fmt.Errorf("%w: %w", ErrNotUnderstood, err) }

// Begin notes what is about to be done, before any of it is. It lasts over a
// kill from here on, over a power cut once Sync has returned.
func (j *Journal) Begin(e Entry) error {
	e.Schema, j.whole = e.version(), 0
	return j.lock.Append(e)
}

// hooked says that a command of the operator's had begun, and that nobody has
// been told yet what it may have left.
type hooked struct {
	Hooked bool `json:"hooked"`
}

// Hooked notes it, or that it is over. It lasts over a kill.
func (j *Journal) Hooked(is bool) error { return j.lock.Append(hooked{is}) }

// WasHooked says whether a killed run had noted it, or the one that holds the
// lock. It takes nothing.
func (p Place) WasHooked() bool {
	var left hooked
	lines, _, _ := lock.Look(p.Path()) // one that cannot be read says nothing
	for _, line := range lines {
		_ = json.Unmarshal(line, &left)
	}
	return left.Hooked
}

// Sync returns when the journal is on the disk.
func (j *Journal) Sync() error { return j.lock.File.Sync() }

// SyncNames returns when every name in its folder is: its own, too.
func (j *Journal) SyncNames() error { return j.lock.Folder.Sync() }

// Whole notes that what was put is whole and accepted: nobody has to put the
// old file back any more.
func (j *Journal) Whole() error {
	info, err := j.lock.File.Stat()
	if err != nil {
		return err
	}
	j.whole = info.Size()
	return j.write(struct {
		Whole bool `json:"whole"`
	}{true})
}

// NotWhole takes that back. It needs no space on the disk.
func (j *Journal) NotWhole() error {
	if j.whole == 0 {
		return nil
	}
	return errors.Join(j.lock.File.Truncate(j.whole), j.lock.File.Sync())
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
