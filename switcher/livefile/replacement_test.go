package livefile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestPutAndPutBack(t *testing.T) {
	t.Parallel()
	for name, byLink := range map[string]bool{"exchange": false, "by link": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := live(t)
			r := linked(New(old, []byte(green), false, ""), byLink)
			must(t, r.Prepare())
			wantContent(t, old.Path, blue)
			must(t, r.Put())
			wantContent(t, old.Path, green)
			wantContent(t, r.Kept, blue)
			if base := filepath.Base(r.Kept); !strings.HasPrefix(base, ".") {
				t.Errorf("the old file is kept as %s: an include pattern can match it", base)
			}
			if now := read(t, old.Path); now.stat.Ino != r.made.Ino {
				t.Error("what stands there is not the file that was made")
			}
			must(t, r.Restore())
			back := read(t, old.Path)
			if back.stat.Ino != old.stat.Ino || string(back.Bytes) != blue {
				t.Error("what came back is not the old file")
			}
			wantAlone(t, old.Path)
			must(t, errors.Join(r.Notes...))
		})
	}
}

func TestForgetKeepsTheNewFile(t *testing.T) {
	t.Parallel()
	for name, byLink := range map[string]bool{"exchange": false, "by link": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := linked(New(live(t), []byte(green), false, ""), byLink)
			must(t, errors.Join(r.Prepare(), r.Put(), r.Forget()))
			wantContent(t, r.Old.Path, green)
			wantAlone(t, r.Old.Path)
		})
	}
}

func TestLinkInSitesEnabledStays(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	available, enabled := filepath.Join(folder, "sites-available"), filepath.Join(folder, "sites-enabled")
	must(t, errors.Join(os.Mkdir(available, 0o755), os.Mkdir(enabled, 0o755)))
	target := write(t, filepath.Join(available, "app"), blue)
	link := filepath.Join(enabled, "app")
	must(t, os.Symlink("../sites-available/app", link))
	r := prepared(t, read(t, link))
	must(t, r.Put())
	if to, err := os.Readlink(link); err != nil || to != "../sites-available/app" {
		t.Errorf("the link leads to %q (%v)", to, err)
	}
	wantContent(t, target, green)
	wantAlone(t, link)
	must(t, r.Restore())
	wantContent(t, target, blue)
}

func TestHardLinkIsRefused(t *testing.T) {
	t.Parallel()
	path := live(t).Path
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.Link(path, other))
	r := New(read(t, path), []byte(green), false, "")
	err := r.Prepare()
	wantErr(t, err, ErrHardLink)
	if !strings.Contains(err.Error(), "ln -s") {
		t.Errorf("no advice in %q", err)
	}
	wantContent(t, path, blue)
	wantAlone(t, path)
}

func TestLongNames(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), strings.Repeat("n", 255)), blue)
	r := linked(New(read(t, path), []byte(green), false, ""), true)
	must(t, errors.Join(r.Prepare(), r.Put(), r.Restore()))
	wantContent(t, path, blue)
	wantAlone(t, path)
}

const edit = "# by hand\n" + blue

// Every way in which somebody else can get in between.
var edits = map[string]func(path string) error{
	"written": func(p string) error { return os.WriteFile(p, []byte(edit), 0o644) },
	"replaced": func(p string) error {
		return errors.Join(os.WriteFile(p+".hand", []byte(edit), 0o644), os.Rename(p+".hand", p))
	},
}

func TestEditBeforePutIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			must(t, change(r.Old.Path))
			wantErr(t, r.Put(), ErrChanged)
			wantContent(t, r.Old.Path, edit)
			wantAlone(t, r.Old.Path)
		})
	}
}

func TestOtherChangesBeforePutAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"mode":    func(p string) error { return os.Chmod(p, 0o600) },
		"link":    func(p string) error { return os.Link(p, p+".link") },
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			must(t, change(r.Old.Path))
			wantErr(t, r.Put(), ErrChanged)
			if left := left(t, r.Old.Path); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestLinkThatLeadsElsewhereBeforePut(t *testing.T) {
	t.Parallel()
	old, other := live(t), live(t)
	link := filepath.Join(t.TempDir(), "app")
	must(t, os.Symlink(old.Path, link))
	r := prepared(t, read(t, link))
	must(t, errors.Join(os.Remove(link), os.Symlink(other.Path, link)))
	wantErr(t, r.Put(), ErrChanged)
	wantContent(t, old.Path, blue)
	wantContent(t, other.Path, blue)
}

