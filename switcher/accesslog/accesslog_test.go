package accesslog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/ordinary"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writer writes a log as nginx does: whole lines, at the end of the file that it has open.
type writer struct {
	t    testing.TB
	path string
	open *os.File
	n    int
}

func newWriter(t testing.TB) *writer {
	w := &writer{t: t, path: filepath.Join(t.TempDir(), "access.log")}
	w.reopen()
	t.Cleanup(func() { _ = w.open.Close() })
	return w
}

// reopen is what USR1 has nginx do.
func (w *writer) reopen() {
	w.t.Helper()
	if w.open != nil {
		must(w.t, w.open.Close())
	}
	var err error
	w.open, err = os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(w.t, err)
}

func (w *writer) text(text string) {
	w.t.Helper()
	_, err := w.open.WriteString(text)
	must(w.t, err)
}

// answers are lines with a status, each with a time of its own.
func (w *writer) answers(status, n int) {
	w.t.Helper()
	var text strings.Builder
	for range n {
		w.n++
		fmt.Fprintf(&text, "127.0.0.1 - - [23/Nov/2026:01:%02d:%02d +0000] \"GET /%d HTTP/1.1\" %d 612 \"-\" \"curl/8.5.0\"\n", w.n/60%60, w.n%60, w.n%10, status)
	}
	w.text(text.String())
}

func (w *writer) follow() *Log {
	w.t.Helper()
	l, err := Open(w.path)
	must(w.t, err)
	w.t.Cleanup(l.Close)
	return l
}

