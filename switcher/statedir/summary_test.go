package statedir

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/lock"
)

// summarized is the summary as it stands, or nil.
func (f Folder) summarized(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(f.Path + ".status.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return text
}

func siteFolder(t *testing.T) Folder {
	t.Helper()
	f := Of(t.TempDir(), "myapp")
	if err := f.Create(); err != nil {
		t.Fatal(err)
	}
	if err := f.addBlock(t, blockOf(nginxconf.Blue, "why", time.Time{})); err != nil {
		t.Fatal(err)
	}
	if f.summarized(t) == nil {
		t.Fatal("a change leaves no summary")
	}
	return f
}

// Somebody who makes a summary and hangs keeps nobody from making another, and
// leaves none when he goes on: what he read is old by then.
func TestSummaryOfOneWhoHangs(t *testing.T) {
	t.Parallel()
	f := siteFolder(t)
	hangs, err := lock.Take(t.Context(), filepath.Join(f.Path, summaryLock), 0, summaryLock, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := f.summarized(t)
	if err := f.addBlock(t, blockOf(nginxconf.Green, "why", time.Time{})); err != nil {
		t.Fatal(err)
	}
	if after := f.summarized(t); after == nil || bytes.Equal(before, after) {
		t.Errorf("the summary is %q, as before %q", after, before)
	}
	if err := os.WriteFile(f.Path+".status.json", before, 0o644); err != nil { // his rename comes through
		t.Fatal(err)
	}
	if err := f.tell(hangs); err != nil {
		t.Fatal(err)
	}
	if left := f.summarized(t); left != nil {
		t.Errorf("he leaves %q", left)
	}
}

// What a killed run has taken away, or left old, is made anew.
func TestSummaryIsMadeAnew(t *testing.T) {
	t.Parallel()
	f := siteFolder(t)
	whole := f.summarized(t)
	for name, left := range map[string]string{"none": "", "an old one": `{"schema":1}`} {
		if err := os.Remove(f.Path + ".status.json"); err != nil {
			t.Fatal(err)
		}
		if left != "" {
			if err := os.WriteFile(f.Path+".status.json", []byte(left), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Publish(); err != nil {
			t.Fatal(err)
		}
		if got := f.summarized(t); !bytes.Equal(got, whole) {
			t.Errorf("%s: it is %q, want %q", name, got, whole)
		}
	}
	before, err := os.Stat(f.Path + ".status.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Publish(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(f.Path + ".status.json"); err != nil || !os.SameFile(before, after) {
		t.Errorf("what is as it should be is written again, %v", err)
	}
}