// The moment between the last look and the exchange cannot be met from
// outside: the parts after the look are called here by themselves.
func TestEditInTheMomentOfTheExchange(t *testing.T) {
	t.Parallel()
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			must(t, change(r.Old.Path))
			folder, err := os.Open(filepath.Dir(r.Old.Path))
			must(t, err)
			defer folder.Close()
			wantErr(t, r.swap(folder), ErrChanged)
			must(t, r.takeOut(folder))
			wantContent(t, r.Old.Path, edit)
			wantAlone(t, r.Old.Path)
		})
	}
}

func TestTwoEditsInTheMomentOfTheExchange(t *testing.T) {
	t.Parallel()
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			write(t, r.Old.Path, "first")
			folder, err := os.Open(filepath.Dir(r.Old.Path))
			must(t, err)
			defer folder.Close()
			wantErr(t, r.swap(folder), ErrChanged)
			must(t, change(r.Old.Path))
			err = r.takeOut(folder)
			wantErr(t, err, ErrChanged)
			_, kept, _ := strings.Cut(err.Error(), " is in ")
			wantContent(t, r.Old.Path, "first")
			wantContent(t, kept, edit)
			must(t, leftBy(r, r.Kept).Sweep())
			wantContent(t, kept, edit)
		})
	}
}

func TestEditAfterPutIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			must(t, r.Put())
			must(t, change(r.Old.Path))
			wantErr(t, r.Restore(), ErrChanged)
			wantContent(t, r.Old.Path, edit)
			wantContent(t, r.Kept, blue)
		})
	}
}

func TestEditInTheMomentOfPutBack(t *testing.T) {
	t.Parallel()
	for name, change := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			must(t, r.Put())
			must(t, change(r.Old.Path))
			wantErr(t, r.exchangeBack(), ErrChanged)
			wantContent(t, r.Old.Path, edit)
			wantContent(t, r.Kept, blue)
		})
	}
}

func TestPutBackAfterMoreThanOneCame(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, r *Replacement){
		"nothing was put":     func(*testing.T, *Replacement) {},
		"put":                 func(t *testing.T, r *Replacement) { must(t, r.Put()) },
		"put back by hand":    func(t *testing.T, r *Replacement) { must(t, r.Put()); write(t, r.Old.Path, blue) },
		"the old one is lost": func(t *testing.T, r *Replacement) { must(t, errors.Join(r.Put(), os.Remove(r.Kept))) },
		"the old one is spoiled": func(t *testing.T, r *Replacement) {
			must(t, r.Put())
			write(t, r.Kept, "spoiled")
		},
		"the new one was written anew": func(t *testing.T, r *Replacement) {
			must(t, r.Put())
			must(t, os.Remove(r.Old.Path))
			write(t, r.Old.Path, green)
		},
		"another mode": func(t *testing.T, r *Replacement) { must(t, errors.Join(r.Put(), os.Chmod(r.Old.Path, 0o600))) },
	}
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			before(t, r)
			must(t, r.Restore())
			must(t, r.Restore()) // again does no harm
			wantContent(t, r.Old.Path, blue)
			if name == "the old one is spoiled" { // somebody wrote that
				_, kept, _ := strings.Cut(errors.Join(r.Notes...).Error(), " is in ")
				wantContent(t, kept, "spoiled")
				must(t, os.Remove(kept))
			}
			wantAlone(t, r.Old.Path)
			if mode := read(t, r.Old.Path).Mode(); mode != 0o644 {
				t.Errorf("mode %o", mode)
			}
		})
	}
}

func TestLostBeforePut(t *testing.T) {
	t.Parallel()
	r := prepared(t, live(t))
	must(t, os.Remove(r.Kept))
	wantErr(t, r.Put(), os.ErrNotExist)
	wantContent(t, r.Old.Path, blue)
	wantAlone(t, r.Old.Path)
}

