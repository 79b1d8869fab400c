package trust_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

func TestDoubts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		folder, file os.FileMode
		says         string
	}{
		{"tight", 0o755, 0o644, ""},
		{"a file for the group", 0o755, 0o664, "others may write"},
		{"a file for all", 0o755, 0o666, "others may write"},
		{"a folder for all", 0o777, 0o644, "others may write"},
		{"a sticky folder for all", 0o777 | os.ModeSticky, 0o644, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "folder")
			file := filepath.Join(folder, "file")
			for _, err := range []error{
				os.Mkdir(folder, 0o700), os.WriteFile(file, nil, 0o600), os.Chmod(file, c.file), os.Chmod(folder, c.folder),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			doubts := fmt.Sprint(trust.Doubts(file))
			if c.says == "" && doubts != "[]" || !strings.Contains(doubts, c.says) {
				t.Errorf("doubts %q, want %q", doubts, c.says)
			}
		})
	}
}

func TestDoubtsAboutOwners(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	file := filepath.Join(t.TempDir(), "file")
	must(t, errors.Join(os.WriteFile(file, nil, 0o600), os.Chown(file, 65534, 65534)))
	if doubts := trust.Doubts(file); len(doubts) != 1 || !strings.Contains(doubts[0].Error(), "belongs to user 65534") {
		t.Errorf("doubts %q", doubts)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const stranger = 65534

// mine is a file of ours that a stranger would like to have believed, and a folder
// beside it that all may write, with a mode.
func mine(t *testing.T, mode uint32) (file, shared string) {
	t.Helper()
	folder := t.TempDir()
	file, shared = filepath.Join(folder, "mine"), filepath.Join(folder, "shared")
	must(t, errors.Join(os.WriteFile(file, []byte("mine"), 0o600), os.Mkdir(shared, 0o700), unix.Chmod(shared, mode)))
	return file, shared
}

// A link or a name that somebody else can have put there is met, whatever it
// leads to.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode  uint32
		plant func(file, at string) error
		root  bool
		says  string
	}{
		"a link of ours in a tight folder":      {0o755, os.Symlink, false, ""},
		"a link of ours in a sticky folder":     {0o1777, os.Symlink, false, ""},
		"a link in a folder that all write":     {0o777, os.Symlink, false, "somebody else may have put the link"},
		"a stranger's link in a sticky one":     {0o1777, linkOf(stranger), true, "somebody else may have put the link"},
		"a stranger's link in a tight one":      {0o755, linkOf(stranger), true, "belongs to user 65534"},
		"a second name of a link of ours":       {0o1777, secondName, false, "somebody else may have put the link"},
		"a second name in a sticky folder":      {0o1777, os.Link, false, "somebody else may have put this one there"},
		"a second name in a tight folder":       {0o755, os.Link, false, ""},
		"by way of a link that nobody else has": {0o1777, twoLinks, true, "somebody else may have put the link"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.root {
				rightstest.Needs(t, rightstest.Root)
			}
			file, shared := mine(t, c.mode)
			at := filepath.Join(shared, "settings")
			must(t, c.plant(file, at))
			if doubts := fmt.Sprint(trust.Doubts(at)); !strings.Contains(doubts, c.says) || c.says == "" && doubts != "[]" {
				t.Errorf("doubts %s, want %q", doubts, c.says)
			}
			text, err := trust.Judge{Strict: true}.Read(at, 100)
			if c.says == "" && (err != nil || string(text) != "mine") || c.says != "" && !errors.Is(err, trust.ErrUnsafe) {
				t.Errorf("read %q, %v", text, err)
			}
		})
	}
}

func linkOf(uid int) func(file, at string) error {
	return func(file, at string) error { return errors.Join(os.Symlink(file, at), os.Lchown(at, uid, uid)) }
}

// secondName: a link, too, can have several names (link(2)).
func secondName(file, at string) error {
	return errors.Join(os.Symlink(file, file+".link"), os.Link(file+".link", at))
}

// twoLinks is a link of ours that leads through a stranger's.
func twoLinks(file, at string) error {
	return errors.Join(linkOf(stranger)(file, at+".his"), os.Symlink(at+".his", at))
}

