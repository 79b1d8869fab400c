package statedir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var note = Untested{Schema: 1, Live: "/etc/nginx/a.conf", Kept: "/etc/nginx/.a.conf.bgswitch-X", LiveHash: "aa", KeptHash: "bb"}

func TestUntested(t *testing.T) {
	t.Parallel()
	f := folder(t)
	must(t, f.ForgetUntested()) // without a folder, too
	if _, found, err := f.ReadUntested(); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	must(t, f.Create())
	must(t, f.NoteUntested(Untested{Live: "/x", Kept: "/y", LiveHash: "1", KeptHash: "2"}))
	must(t, os.WriteFile(f.file("."+untestedFile+".new"), []byte("left by a killed run"), fileMode))
	must(t, f.NoteUntested(note))
	got, found, err := f.ReadUntested()
	must(t, err)
	if diff := cmp.Diff(note, got); diff != "" || !found {
		t.Errorf("found %v:\n%s", found, diff)
	}
	must(t, f.ForgetUntested())
	entries, err := os.ReadDir(f.Path)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A note that is not sure is an error, and no replacement follows from it.
func TestUntestedThatIsNotWhole(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"schema":1,"live":"/a`, "garbage": "\x00\x00\x00", "later": `{"schema":2,"live":"/a","kept":"/b","live_hash":"1","kept_hash":"2"}`,
		"no version": `{"live":"/a","kept":"/b","live_hash":"1","kept_hash":"2"}`, "a field is missing": `{"schema":1,"live":"/a","kept":"/b","live_hash":"1"}`,
		"another shape": "[]", "null": "null", "two": `{"schema":1}{"schema":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, f.Create())
			must(t, os.WriteFile(f.file(untestedFile), []byte(text), fileMode))
			if got, found, err := f.ReadUntested(); found || err == nil || got != (Untested{}) {
				t.Errorf("found %v: %+v, %v", found, got, err)
			}
		})
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	f := Of(filepath.Join(t.TempDir(), "state"), "myapp")
	lock, err := f.Lock(t.Context(), 0, "to green")
	must(t, err)
	must(t, errors.Join(f.Append(Record{}), f.NoteUntested(note)))
	for path, want := range map[string]os.FileMode{
		filepath.Dir(f.Path): 0o700, f.Path: 0o700, f.file(lockFile): 0o600, f.file(historyFile): 0o600, f.file(untestedFile): 0o600,
	} {
		info, err := os.Lstat(path)
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	must(t, lock.Unlock())
	if open := f.Readable(); len(open) > 0 {
		t.Errorf("others can read: %q", open)
	}
}

func TestWiderModesAreReportedAndLeft(t *testing.T) {
	t.Parallel()
	f := folder(t)
	appended(t, f, "one")
	must(t, errors.Join(os.Chmod(f.Path, 0o755), os.Chmod(f.file(historyFile), 0o644)))
	lock, err := f.Lock(t.Context(), 0, "to green")
	must(t, err)
	must(t, lock.Unlock())
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
		"the lock can be written": {func(f Folder) error { return os.WriteFile(f.file(lockFile), nil, 0o600) }, false},
		"a stranger's note": {func(f Folder) error {
			return errors.Join(f.NoteUntested(note), os.Chown(f.file(untestedFile), 65534, 65534))
		}, true},
		"a link": {func(f Folder) error {
			return errors.Join(os.Rename(f.Path, f.Path+".real"), os.Symlink(f.Path+".real", f.Path))
		}, false},
		"a file": {func(f Folder) error { return errors.Join(os.Remove(f.Path), os.WriteFile(f.Path, nil, 0o600)) }, false},
	}
	for name, test := range tests {
		if test.root && !root {
			continue // the same rows run where the tests run as root
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, f.Create())
			must(t, test.make(f))
			if name == "the lock can be written" {
				must(t, os.Chmod(f.file(lockFile), 0o666))
			}
			if _, err := f.Lock(t.Context(), 0, "to green"); !errors.Is(err, ErrUnsafe) {
				t.Errorf("error %v, want one that wraps ErrUnsafe", err)
			}
		})
	}
}

func TestStickyFolderAboveIsFine(t *testing.T) {
	t.Parallel()
	f := folder(t)
	must(t, unix.Chmod(filepath.Dir(f.Path), 0o1777))
	lock, err := f.Lock(t.Context(), 0, "to green")
	must(t, err)
	must(t, lock.Unlock())
}

// A link in the place of a file of ours must not make us write elsewhere.
func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]struct {
		file string
		do   func(f Folder) error
	}{
		"lock":      {lockFile, func(f Folder) error { _, err := f.Lock(t.Context(), 0, "x"); return err }},
		"held":      {lockFile, func(f Folder) error { _, _, err := f.Held(); return err }},
		"append":    {historyFile, func(f Folder) error { return f.Append(Record{}) }},
		"history":   {historyFile, func(f Folder) error { _, err := f.History(1); return err }},
		"note":      {"." + untestedFile + ".new", func(f Folder) error { return f.NoteUntested(note) }},
		"read note": {untestedFile, func(f Folder) error { _, _, err := f.ReadUntested(); return err }},
		"name":      {lockFile, func(f Folder) error { f.leaveNote(lockFile, Holder{PID: 1}); return errors.New("says nothing") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, f.Create())
			victim := filepath.Join(t.TempDir(), "victim")
			must(t, errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, f.file(do.file))))
			if do.do(f) == nil {
				t.Error("the link was followed")
			}
			if got, _ := os.ReadFile(victim); string(got) != "precious" {
				t.Errorf("what it led to now holds %q", got)
			}
		})
		t.Run(name+" of a fifo", func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, f.Create())
			must(t, unix.Mkfifo(f.file(do.file), 0o600))
			if do.do(f) == nil {
				t.Error("a fifo was taken")
			}
		})
	}
}
