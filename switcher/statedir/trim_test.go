package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// grown makes a history of records that are numbered from 0 on, each of about
// so many bytes.
func grown(t *testing.T, f Folder, records, bytes int) {
	t.Helper()
	must(t, f.Create())
	var text strings.Builder
	for n := range records {
		fmt.Fprintf(&text, "{\"schema\":1,\"reason\":\"%d\",\"error\":%q}\n", n, strings.Repeat("e", bytes))
	}
	must(t, os.WriteFile(fileOf(f, historyFile), []byte(text.String()), 0o600))
}

// looked appends a record that is long enough for somebody to look how many
// there are.
func looked(t *testing.T, f Folder) {
	t.Helper()
	must(t, f.Append(Record{Reason: "newest", Error: Text(strings.Repeat("e", lookEvery))}))
}

// wantNewest says that the newest record and so many before it are there, with
// no gap, and nothing beside the history.
func wantNewest(t *testing.T, f Folder, grown, want int) {
	t.Helper()
	records, err := f.History(0, nil)
	must(t, err)
	if len(records) != want || records[0].Reason != "newest" {
		t.Fatalf("%d records, the newest is %.20q; want %d", len(records), records[0].Reason, want)
	}
	for i, record := range records[1:] {
		if string(record.Reason) != fmt.Sprint(grown-1-i) {
			t.Fatalf("record %d is %q, want %d", i+1, record.Reason, grown-1-i)
		}
	}
}

func wantFiles(t *testing.T, f Folder, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(f.Path)
	must(t, err)
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("in the folder: %v, want %v", got, want)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ records, bytes, want int }{
		"a few":               {100, 1000, 101},
		"not a quarter over":  {12_000, 1000, 12_001},
		"too many":            {13_000, 1000, keptRecords},
		"not too many bytes":  {180, 100 << 10, 181},
		"too many bytes":      {240, 100 << 10, 162},
		"one for every chunk": {400, chunkSize, 252},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			grown(t, f, test.records, test.bytes)
			must(t, os.Chmod(fileOf(f, historyFile), 0o640))
			looked(t, f)
			wantNewest(t, f, test.records, test.want)
			wantFiles(t, f, historyFile)
			info, err := os.Stat(fileOf(f, historyFile))
			must(t, err)
			if info.Size() > keptBytes+keptBytes/4 || info.Mode().Perm() != 0o640 {
				t.Errorf("%d bytes, mode %o", info.Size(), info.Mode().Perm())
			}
			appended(t, f, "one more")
			if records, err := f.History(1, nil); err != nil || records[0].Reason != "one more" {
				t.Errorf("the next record is not there: %v", err)
			}
		})
	}
}

// What keeps the history from being cut keeps no record from being written.
func TestHistoryThatCannotBeCut(t *testing.T) {
	t.Parallel()
	const records = 13_000
	temporary := "." + historyFile + ".new"
	t.Run("a killed run left its file", func(t *testing.T) {
		t.Parallel()
		f := folder(t)
		grown(t, f, records, 1000)
		must(t, os.WriteFile(fileOf(f, temporary), []byte(strings.Repeat("left\n", 1<<20)), 0o600))
		looked(t, f)
		wantNewest(t, f, records, keptRecords)
		wantFiles(t, f, historyFile)
	})
	t.Run("its name is taken", func(t *testing.T) {
		t.Parallel()
		f := folder(t)
		grown(t, f, records, 1000)
		must(t, os.MkdirAll(filepath.Join(fileOf(f, temporary), "full"), folderMode))
		looked(t, f)
		wantNewest(t, f, records, records+1)
		must(t, os.RemoveAll(fileOf(f, temporary)))
		looked(t, f)
		if got, err := f.History(0, nil); err != nil || len(got) != keptRecords {
			t.Errorf("%d records after all, %v", len(got), err)
		}
	})
}

func TestHistoryThatCannotBeCutOnAFullDisk(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	const records = 13_000
	disk := t.TempDir()
	must(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=16m"))
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	f := Of(disk, "myapp")
	grown(t, f, records, 1000)
	looked(t, f)
	wantNewest(t, f, records, records+1)
	wantFiles(t, f, historyFile)
}

func TestRecordsAreReadOneAtATime(t *testing.T) {
	t.Parallel()
	f := folder(t)
	for range f.Records(nil) {
		t.Error("a record without a history")
	}
	appended(t, f, "one", "two", "three")
	var got []string
	for record, err := range f.Records(nil) {
		must(t, err)
		if got = append(got, string(record.Reason)); len(got) == 2 {
			break
		}
	}
	if fmt.Sprint(got) != "[three two]" {
		t.Errorf("read %v", got)
	}
	must(t, errors.Join(os.Remove(fileOf(f, historyFile)), unix.Mkfifo(fileOf(f, historyFile), 0o600)))
	for _, err := range f.Records(nil) {
		if !errors.Is(err, trust.ErrUnsafe) {
			t.Errorf("of a fifo: %v", err)
		}
	}
}
