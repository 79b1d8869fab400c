package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// Record is one line of history: one switch that was tried, or refused after
// it had begun. What its fields mean stands in examples/json.md.
type Record struct {
	Schema   int             `json:"schema"`
	Time     time.Time       `json:"time"`
	Site     string          `json:"site"`
	Command  string          `json:"command"`
	From     nginxconf.Color `json:"from"`
	To       nginxconf.Color `json:"to"`
	Who      Text            `json:"who"`
	Host     Text            `json:"host"`
	Reason   Text            `json:"reason"`
	Forced   bool            `json:"forced"`
	Restored bool            `json:"restored"`
	Override Text            `json:"override"`
	Overrode []string        `json:"overrode"`
	ReleaseRecord
	Outcome   string       `json:"outcome"`
	Proof     Text         `json:"proof"`
	Error     Text         `json:"error"`
	TookMS    float64      `json:"took_ms"`
	CutOverMS *float64     `json:"cut_over_ms"`
	Steps     []StepRecord `json:"steps"`
	FileRecord
	Others     []FileRecord      `json:"others"`
	Generation *nginx.Generation `json:"generation"`
	Old        []OldWorker       `json:"old_workers"`
	Elsewhere  []Elsewhere       `json:"elsewhere"`
	After      *Hook             `json:"after"`
	Bake       *Bake             `json:"bake"`
}

// ReleaseRecord is what the colors carried.
type ReleaseRecord struct {
	FromRelease Text `json:"from_release"`
	FromSaid    bool `json:"from_said"`
	ToRelease   Text `json:"to_release"`
	ToSaid      bool `json:"to_said"`
	Fled        Text `json:"fled"`
	FledUnread  bool `json:"fled_unread"`
}

// Marked is what was marked as bad, in words; empty: nothing was.
func (r Record) Marked() string {
	switch {
	case r.FledUnread:
		return fmt.Sprintf("what %s carried marked as bad", r.From)
	case r.Fled != "":
		return fmt.Sprintf("%s marked as bad", r.Fled)
	}
	return ""
}

// DrillCommand is how a record names a switch of a drill: it is none in earnest.
const DrillCommand = "drill"

// Drill says whether it was one of a drill.
func (r Record) Drill() bool { return r.Command == DrillCommand }

// OldWorker is one of nginx's that finishes its connections, and the color that
// it passes to; empty where that is not known.
type OldWorker struct {
	nginx.Worker
	Color nginxconf.Color `json:"color"`
}

// Elsewhere is a color that nginx passes to besides what decides: where.
type Elsewhere struct {
	Color nginxconf.Color `json:"color"`
	Value string          `json:"value"`
	Lines []nginx.Passing `json:"lines"`
}

// FileRecord is what a live file was and is, to know it again.
type FileRecord struct {
	Path       Text               `json:"path"`
	HashBefore Text               `json:"hash_before"`
	HashAfter  Text               `json:"hash_after"`
	File       *livefile.Identity `json:"file"`
}

// Files are those of all live files.
func (r Record) Files() []FileRecord { return append([]FileRecord{r.FileRecord}, r.Others...) }

// Hook is what came of the commands that follow a switch.
type Hook struct {
	Outcome string   `json:"outcome"`
	TookMS  *float64 `json:"took_ms"`
	Error   Text     `json:"error"`
}

// How a Hook ended. The record says that it has begun before it has.
const (
	HookBegun  = "begun" // the run was ended before it was through
	HookDone   = "done"
	HookFailed = "failed"
)

// StepRecord is one step of a switch and how long it took.
type StepRecord struct {
	Step   string  `json:"step"`
	TookMS float64 `json:"took_ms"`
	Error  Text    `json:"error"`
}

// RecordSchema is the version of Record; a reader skips lines of a later one.
const RecordSchema = 1

const historyFile = "history.jsonl"

// Append adds a record, or says more of the newest one: of records that began at
// the same time the later one holds. It returns when that is on the disk. A last
// line that was cut off by a crash or a full disk is ended first, so that it
// spoils no other. After an error the records before it are as they were, and this one
// may be there or not. Of a long history the oldest records are cut off. Only
// the holder of the lock may call it.
func (f Folder) Append(record Record) error {
	record.Schema = RecordSchema
	line, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if err := f.Create(); err != nil {
		return err
	}
	return f.publish(func() error { return f.append(line) })
}

func (f Folder) append(line []byte) (err error) {
	folder, err := f.found()
	if err != nil {
		return err
	}
	defer folder.Close()
	file, err := folder.OpenSafe(historyFile, os.O_CREATE|os.O_RDWR|os.O_APPEND)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	torn, err := endsTorn(file)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if torn {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), folder.Sync()); err != nil {
		return err
	}
	_ = trim(folder, file, len(line)) // the record is on the disk; a later one has it tried again
	return nil
}

func endsTorn(file *os.File) (bool, error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	_, err = file.ReadAt(last[:], info.Size()-1)
	return last[0] != '\n', err
}

// Unread is how many lines of a history are no records: torn, too long, or of a
// later version. Any of them may have been a switch.
type Unread int

func (u Unread) String() string {
	if u == 1 {
		return "1 line of the history cannot be read"
	}
	return fmt.Sprintf("%d lines of the history cannot be read", int(u))
}

func (u Unread) err() error {
	if u == 0 {
		return nil
	}
	return errors.New(u.String())
}

// Records gives the records, newest first and one at a time: a history that
// was never trimmed may be larger than the memory there is. Lines that are none
// are skipped, and counted where unread is not nil. An error comes last.
func (f Folder) Records(unread *Unread) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		file, err := f.open(historyFile)
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer file.Close()
		var newer time.Time
		for line, err := range linesFromEnd(file) {
			var record Record
			if err == nil && (json.Unmarshal(line.text, &record) != nil || record.Schema < 1 || record.Schema > RecordSchema) {
				if unread != nil {
					*unread++
				}
				continue
			}
			if err == nil && !newer.IsZero() && record.Time.Equal(newer) {
				continue
			}
			if newer = record.Time; !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Newest is the newest record, as far as it is Known; nil where there is none. A
// history of which nothing can be read is an error.
func (f Folder) Newest() (*Record, error) {
	var unread Unread
	for record, err := range f.Known(&unread) {
		if err != nil {
			return nil, err
		}
		return &record, nil
	}
	return nil, unread.err()
}

// History reads at most limit records (0: all), newest first. Where unread is not
// nil, it counts the lines before their end that are none. A history of which
// nothing can be read is an error.
func (f Folder) History(limit int, unread *Unread) ([]Record, error) {
	var records []Record
	for record, err := range f.Records(unread) {
		if err != nil {
			return nil, err
		}
		if records = append(records, record); len(records) == limit {
			break
		}
	}
	if len(records) == 0 && unread != nil {
		return nil, unread.err()
	}
	return records, nil
}