func reads(t testing.TB, l *Log, want Counts) {
	t.Helper()
	if got, err := l.Read(); err != nil || got != want {
		t.Errorf("it reads %+v, %v, want %+v", got, err, want)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Counts{
		`127.0.0.1 - - [23/Nov/2026:01:54:52 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8.5.0"`:              {Requests: 1},
		`127.0.0.1 - bob [23/Nov/2026:01:54:52 +0000] "POST /a HTTP/2.0" 502 0 "http://x/" "Mozilla (x)"`:   {Requests: 1, Errors: 1},
		`127.0.0.1 - - [23/Nov/2026:01:54:52 +0000] "\x16\x03\x22 500 " 400 157 "-" "-"`:                    {Requests: 1},
		`127.0.0.1 - - [23/Nov/2026:01:54:52 +0000] "" 400 0 "-" "-" "-"`:                                   {Requests: 1},
		`"shop.example.com" 10.0.0.7 - - [23/Nov/2026:01:54:52 +0000] "GET / HTTP/1.1" 504 1 "-" "-" 0.004`: {Requests: 1, Errors: 1},
		`127.0.0.1 - - [x] "GET / HTTP/1.1" 599`:                                                            {Requests: 1, Errors: 1, Unsigned: 1},
		`127.0.0.1 - - [x] "GET / HTTP/1.1" 499 0`:                                                          {Requests: 1, Unsigned: 1},
		`127.0.0.1 - - [x] "GET / HTTP/1.1" 5000 0`:                                                         {Unknown: 1},
		`127.0.0.1 - - [x] "GET / HTTP/1.1" - 0`:                                                            {Unknown: 1},
		`127.0.0.1 200 GET /`:                                                                               {Unknown: 1},
		`{"time":"2026-11-23T01:54:52+00:00","request":"GET / HTTP/1.1","status":503,"bytes":9}`:            {Requests: 1, Errors: 1, Unsigned: 1},
		`{"status": "200", "agent": "x"}`:                                                                   {Requests: 1},
		`  {"request_uri":"/?\"status\":500","status" : "204"}`:                                             {Requests: 1, Unsigned: 1},
		`{"agent":"status","upstream_status":"500","status":"200"}`:                                         {Requests: 1},
		`{"upstream":{"status":200},"status":502}`:                                                          {Requests: 1, Errors: 1, Unsigned: 1},
		`{"agent":"{\"status\":200","tries":[{"status":200}],"status":502}`:                                 {Requests: 1, Errors: 1},
		`127.0.0.1 - - [x] "GET / HTTP/1.1" 502 0 "-" "bgswitch"`:                                           {Own: 1},
		`127.0.0.1 - - [x] "GET /bgswitch HTTP/1.1" 502 0 "-" "x bgswitch"`:                                 {Requests: 1, Errors: 1},
		`127.0.0.1 - - [x] "GET / HTTP/1.1" 502 0 "-" "\x22bgswitch\x22"`:                                   {Requests: 1, Errors: 1},
		`{"status":502,"agent":"bgswitch"}`:                                                                 {Own: 1},
		`{"status":502,"agent":"\"bgswitch\""}`:                                                             {Requests: 1, Errors: 1},
		`{"upstream":{"status":200}}`:                                                                       {Unknown: 1},
		`{"status":"-"}`:                                                                                    {Unknown: 1},
		`{"code":500}`:                                                                                      {Unknown: 1},
		``:                                                                                                  {},
		" \r":                                                                                               {},
		`127.0.0.1 - - [x] "GET / HTTP/1.1" 200 0` + "\r":                                                   {Requests: 1, Unsigned: 1},
	} {
		var got Counts
		got.count([]byte(line))
		if got != want {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

// What stood there before is not counted, and each line once, whenever it comes.
func TestFollowed(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	w.answers(500, 30)
	l := w.follow()
	reads(t, l, Counts{})
	w.answers(200, 3)
	w.answers(503, 2)
	reads(t, l, Counts{Requests: 5, Errors: 2})
	reads(t, l, Counts{})
	w.answers(500, 4)
	must(t, l.Skip())
	w.answers(200, 1)
	reads(t, l, Counts{Requests: 1})
	w.answers(200, 3000) // more than is read at once
	reads(t, l, Counts{Requests: 3000})
}

// A line counts when its end has come; one whose beginning was not read, never.
func TestTornLines(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	w.text(`127.0.0.1 - - [x] "GET / HTTP/1.1" 5`)
	l := w.follow()
	w.text("00 0\n" + `127.0.0.1 - - [x] "GET / HTTP/1.1" 50`)
	reads(t, l, Counts{})
	w.text("2 0\n" + `127.0.0.1 - - [x] "GET /`)
	reads(t, l, Counts{Requests: 1, Errors: 1, Unsigned: 1})
	w.text(strings.Repeat("x", 3*chunk))
	reads(t, l, Counts{Unknown: 1})
	w.text(` HTTP/1.1" 500 0` + "\n")
	w.answers(200, 1)
	reads(t, l, Counts{Requests: 1})
}

// Renamed, with a new one in its place: nginx writes to the old one until it is
// told to open the new one.
func TestRotatedByRename(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	w.answers(200, 7)
	l := w.follow()
	w.answers(500, 1)
	must(t, os.Rename(w.path, w.path+".1"))
	w.answers(500, 2)
	reads(t, l, Counts{Requests: 3, Errors: 3}) // there is none just now
	must(t, os.WriteFile(w.path, nil, 0o600))
	w.answers(500, 3)
	reads(t, l, Counts{Requests: 3, Errors: 3})
	w.answers(500, 4)
	w.reopen()
	w.answers(200, 5)
	reads(t, l, Counts{Requests: 9, Errors: 4})
	for range 3 * mostKept {
		must(t, os.Rename(w.path, w.path+".1"))
		w.answers(500, 1)
		w.reopen()
		w.answers(200, 2)
		reads(t, l, Counts{Requests: 3, Errors: 1})
	}
	if len(l.files) > mostKept {
		t.Errorf("%d files are open", len(l.files))
	}
}

// One that is not there yet is read from its beginning once it is.
func TestNotThereYet(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	must(t, os.Remove(w.path))
	l := w.follow()
	if !l.Missing() {
		t.Error("it is there")
	}
	must(t, l.Skip())
	reads(t, l, Counts{})
	w.reopen()
	w.answers(500, 3)
	reads(t, l, Counts{Requests: 3, Errors: 3})
}

// Copied and truncated: what is written then is read, whether the file is shorter
// by the time it is looked at or longer than before.
func TestRotatedByTruncation(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"shorter": 3, "as long": 10, "longer": 500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWriter(t)
			w.answers(200, 9)
			l := w.follow()
			w.answers(500, 1)
			reads(t, l, Counts{Requests: 1, Errors: 1})
			must(t, os.Truncate(w.path, 0))
			w.answers(503, more)
			reads(t, l, Counts{Requests: more, Errors: more})
			must(t, os.Truncate(w.path, 0))
			reads(t, l, Counts{})
			w.answers(200, 2)
			reads(t, l, Counts{Requests: 2})
		})
	}
}

// What is not a regular file is not opened, and holds nobody up.
func TestNoLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	if _, err := Open(filepath.Join(path, "access.log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is no folder: %v", err)
	}
	must(t, syscall.Mkfifo(path, 0o600))
	if _, err := Open(path); !errors.Is(err, ordinary.ErrNotOrdinary) {
		t.Errorf("a FIFO: %v", err)
	}
	if _, err := Open("/dev/tty"); !errors.Is(err, ordinary.ErrNotOrdinary) {
		t.Errorf("a device: %v", err)
	}
}

// Ten thousand lines a second are read without falling behind.
func TestKeepsUp(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	l := w.follow()
	const rate, seconds, looks = 10_000, 2, 4
	var all Counts
	var busy time.Duration
	for range seconds * looks {
		w.answers(200, rate/looks)
		began := time.Now()
		counts, err := l.Read()
		busy += time.Since(began)
		must(t, err)
		all.Requests += counts.Requests
	}
	t.Logf("%d lines were read in %s: %.2f %% of a core at %d a second", all.Requests, busy, 100*busy.Seconds()/seconds, rate)
	if all.Requests != rate*seconds {
		t.Errorf("%d lines were read", all.Requests)
	}
	if busy > seconds*time.Second/2 {
		t.Errorf("%d seconds of lines took %s", seconds, busy)
	}
}

func BenchmarkRead(b *testing.B) {
	w := newWriter(b)
	l := w.follow()
	for b.Loop() {
		b.StopTimer()
		w.answers(200, 10_000)
		b.StartTimer()
		if counts, err := l.Read(); err != nil || counts.Requests != 10_000 {
			b.Fatal(counts, err)
		}
	}
}
