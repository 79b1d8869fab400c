package statedir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bgswitch/switcher/trust"
	"github.com/google/go-cmp/cmp"

	"golang.org/x/sys/unix"
)

const lockFile = "some.lock"

func TestStore(t *testing.T) {
	t.Parallel()
	f := folder(t)
	var got map[string]int
	if found, err := f.Load("some.json", &got); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	must(t, f.Create())
	must(t, f.Store("some.json", map[string]int{"one": 1}))
	must(t, os.WriteFile(fileOf(f, ".some.json.new"), []byte("left by a killed run"), 0o600))
	must(t, f.Store("some.json", map[string]int{"two": 2}))
	found, err := f.Load("some.json", &got)
	must(t, err)
	if diff := cmp.Diff(map[string]int{"two": 2}, got); diff != "" || !found {
		t.Errorf("found %v:\n%s", found, diff)
	}
	entries, err := os.ReadDir(f.Path)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	f := Of(filepath.Join(t.TempDir(), "state"), "myapp")
	held, err := f.TryLock(lockFile)
	must(t, err)
	must(t, errors.Join(f.Append(Record{}), f.Store("some.json", 1)))
	for path, want := range map[string]os.FileMode{
		filepath.Dir(f.Path): 0o755, f.Path + ".status.json": 0o644, f.Path: 0o700, fileOf(f, lockFile): 0o600, fileOf(f, historyFile): 0o600, fileOf(f, "some.json"): 0o600,
	} {
		info, err := os.Lstat(path)
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	must(t, held.Release())
	if open := f.Readable(); len(open) > 0 {
		t.Errorf("others can read: %q", open)
	}
}

func TestWiderModesAreReportedAndLeft(t *testing.T) {
	t.Parallel()
	f := folder(t)
	appended(t, f, "one")
	must(t, errors.Join(os.Chmod(f.Path, 0o755), os.Chmod(fileOf(f, historyFile), 0o644)))
	held, err := f.TryLock(lockFile)
	must(t, err)
	must(t, held.Release())
	if open := f.Readable(); len(open) != 2 {
		t.Errorf("reported: %q", open)
	}
	info, err := os.Lstat(f.Path)
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the mode was changed: %v, %v", info.Mode(), err)
	}
}

func TestUnsafeFolders(t *testing.T) {
	t.Parallel()
	root := os.Geteuid() == 0
	tests := map[string]struct {
		make func(f Folder) error
		root bool
	}{
		"group can write":         {func(f Folder) error { return os.Chmod(f.Path, 0o770) }, false},
		"all can write":           {func(f Folder) error { return os.Chmod(f.Path, 0o1777) }, false},
		"all can write above":     {func(f Folder) error { return os.Chmod(filepath.Dir(f.Path), 0o777) }, false},
		"a stranger's":            {func(f Folder) error { return os.Chown(f.Path, 65534, 65534) }, true},
		"a stranger's above":      {func(f Folder) error { return os.Chown(filepath.Dir(f.Path), 65534, 65534) }, true},
		"the lock can be written": {func(f Folder) error { return os.WriteFile(fileOf(f, lockFile), nil, 0o600) }, false},
		"a stranger's history": {func(f Folder) error {
			return errors.Join(f.Append(Record{}), os.Chown(fileOf(f, historyFile), 65534, 65534))
		}, true},
		"a stranger's link":          {func(f Folder) error { return linked(f.Path, 0o1777, 65534) }, true},
		"a stranger's link above":    {func(f Folder) error { return linked(filepath.Dir(f.Path), 0o1777, 65534) }, true},
		"a link in a stranger's":     {func(f Folder) error { return errors.Join(linked(filepath.Dir(f.Path), 0o755, 0), given(f)) }, true},
		"a link where all can write": {func(f Folder) error { return linked(f.Path, 0o777, os.Geteuid()) }, false},
	}
	for name, test := range tests {
		if test.root && !root {
			continue // the same rows run where the tests run as root
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Of(filepath.Join(t.TempDir(), "above", "state"), "myapp")
			must(t, f.Create())
			must(t, test.make(f))
			if name == "the lock can be written" {
				must(t, os.Chmod(fileOf(f, lockFile), 0o666))
			}
			if err := used(t, f); !errors.Is(err, trust.ErrUnsafe) {
				t.Errorf("error %v, want one that wraps trust.ErrUnsafe", err)
			}
			if _, err := f.History(1, nil); !errors.Is(err, trust.ErrUnsafe) && name != "the lock can be written" {
				t.Errorf("read: %v, want an error that wraps trust.ErrUnsafe", err)
			}
		})
	}
}

// linked moves a folder elsewhere and puts a link of somebody's in its place; mode
// is that of the folder with the link.
func linked(folder string, mode uint32, uid int) error {
	real := filepath.Join(filepath.Dir(filepath.Dir(folder)), "real")
	return errors.Join(os.Rename(folder, real), os.Symlink(real, folder), os.Lchown(folder, uid, -1), unix.Chmod(filepath.Dir(folder), mode))
}

// given makes the folder above the state folder a stranger's.
func given(f Folder) error { return os.Chown(filepath.Dir(filepath.Dir(f.Path)), 65534, 65534) }

// A link of ours, where nobody else can put one, is as good as a folder.
func TestLinksOfOursAreFollowed(t *testing.T) {
	t.Parallel()
	for _, above := range []bool{false, true} {
		f := Of(filepath.Join(t.TempDir(), "above", "state"), "myapp")
		must(t, f.Create())
		folder := f.Path
		if above {
			folder = filepath.Dir(f.Path)
		}
		must(t, linked(folder, 0o1777, os.Geteuid()))
		appended(t, f, "one")
		wantReasons(t, f, 0, "one")
		wantUsable(t, f, nil)
	}
}

func TestStickyFolderAboveIsFine(t *testing.T) {
	t.Parallel()
	f := folder(t)
	must(t, unix.Chmod(filepath.Dir(f.Path), 0o1777))
	held, err := f.TryLock(lockFile)
	must(t, err)
	must(t, held.Release())
}

// A link in the place of a file of ours must not make us write elsewhere.
func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]struct {
		file     string
		do       func(f Folder) error
		replaced bool // whatever has the name makes room
	}{
		"lock":    {lockFile, func(f Folder) error { _, err := f.TryLock(lockFile); return err }, false},
		"append":  {historyFile, func(f Folder) error { return f.Append(Record{}) }, false},
		"history": {historyFile, func(f Folder) error { _, err := f.History(1, nil); return err }, false},
		"store":   {".some.json.new", func(f Folder) error { return f.Store("some.json", 1) }, true},
		"load":    {"some.json", func(f Folder) error { var into any; _, err := f.Load("some.json", &into); return err }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, f.Create())
			victim := filepath.Join(t.TempDir(), "victim")
			must(t, errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, fileOf(f, do.file))))
			if err := do.do(f); (err == nil) != do.replaced {
				t.Errorf("the link: %v", err)
			}
			if got, _ := os.ReadFile(victim); string(got) != "precious" {
				t.Errorf("what it led to now holds %q", got)
			}
		})
		t.Run(name+" of a fifo", func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, f.Create())
			must(t, unix.Mkfifo(fileOf(f, do.file), 0o600))
			if err := do.do(f); (err == nil) != do.replaced {
				t.Errorf("a fifo: %v", err)
			}
		})
	}
}
