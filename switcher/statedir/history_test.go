package statedir

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

func folder(t *testing.T) Folder {
	t.Helper()
	return Of(t.TempDir(), "myapp")
}

func fileOf(f Folder, name string) string { return filepath.Join(f.Path, name) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func appended(t *testing.T, f Folder, reasons ...string) {
	t.Helper()
	for _, reason := range reasons {
		must(t, f.Append(Record{Reason: Text(reason)}))
	}
}

// wantReasons says which records there are, newest first.
func wantReasons(t *testing.T, f Folder, limit int, want ...string) {
	t.Helper()
	records, err := f.History(limit, nil)
	must(t, err)
	var got []string
	for _, record := range records {
		got = append(got, string(record.Reason))
	}
	if fmt.Sprintf("%.40q", got) != fmt.Sprintf("%.40q", want) {
		t.Fatalf("records %.40q, want %.40q", got, want)
	}
}

func spoil(t *testing.T, f Folder, text string) {
	t.Helper()
	file, err := os.OpenFile(fileOf(f, historyFile), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteString(text)
	must(t, err)
	must(t, file.Close())
}

func TestHistory(t *testing.T) {
	t.Parallel()
	f := folder(t)
	wantReasons(t, f, 0)
	if _, err := os.Lstat(f.Path); !os.IsNotExist(err) {
		t.Errorf("reading made the folder: %v", err)
	}
	appended(t, f, "one", "two", "three")
	wantReasons(t, f, 0, "three", "two", "one")
	wantReasons(t, f, 2, "three", "two")
	wantReasons(t, f, 9, "three", "two", "one")
}

func TestHistorySkipsWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"garbage":          "what is this\n",
		"empty lines":      "\n\n\r\n",
		"NUL bytes":        strings.Repeat("\x00", 500) + "\n",
		"a later version":  `{"schema":2,"reason":"later"}` + "\n",
		"later fields":     `{"schema":2,"reason":{"text":"later"}}` + "\n",
		"no version":       `{"reason":"none"}` + "\n",
		"an older version": `{"schema":0,"reason":"older"}` + "\n",
		"another shape":    "[1]\nnull\n7\n\"text\"\n",
		"cut off":          `{"schema":1,"reason":"tor`,
		"a cut off end":    "\x00\x00\x00",
		"one huge line":    strings.Repeat("x", lineLimit+chunkSize) + "\n",
		"one huge record":  `{"schema":1,"reason":"` + strings.Repeat("x", lineLimit) + `"}` + "\n",
		"huge, cut off":    strings.Repeat("x", 3*lineLimit),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			appended(t, f, "one", "two")
			spoil(t, f, text)
			wantReasons(t, f, 0, "two", "one")
			wantReasons(t, f, 1, "two")
			var unread Unread
			_, err := f.History(0, &unread)
			must(t, err)
			if want := Unread(strings.Count(strings.Trim(text, "\r\n"), "\n") + 1); unread != want {
				t.Errorf("%d lines were not read, want %d", unread, want)
			}
			appended(t, f, "three")
			wantReasons(t, f, 0, "three", "two", "one")
			wantReasons(t, f, 2, "three", "two")
		})
	}
}

func TestHistoryWithoutItsLastNewline(t *testing.T) {
	t.Parallel()
	f := folder(t)
	appended(t, f, "one", "two")
	info, err := os.Stat(fileOf(f, historyFile))
	must(t, err)
	must(t, os.Truncate(fileOf(f, historyFile), info.Size()-1))
	wantReasons(t, f, 0, "two", "one")
	appended(t, f, "three")
	wantReasons(t, f, 0, "three", "two", "one")
}

// Cut off anywhere, as a crash may leave it, the history keeps every line that
// is whole, and takes the next one.
func TestHistoryCutOffAtEveryByte(t *testing.T) {
	t.Parallel()
	f := folder(t)
	appended(t, f, "one", "two")
	whole, err := os.ReadFile(fileOf(f, historyFile))
	must(t, err)
	first := strings.IndexByte(string(whole), '\n')
	for n := first + 1; n < len(whole)-1; n++ {
		must(t, os.WriteFile(fileOf(f, historyFile), whole[:n], 0o600))
		wantReasons(t, f, 0, "one")
		appended(t, f, "three")
		wantReasons(t, f, 0, "three", "one")
	}
}

// More records than any one chunk holds, with ends of lines on every side of
// the chunks' borders.
func TestHistoryReachesFarBack(t *testing.T) {
	t.Parallel()
	f := folder(t)
	must(t, f.Create())
	var text strings.Builder
	var want []string
	for n := 0; text.Len() < 3<<20; n++ {
		reason := fmt.Sprintf("%d %s", n, strings.Repeat("r", n*37%5000))
		fmt.Fprintf(&text, "{\"schema\":1,\"reason\":%q}\n", reason)
		want = append([]string{reason}, want...)
	}
	must(t, os.WriteFile(fileOf(f, historyFile), []byte(text.String()), 0o600))
	for _, limit := range []int{0, 1, len(want) - 1, len(want)} {
		records, err := f.History(limit, nil)
		must(t, err)
		n := limit
		if limit == 0 {
			n = len(want)
		}
		if len(records) != n {
			t.Fatalf("%d records for limit %d, want %d", len(records), limit, n)
		}
		for i, record := range records {
			if string(record.Reason) != want[i] {
				t.Fatalf("record %d is %.20q, want %.20q", i, record.Reason, want[i])
			}
		}
	}
}

