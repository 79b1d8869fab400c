package statedir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/trust"
)

// summary is what everybody may know of what is kept of a site. It stands beside the
// site's folder, which is its owner's alone, and is as true as what stands in there:
// it is taken away before that changes, and made anew afterwards. Whoever is killed
// between the two leaves others without an answer, and never with an old one.
type summary struct {
	Schema  int                        `json:"schema"`
	Records []Record                   `json:"records"` // newest first
	Files   map[string]json.RawMessage `json:"files"`   // those of published that there are
}

const (
	summarySchema  = 1
	summaryRecords = 20          // at least, where there are so many
	summaryWait    = time.Second // for another one who changes what is kept
	summaryLock    = "summary.lock"
)

// FledFile holds the releases that were left for they were bad.
const FledFile = "fled.json"

// What everybody may know. A thing is read into one of these and written again: there
// is no place in them for who did something and why, or for what anybody said.
type (
	publicRecord struct {
		Schema      int               `json:"schema"`
		Time        time.Time         `json:"time"`
		Site        string            `json:"site"`
		Command     string            `json:"command"`
		From        nginxconf.Color   `json:"from"`
		To          nginxconf.Color   `json:"to"`
		Forced      bool              `json:"forced"`
		Restored    bool              `json:"restored"`
		FromRelease Text              `json:"from_release"`
		FromSaid    bool              `json:"from_said"`
		ToRelease   Text              `json:"to_release"`
		ToSaid      bool              `json:"to_said"`
		Outcome     string            `json:"outcome"`
		Proof       Text              `json:"proof"`
		TookMS      float64           `json:"took_ms"`
		CutOverMS   *float64          `json:"cut_over_ms"`
		Steps       []publicStep      `json:"steps"`
		Others      []FileRecord      `json:"others"`
		Generation  *nginx.Generation `json:"generation"`
		Old         []OldWorker       `json:"old_workers"`
		Bake        *publicBake       `json:"bake"`
		FileRecord
	}
	publicStep struct {
		Step   string  `json:"step"`
		TookMS float64 `json:"took_ms"`
	}
	publicBake struct {
		Outcome string    `json:"outcome"`
		Until   time.Time `json:"until"`
		TookMS  *float64  `json:"took_ms"`
	}
	publicDrill struct {
		Time      time.Time       `json:"time"`
		From      nginxconf.Color `json:"from"`
		To        nginxconf.Color `json:"to"`
		Live      bool            `json:"live"`
		Outcome   string          `json:"outcome"`
		Rate      int             `json:"rate"`
		Requests  int             `json:"requests"`
		Failed    int             `json:"failed"`
		There     *Leg            `json:"there"`
		Back      *Leg            `json:"back"`
		WayBackMS *float64        `json:"way_back_ms"`
	}
	publicDrills struct {
		Schema int          `json:"schema"`
		Begun  *publicDrill `json:"begun"`
		Last   *publicDrill `json:"last"`
	}
	publicTime struct {
		Time time.Time `json:"time"`
	}
	publicBlocks struct {
		Schema int `json:"schema"`
		Blocks []struct {
			Color  nginxconf.Color `json:"color"`
			Time   time.Time       `json:"time"`
			Until  Moment          `json:"until"`
			Lifted *publicTime     `json:"lifted"`
		} `json:"blocks"`
	}
	publicFled struct {
		Schema int `json:"schema"`
		Fled   []struct {
			Release Text            `json:"release"`
			Unread  bool            `json:"unread"`
			Color   nginxconf.Color `json:"color"`
			Time    time.Time       `json:"time"`
		} `json:"fled"`
	}
)

// published are the files of the folder that a summary tells of, beside the history.
var published = map[string]func() any{
	blocksFile: func() any { return new(publicBlocks) },
	drillFile:  func() any { return new(publicDrills) },
	FledFile:   func() any { return new(publicFled) },
}

// publicly gives of a thing what has a place in another.
func publicly(text []byte, public any) ([]byte, error) {
	if err := json.Unmarshal(text, public); err != nil {
		return nil, err
	}
	return json.Marshal(public)
}

// publish makes a change of what is kept, and lets everybody know what he may. That
// this cannot be keeps nobody from the change: nothing is known then.
func (f Folder) publish(change func() error) error {
	held, unlocked := f.lockSummary()
	_ = f.withdraw()
	err := change()
	if unlocked == nil {
		_ = f.tell(held)
	}
	return err
}

// lockSummary waits for another one who changes what is kept, and takes the lock from
// one who hangs.
func (f Folder) lockSummary() (*lock.Lock, error) {
	path := filepath.Join(f.Path, summaryLock)
	held, err := lock.Take(context.Background(), path, summaryWait, summaryLock, nil)
	if lock.IsBusy(err) {
		if err = lock.Expel(path); err == nil {
			held, err = lock.Take(context.Background(), path, 0, summaryLock, nil)
		}
	}
	return held, err
}

