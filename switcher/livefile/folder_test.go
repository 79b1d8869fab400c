package livefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// folder makes one that nginx includes files of, with a link that leads to it.
func folder(t *testing.T) (path, link string) {
	t.Helper()
	dir := t.TempDir()
	path, link = filepath.Join(dir, "blue"), filepath.Join(dir, "active")
	must(t, os.MkdirAll(filepath.Join(path, "below"), 0o755))
	write(t, filepath.Join(path, "app.conf"), blue)
	write(t, filepath.Join(path, "below", "set.inc"), "set $a b;")
	write(t, filepath.Join(dir, "common.conf"), "# common")
	must(t, errors.Join(os.Symlink("../common.conf", filepath.Join(path, "common.conf")), os.Symlink("below", filepath.Join(path, "too")), os.Symlink("blue", link)))
	return path, link
}

// folderEdits are what may become of it; each is another version of it.
var folderEdits = map[string]func(path string) error{
	"a file written": func(p string) error { return os.WriteFile(filepath.Join(p, "app.conf"), []byte(green), 0o644) },
	"a file below": func(p string) error {
		return os.WriteFile(filepath.Join(p, "below", "set.inc"), []byte("set $a c;"), 0o644)
	},
	"one that is linked": func(p string) error {
		return os.WriteFile(filepath.Join(p, "..", "common.conf"), []byte("# other"), 0o644)
	},
	"another file": func(p string) error { return os.WriteFile(filepath.Join(p, "new.conf"), nil, 0o644) },
	"a name":       func(p string) error { return os.Rename(filepath.Join(p, "app.conf"), filepath.Join(p, "b.conf")) },
	"a file gone":  func(p string) error { return os.Remove(filepath.Join(p, "app.conf")) },
	"a link": func(p string) error {
		return errors.Join(os.Remove(filepath.Join(p, "too")), os.Symlink("../blue/below", filepath.Join(p, "too")))
	},
}

// folderNames are what is named then.
var folderNames = map[string]string{
	"a file written": "app.conf", "a file below": "below/set.inc", "one that is linked": "common.conf",
	"another file": "new.conf", "a name": "app.conf", "a file gone": "app.conf", "a link": "too",
}

func TestFolderIsOneLiveFile(t *testing.T) {
	t.Parallel()
	for name, edit := range folderEdits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, link := folder(t)
			was, err := ReadFolder(link)
			must(t, err)
			again, err := ReadFolder(link)
			must(t, err)
			if was.Identity() != again.Identity() || was.Hash() != again.Hash() || was.Path != path {
				t.Errorf("read twice: %+v, %+v", was, again)
			}
			o, err := OpenFolder(was, ReadFolder)
			must(t, err)
			defer o.Close()
			must(t, errors.Join(o.Watch([]string{"app.conf", "below/set.inc", "common.conf"}), o.LedToBy(link)))
			if touched, err := o.Unchanged(); touched || err != nil || len(o.Files) != 3 {
				t.Errorf("nothing was done: touched %v, %v; %d files", touched, err, len(o.Files))
			}
			must(t, edit(path))
			now, err := ReadFolder(link)
			must(t, err)
			if now.Hash() == was.Hash() || now.LastChanged().Before(was.LastChanged()) {
				t.Errorf("it is taken for the same:\n%s%s", was.Bytes, now.Bytes)
			}
			_, err = o.Unchanged()
			wantErr(t, err, ErrChanged)
			if names := folderNames[name]; !strings.HasSuffix(fmt.Sprint(err), ": "+filepath.Join(path, names)) {
				t.Errorf("%v: want %s named", err, names)
			}
		})
	}
}

// What cannot be a small file of nginx's stands in nobody's way; that it changed is
// seen all the same.
func TestFolderWithOtherThings(t *testing.T) {
	t.Parallel()
	path, _ := folder(t)
	large := filepath.Join(path, "picture.png")
	must(t, errors.Join(unix.Mkfifo(filepath.Join(path, "fifo"), 0o600), os.Symlink("/dev/zero", filepath.Join(path, "zero")),
		os.WriteFile(large, make([]byte, SizeLimit+1), 0o644)))
	was, err := ReadFolder(path)
	must(t, err)
	o, err := OpenFolder(was, ReadFolder)
	must(t, err)
	defer o.Close()
	if touched, err := o.Unchanged(); touched || err != nil {
		t.Errorf("nothing was done: touched %v, %v", touched, err)
	}
	must(t, os.WriteFile(large, make([]byte, SizeLimit+2), 0o644))
	_, err = o.Unchanged()
	wantErr(t, err, ErrChanged)
}

// Its bytes are those they were, and yet somebody had his hands on it.
func TestFolderTouched(t *testing.T) {
	t.Parallel()
	path, link := folder(t)
	was, err := ReadFolder(link)
	must(t, err)
	o, err := OpenFolder(was, ReadFolder)
	must(t, err)
	defer o.Close()
	for now := was; now.Identity() == was.Identity(); { // until the clock has gone on
		write(t, filepath.Join(path, "app.conf"), blue)
		now, err = ReadFolder(link)
		must(t, err)
	}
	if touched, err := o.Unchanged(); !touched || err != nil {
		t.Errorf("touched %v, %v", touched, err)
	}
	touched := false
	for n := 0; !touched && n < 5000; n++ { // until the clock has gone on
		must(t, errors.Join(os.WriteFile(filepath.Join(path, "a.conf"), nil, 0o644), os.Remove(filepath.Join(path, "a.conf"))))
		touched, err = o.Unchanged()
		must(t, err)
	}
	if !touched {
		t.Error("a file that came and went was not noticed")
	}
	must(t, os.Rename(path, path+".old"))
	must(t, os.MkdirAll(path, 0o755))
	_, err = o.Unchanged()
	wantErr(t, err, ErrChanged)
}

func TestWhatIsNoFolder(t *testing.T) {
	t.Parallel()
	path, _ := folder(t)
	for _, read := range []func(string) (*File, error){ReadFolder, NameFolder} {
		_, err := read(filepath.Join(path, "app.conf"))
		wantErr(t, err, ErrNotOrdinary)
		_, err = read(filepath.Join(path, "none"))
		wantErr(t, err, os.ErrNotExist)
	}
	many := t.TempDir()
	for i := range filesLimit + 1 {
		write(t, filepath.Join(many, fmt.Sprint(i)), "")
	}
	_, err := ReadFolder(many)
	wantErr(t, err, ErrNotOrdinary)
	must(t, os.Remove(filepath.Join(many, "0")))
	_, err = ReadFolder(many)
	must(t, err)
	f, err := NameFolder(path)
	must(t, err)
	if string(f.Bytes) != path+"\n" || !f.IsFolder() {
		t.Errorf("%q", f.Bytes)
	}
}