func TestHistoryLinesAtTheBorders(t *testing.T) {
	t.Parallel()
	for _, length := range []int{chunkSize - 1, chunkSize, chunkSize + 1, 2*chunkSize - 1, 2 * chunkSize} {
		f := folder(t)
		must(t, f.Create())
		line := func(reason string) string { return `{"schema":1,"reason":"` + reason + `"}` + "\n" }
		last := line(strings.Repeat("r", length-len(line(""))))
		must(t, os.WriteFile(fileOf(f, historyFile), []byte(line("one")+last), 0o600))
		records, err := f.History(0, nil)
		must(t, err)
		if len(records) != 2 || records[1].Reason != "one" {
			t.Errorf("a line of %d bytes: %d records", length, len(records))
		}
	}
}

// A disk that fills up in the middle of a line: a limit on the size of files
// (setrlimit(2), RLIMIT_FSIZE) cuts the write off in the same way, without any
// rights. It holds for the process, so it has one of its own.
func TestAppendThatStopsHalfWay(t *testing.T) {
	t.Parallel()
	if !rightstest.Inside(t, &syscall.SysProcAttr{}) {
		return
	}
	f := folder(t)
	appended(t, f, "one")
	info, err := os.Stat(fileOf(f, historyFile))
	must(t, err)
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(info.Size()) + 20, Max: before.Max}))
	for range 3 {
		if f.Append(Record{Reason: "too much"}) == nil {
			t.Fatal("a record was written beyond the limit")
		}
		wantReasons(t, f, 0, "one")
	}
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before))
	appended(t, f, "two")
	wantReasons(t, f, 0, "two", "one")
}

func TestAppendOnAFullDisk(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	disk := t.TempDir()
	must(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	f := Of(disk, "myapp")
	appended(t, f, "one")
	filler, err := os.Create(filepath.Join(disk, "filler"))
	must(t, err)
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	must(t, filler.Close())
	record := Record{Reason: Text(strings.Repeat("r", 5000))} // more than the rest of the page
	for range 2 {
		if f.Append(record) == nil {
			t.Fatal("a record was written on a full disk")
		}
		wantReasons(t, f, 0, "one")
	}
	held, err := f.TryLock("verify.lock")
	must(t, err) // a full disk keeps nobody from the lock
	must(t, held.Release())
	must(t, os.Remove(filler.Name()))
	appended(t, f, "two")
	wantReasons(t, f, 0, "two", "one")
}

// A line as it was written before every field was always there.
func TestEarlierLinesAreRead(t *testing.T) {
	t.Parallel()
	f := folder(t)
	must(t, f.Create())
	line := `{"schema":1,"time":"2026-11-23T00:53:54Z","site":"a","command":"to","from":"","to":"green","who":"alice","host":"h","outcome":"done","took_ms":26.9,` +
		`"steps":[{"step":"read the live file","took_ms":1}],"hash_before":"x","hash_after":"","generation":{"master":1,"master_start":2,"workers":[3],"newest_start":4,"handover":"fast"}}`
	must(t, os.WriteFile(filepath.Join(f.Path, historyFile), []byte(line+"\n"), 0o600))
	appended(t, f, "now")
	records, err := f.History(0, nil)
	must(t, err)
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	r := records[1]
	if r.From != "" || r.To != "green" || r.Proof != "" || r.CutOverMS != nil || r.HashBefore != "x" || r.Generation.Handover != "fast" || len(r.Steps) != 1 {
		t.Errorf("read %+v", r)
	}
}

// Of records that began at the same time the later one holds: it says more.
func TestTheLaterRecordHolds(t *testing.T) {
	t.Parallel()
	f := Folder{filepath.Join(t.TempDir(), "state")}
	began := time.Date(2026, 11, 23, 1, 53, 54, 7, time.UTC)
	for i, r := range []Record{
		{Time: began.Add(-time.Hour), Who: "first"},
		{Time: began, Who: "begun", After: &Hook{Outcome: HookBegun}}, {Time: began, Who: "done", After: &Hook{Outcome: HookDone}},
		{Time: began.Add(time.Hour), Who: "last"},
	} {
		if err := f.Append(r); err != nil {
			t.Fatal(i, err)
		}
	}
	records, err := f.History(0, nil)
	var who []string
	for _, r := range records {
		who = append(who, string(r.Who))
	}
	if err != nil || !slices.Equal(who, []string{"last", "done", "first"}) {
		t.Errorf("%v, %v", who, err)
	}
}
