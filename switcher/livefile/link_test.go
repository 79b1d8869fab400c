package livefile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/root"
)

// liveLink is a link that leads to blue.conf beside it, and the replacement that
// leads it to green.conf.
func liveLink(t *testing.T, byLink bool) *Replacement {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "blue.conf"), blue)
	write(t, filepath.Join(folder, "green.conf"), green)
	link := filepath.Join(folder, "active.conf")
	must(t, os.Symlink("blue.conf", link))
	old, err := ReadLink(link)
	must(t, err)
	r := linked(New(old, []byte("green.conf"), false, ""), byLink)
	must(t, r.Prepare())
	return r
}

// wantLink says where the link leads, that both files are as they were, and that
// there is nothing besides.
func wantLink(t *testing.T, r *Replacement, text string) {
	t.Helper()
	if got, err := os.Readlink(r.Old.Path); err != nil || got != text {
		t.Errorf("the link leads to %q (%v), want %q", got, err, text)
	}
	wantContent(t, filepath.Join(filepath.Dir(r.Old.Path), "blue.conf"), blue)
	wantContent(t, filepath.Join(filepath.Dir(r.Old.Path), "green.conf"), green)
}

func wantNothingOfOurs(t *testing.T, r *Replacement) {
	t.Helper()
	if found := left(t, r.Old.Path); len(found) > 0 {
		t.Errorf("left beside the link: %v", found)
	}
}

func TestLinkIsExchanged(t *testing.T) {
	t.Parallel()
	for name, byLink := range map[string]bool{"exchange": false, "by link": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := liveLink(t, byLink)
			wantLink(t, r, "blue.conf")
			must(t, r.Put())
			wantLink(t, r, "green.conf")
			if kept, err := os.Readlink(r.Kept); err != nil || kept != "blue.conf" {
				t.Errorf("kept: %q, %v", kept, err)
			}
			must(t, r.Restore())
			must(t, r.Restore()) // again does no harm
			wantLink(t, r, "blue.conf")
			back, err := ReadLink(r.Old.Path)
			must(t, err)
			if back.stat.Ino != r.Old.stat.Ino {
				t.Error("what came back is not the old link")
			}
			wantNothingOfOurs(t, r)
			must(t, errors.Join(r.Notes...))
		})
	}
}

func TestLinkIsKeptNoLonger(t *testing.T) {
	t.Parallel()
	for _, byLink := range []bool{false, true} {
		r := liveLink(t, byLink)
		must(t, errors.Join(r.Put(), r.Forget()))
		wantLink(t, r, "green.conf")
		wantNothingOfOurs(t, r)
	}
}

// Every way in which somebody else can get in between.
var linkEdits = map[string]func(path string) error{
	"another text": func(p string) error {
		return errors.Join(os.Remove(p), os.Symlink("./green.conf", p))
	},
	"the same text anew": func(p string) error {
		return errors.Join(os.Rename(p, p+".old"), os.Symlink("blue.conf", p))
	},
	"a file in its place": func(p string) error {
		return errors.Join(os.Remove(p), os.WriteFile(p, []byte(edit), 0o644))
	},
	"a folder in its place": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
	"removed":               os.Remove,
}

// stands is what stands under a name.
func stands(path string) string {
	if text, err := os.Readlink(path); err == nil {
		return "-> " + text
	}
	if content, err := os.ReadFile(path); err == nil {
		return string(content)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "nothing"
	}
	return info.Mode().String()
}

func TestEditOfALinkIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for name, change := range linkEdits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := liveLink(t, false)
			must(t, change(r.Old.Path))
			was := stands(r.Old.Path)
			wantErr(t, r.Put(), ErrChanged)
			if now := stands(r.Old.Path); now != was {
				t.Errorf("%s stands there, %s did", now, was)
			}
			wantNothingOfOurs(t, r)
		})
	}
}

func TestEditOfALinkInTheMomentOfTheExchange(t *testing.T) {
	t.Parallel()
	for name, change := range linkEdits {
		if name == "removed" || name == "the same text anew" { // nothing to exchange with; nothing lost
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := liveLink(t, false)
			must(t, change(r.Old.Path))
			was := stands(r.Old.Path)
			folder, err := os.Open(filepath.Dir(r.Old.Path))
			must(t, err)
			defer folder.Close()
			wantErr(t, r.swap(folder), ErrChanged)
			must(t, r.takeOut(folder))
			if now := stands(r.Old.Path); now != was {
				t.Errorf("%s stands there, %s did", now, was)
			}
			wantNothingOfOurs(t, r)
		})
	}
}

func TestEditOfALinkAfterPutIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, change := range linkEdits {
		if name == "the same text anew" { // that is where it led
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := liveLink(t, false)
			must(t, r.Put())
			must(t, change(r.Old.Path))
			was := stands(r.Old.Path)
			wantErr(t, r.Restore(), ErrChanged)
			if now := stands(r.Old.Path); now != was {
				t.Errorf("%s stands there, %s did", now, was)
			}
		})
	}
}

// A link that a killed run has re-pointed is brought back, also where the old
// one is lost: its text is all there is to it.
func TestLeftoverOfALink(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after func(t *testing.T, r *Replacement)
		want  string
	}{
		"killed before Put":   {func(*testing.T, *Replacement) {}, "-> blue.conf"},
		"killed after Put":    {func(t *testing.T, r *Replacement) { must(t, r.Put()) }, "-> blue.conf"},
		"by a link":           {func(t *testing.T, r *Replacement) { r.byLink = true; must(t, r.Put()) }, "-> blue.conf"},
		"the old one is lost": {func(t *testing.T, r *Replacement) { must(t, errors.Join(r.Put(), os.Remove(r.Kept))) }, "-> blue.conf"},
		"a file in its place": {func(t *testing.T, r *Replacement) {
			must(t, errors.Join(r.Put(), linkEdits["a file in its place"](r.Old.Path)))
		}, edit},
		"led elsewhere": {func(t *testing.T, r *Replacement) {
			must(t, errors.Join(r.Put(), linkEdits["another text"](r.Old.Path)))
		}, "-> ./green.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := liveLink(t, false)
			left := leftBy(r, r.Kept)
			test.after(t, r)
			found, err := left.Replacement()
			must(t, err)
			if found != nil {
				if err := found.Restore(); err != nil && !errors.Is(err, ErrChanged) {
					t.Fatal(err)
				}
			}
			must(t, left.Sweep())
			if now := stands(r.Old.Path); now != test.want {
				t.Errorf("%s stands there, want %s", now, test.want)
			}
			wantNothingOfOurs(t, r)
		})
	}
}

func TestReadLink(t *testing.T) {
	t.Parallel()
	r := liveLink(t, false)
	folder := filepath.Dir(r.Old.Path)
	over := filepath.Join(t.TempDir(), "conf.d")
	must(t, os.Symlink(folder, over))
	f, err := ReadLink(filepath.Join(over, "active.conf"))
	must(t, err)
	if f.Path != r.Old.Path || string(f.Bytes) != "blue.conf" || !f.IsLink() {
		t.Errorf("read %s, %q, a link: %v", f.Path, f.Bytes, f.IsLink())
	}
	for _, other := range []string{"blue.conf", "."} {
		_, err := ReadLink(filepath.Join(folder, other))
		wantErr(t, err, ErrNotOrdinary)
	}
	_, err = ReadLink(filepath.Join(folder, "none"))
	wantErr(t, err, os.ErrNotExist)
}

func TestWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, errors.Join(os.MkdirAll(filepath.Join(dir, "etc/available/blue"), 0o755), os.MkdirAll(filepath.Join(dir, "etc/enabled"), 0o755)))
	write(t, filepath.Join(dir, "etc/available/blue/app.conf"), blue)
	for at, to := range map[string]string{"conf": dir + "/etc", "etc/enabled/app": "../available/active/app.conf", "etc/available/active": "blue", "etc/round": "round"} {
		must(t, os.Symlink(to, filepath.Join(dir, at)))
	}
	var got []string
	for step := range Way(root.Root{}, dir+"/conf/enabled/app") {
		got = append(got, strings.ReplaceAll(step.At+" -> "+step.To+" + "+step.Rest, dir, ""))
	}
	want := []string{"/conf -> /etc + enabled/app", "/etc/enabled/app -> ../available/active/app.conf + ", "/etc/available/active -> blue + app.conf"}
	if !slices.Equal(got, want) {
		t.Errorf("the way is %q, want %q", got, want)
	}
	steps := 0
	for range Way(root.Root{}, dir+"/etc/round") {
		steps++
	}
	if steps != maxLinks {
		t.Errorf("%d steps in a circle", steps)
	}
}