// Somebody swaps what a name on the way leads to all the time: what is read is
// what was judged.
func TestSwapped(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(folder, at string) error{
		"folders": os.Rename,
		"links":   os.Symlink,
		"files":   func(folder, at string) error { return os.Rename(filepath.Join(folder, "f"), at) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			one, other := filepath.Join(top, "one"), filepath.Join(top, "other")
			for at, evil := range map[string]bool{one: false, other: true} {
				text, mode := "mine", os.FileMode(0o644)
				if evil {
					text, mode = "evil", 0o666
				}
				file := filepath.Join(at+".d", "f")
				must(t, errors.Join(os.Mkdir(at+".d", 0o755), os.WriteFile(file, []byte(text), 0o600), os.Chmod(file, mode), plant(at+".d", at)))
			}
			ctx, cancel := context.WithCancel(t.Context())
			var swapping sync.WaitGroup
			swapping.Go(func() {
				for ctx.Err() == nil {
					_ = unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
				}
			})
			path := one
			if name != "files" {
				path = filepath.Join(one, "f")
			}
			met := map[string]int{}
			for range 3000 {
				text, err := trust.Judge{Strict: true}.Read(path, 100)
				switch {
				case errors.Is(err, trust.ErrUnsafe):
					met["evil"]++
				case err == nil && string(text) == "mine":
					met["mine"]++
				case errors.Is(err, unix.ELOOP): // ours was a link a moment ago
				default:
					t.Fatalf("read %q, %v", text, err)
				}
			}
			cancel()
			swapping.Wait()
			if met["mine"] == 0 || met["evil"] == 0 {
				t.Errorf("not both were met: %v", met)
			}
		})
	}
}

// What stands there may be something that nobody ever answers.
func TestNoFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	fifo, large, loop := filepath.Join(folder, "fifo"), filepath.Join(folder, "large"), filepath.Join(folder, "loop")
	must(t, errors.Join(unix.Mkfifo(fifo, 0o600), os.WriteFile(large, make([]byte, 101), 0o600), os.Symlink(loop, loop)))
	for path, want := range map[string]error{
		fifo: ordinary.ErrNotOrdinary, folder: ordinary.ErrNotOrdinary, large: ordinary.ErrNotOrdinary, "/": ordinary.ErrNotOrdinary, "/dev/null": ordinary.ErrNotOrdinary,
		loop: unix.ELOOP, filepath.Join(large, "f"): unix.ENOTDIR, filepath.Join(folder, "none"): os.ErrNotExist, "": ordinary.ErrNotOrdinary,
	} {
		if _, err := (trust.Judge{}).Read(path, 100); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", path, err, want)
		}
	}
}

// Every way that the kernel goes is gone.
func TestWays(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	must(t, errors.Join(os.MkdirAll(filepath.Join(top, "a/b"), 0o755), os.WriteFile(filepath.Join(top, "a/f"), []byte("f"), 0o600),
		os.Symlink("a/b", filepath.Join(top, "down")), os.Symlink(top+"/a", filepath.Join(top, "a/b/up"))))
	wd, err := os.Getwd()
	must(t, err)
	relative, err := filepath.Rel(wd, top)
	must(t, err)
	for _, way := range []string{"/a/f", "//a/./f", "/down/../f", "/down/up/f", "/down/up/b/up/../a/f"} {
		for _, from := range []string{top, relative} {
			if text, err := (trust.Judge{Strict: true}).Read(from+way, 9); err != nil || string(text) != "f" {
				t.Errorf("%s: %q, %v", from+way, text, err)
			}
		}
	}
}

// Who is not root hears of it, and decides by --strict.
func TestJudgeOfAnybody(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideNobody(t) {
		return
	}
	file := filepath.Join(t.TempDir(), "settings")
	must(t, errors.Join(os.WriteFile(file, []byte("text"), 0o600), os.Chmod(file, 0o666)))
	var heard []error
	judge := trust.Judge{Warn: func(doubt error) { heard = append(heard, doubt) }}
	if text, err := judge.Read(file, 100); err != nil || string(text) != "text" || len(heard) != 1 || !strings.Contains(heard[0].Error(), "others may write "+file) {
		t.Errorf("read %q, %v, heard %q", text, err, heard)
	}
	judge.Strict = true
	if _, err := judge.Read(file, 100); !errors.Is(err, trust.ErrUnsafe) || trust.Mend(err) != "chmod go-w "+file {
		t.Errorf("read strictly: %v, %q", err, trust.Mend(err))
	}
}