// What was written through a descriptor that was opened before the exchange is
// in the old file: it is not removed with that.
func TestEditOfTheOldFileIsKept(t *testing.T) {
	t.Parallel()
	r := prepared(t, live(t))
	editor, err := os.OpenFile(r.Old.Path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	defer editor.Close()
	must(t, r.Put())
	_, err = editor.WriteString("# mine\n")
	must(t, err)
	err = r.Forget()
	wantErr(t, err, ErrChanged)
	_, kept, _ := strings.Cut(err.Error(), " is in ")
	wantContent(t, kept, blue+"# mine\n")
	wantContent(t, r.Old.Path, green)
}

// Without the old file there is nothing to exchange with: it is written anew,
// and never over an edit.
func TestEditAfterPutWhereTheOldFileIsLost(t *testing.T) {
	t.Parallel()
	r := prepared(t, live(t))
	must(t, r.Put())
	must(t, os.Remove(r.Kept))
	write(t, r.Old.Path, edit)
	wantErr(t, r.Restore(), ErrChanged)
	wantContent(t, r.Old.Path, edit)
}

// An old file that somebody has written to is written anew, and his is kept.
func TestPutBackPastAnEditOfTheOldFile(t *testing.T) {
	t.Parallel()
	r := prepared(t, live(t))
	must(t, r.Put())
	write(t, r.Kept, edit)
	must(t, r.Restore())
	wantContent(t, r.Old.Path, blue)
	if len(r.Notes) != 1 || !errors.Is(r.Notes[0], ErrChanged) {
		t.Fatalf("notes %v", r.Notes)
	}
	_, kept, _ := strings.Cut(r.Notes[0].Error(), " is in ")
	wantContent(t, kept, edit)
}

func TestSweepTakesNobodysEdit(t *testing.T) {
	t.Parallel()
	r := prepared(t, live(t))
	must(t, r.Put())
	write(t, r.Kept, edit)
	err := leftBy(r, r.Kept).Sweep()
	wantErr(t, err, ErrChanged)
	_, kept, _ := strings.Cut(err.Error(), " is in ")
	wantContent(t, kept, edit)
}

func TestPutBackLeftover(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		after func(t *testing.T, r *Replacement)
		back  bool
		want  string
		fails bool
	}{
		"killed before Put":          {func(*testing.T, *Replacement) {}, false, blue, false},
		"killed after Put":           {func(t *testing.T, r *Replacement) { must(t, r.Put()) }, true, blue, false},
		"killed after Put by a link": {func(t *testing.T, r *Replacement) { r.byLink = true; must(t, r.Put()) }, true, blue, false},
		"killed after the link":      {func(t *testing.T, r *Replacement) { must(t, os.Link(r.Old.Path, r.Kept+asideSuffix)) }, false, blue, false},
		"killed after PutBack":       {func(t *testing.T, r *Replacement) { must(t, errors.Join(r.Put(), r.Restore())) }, false, blue, false},
		"edited since":               {func(t *testing.T, r *Replacement) { must(t, r.Put()); write(t, r.Old.Path, edit) }, false, edit, false},
		"kept file spoiled":          {func(t *testing.T, r *Replacement) { must(t, r.Put()); write(t, r.Kept, "spoiled") }, false, green, false},
		"kept file lost":             {func(t *testing.T, r *Replacement) { must(t, errors.Join(r.Put(), os.Remove(r.Kept))) }, false, green, false},
		"kept file a link": {func(t *testing.T, r *Replacement) {
			must(t, errors.Join(r.Put(), os.Remove(r.Kept), os.Symlink("/dev/zero", r.Kept)))
		}, false, green, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepared(t, live(t))
			noted := r.Kept
			test.after(t, r)
			back, err := putBackLeft(leftBy(r, noted))
			if back != test.back || (err != nil) != test.fails {
				t.Errorf("put back: %v (%v), want %v", back, err, test.back)
			}
			wantContent(t, r.Old.Path, test.want)
		})
	}
}

func TestReaderNeverSeesATornFile(t *testing.T) {
	t.Parallel()
	for name, byLink := range map[string]bool{"exchange": false, "by link": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(memory(t), "active.conf")
			content := func(color string) []byte { return bytes.Repeat([]byte(color), 1000) }
			must(t, os.WriteFile(path, content(blue), 0o644))
			var done atomic.Bool
			reads := make(chan int)
			go func() {
				n := 0
				for ; !done.Load() || n == 0; n++ {
					got, err := os.ReadFile(path)
					if err != nil || !bytes.Equal(got, content(blue)) && !bytes.Equal(got, content(green)) {
						t.Errorf("read %d: %d bytes, %v", n, len(got), err)
						break
					}
				}
				reads <- n
			}()
			for range 1000 {
				r := linked(New(read(t, path), content(green), false, ""), byLink)
				must(t, errors.Join(r.Prepare(), r.Put(), r.Restore()))
			}
			done.Store(true)
			t.Logf("%d reads", <-reads)
			wantAlone(t, path)
		})
	}
}

// memory is a folder where fsync costs nothing, if there is one.
func memory(t *testing.T) string {
	folder, err := os.MkdirTemp("/dev/shm", "bgswitch")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}