// tell makes the summary anew, and lets go. Who has lost the lock meanwhile may have
// read what is old by now, and leaves none.
func (f Folder) tell(held *lock.Lock) error {
	err := f.summarize()
	if held.Lost() {
		err = errors.Join(err, f.withdraw())
	}
	return errors.Join(err, held.Release())
}

// Publish makes the summary anew where it is not what it should be: whoever was to do
// it may have been killed. Who may not read the folder, or not write beside it, gets
// an error.
func (f Folder) Publish() error {
	text, err := f.publicText()
	if err != nil {
		return err
	}
	if is, err := f.told(); err == nil && bytes.Equal(is, text) {
		return nil
	}
	return f.publish(func() error { return nil })
}

// beside is the folder that the site's stands in, and the summary's name there. A
// site's name ends in no .json.
func (f Folder) beside() (above trust.Folder, name string, err error) {
	above, err = safe(trust.OpenFolder(filepath.Dir(f.Path)))
	return above, filepath.Base(f.Summary()), err
}

// Summary is the path of what everybody may know.
func (f Folder) Summary() string { return f.Path + ".status.json" }

// withdraw returns when no summary is on the disk.
func (f Folder) withdraw() error {
	above, name, err := f.beside()
	if err != nil {
		return err
	}
	defer above.Close()
	if _, err := above.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(above.Remove(name), above.Sync())
}

func (f Folder) summarize() error {
	text, err := f.publicText()
	if err != nil {
		return err
	}
	above, name, err := f.beside()
	if err != nil {
		return err
	}
	defer above.Close()
	return replace(above, name, func(file *os.File) error {
		_, err := file.Write(text)
		return errors.Join(err, file.Chmod(0o644))
	})
}

// publicText is the summary of what is kept now.
func (f Folder) publicText() ([]byte, error) {
	s := summary{Schema: summarySchema, Files: map[string]json.RawMessage{}}
	for name, public := range published {
		var kept json.RawMessage
		found, err := f.load(name, loadLimit, &kept)
		if err == nil && found {
			s.Files[name], err = publicly(kept, public())
		}
		if err != nil {
			return nil, err
		}
	}
	var err error
	if s.Records, err = f.publicRecords(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err == nil && len(text) >= loadLimit {
		err = fmt.Errorf("the summary of %s would be larger than %d bytes", f.Path, loadLimit)
	}
	return append(text, '\n'), err
}

// publicRecords are the newest, and of the older ones the first that tells what nginx
// was given, or that this is not known, and the first that was done.
func (f Folder) publicRecords() (list []Record, err error) {
	told, done := false, false
	for r, err := range f.Records(nil) {
		if err != nil {
			return nil, err
		}
		tells, isDone := r.Generation != nil || r.Proof != "" || r.Outcome == "stuck", r.Outcome == "done"
		if len(list) < summaryRecords || tells && !told || isDone && !done {
			public, err := r.public()
			if err != nil {
				return nil, err
			}
			list = append(list, public)
		}
		told, done = told || tells, done || isDone
		if told && done && len(list) >= summaryRecords {
			break
		}
	}
	return list, nil
}

func (r Record) public() (public Record, err error) {
	text, err := json.Marshal(r)
	if err == nil {
		text, err = publicly(text, new(publicRecord))
	}
	if err == nil {
		err = json.Unmarshal(text, &public)
	}
	return public, err
}

// told is the summary as it stands. Nothing is believed that others than root, or who
// asks, could have written.
func (f Folder) told() ([]byte, error) {
	above, name, err := f.beside()
	if err != nil {
		return nil, err
	}
	defer above.Close()
	file, err := above.OpenSafe(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ordinary.ReadAll(file, loadLimit)
}

// toAll is the summary, where an error says that who asks may not read the folder
// itself.
func (f Folder) toAll(closed error) *summary {
	if !errors.Is(closed, fs.ErrPermission) {
		return nil
	}
	var s summary
	text, err := f.told()
	if err != nil || json.Unmarshal(text, &s) != nil || s.Schema != summarySchema {
		return nil
	}
	return &s
}

// loadPublic is Load for who may not read the folder.
func (f Folder) loadPublic(name string, closed error, value any) (found bool, err error) {
	s := f.toAll(closed)
	if s == nil || published[name] == nil {
		return false, closed
	}
	text, found := s.Files[name]
	if !found {
		return false, nil
	}
	if err := json.Unmarshal(text, value); err != nil {
		return false, fmt.Errorf("the summary of %s: %w", f.Path, err)
	}
	return true, nil
}

// Known are the records as far as who asks may know them: where he may not read the
// history, the newest ones, without who and why.
func (f Folder) Known(unread *Unread) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for record, err := range f.Records(unread) {
			if s := f.toAll(err); s != nil {
				for _, record := range s.Records {
					if !yield(record, nil) {
						return
					}
				}
				return
			}
			if !yield(record, err) {
				return
			}
		}
	}
}
