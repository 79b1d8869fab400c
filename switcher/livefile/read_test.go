package livefile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		make func(path string) error
		want error
	}{
		"missing": {func(string) error { return nil }, os.ErrNotExist},
		"folder":  {func(p string) error { return os.Mkdir(p, 0o755) }, ErrNotOrdinary},
		"fifo":    {func(p string) error { return unix.Mkfifo(p, 0o644) }, ErrNotOrdinary},
		"socket": {func(p string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			return errors.Join(err, unix.Bind(fd, &unix.SockaddrUnix{Name: p}), unix.Close(fd))
		}, ErrNotOrdinary},
		"device":       {func(p string) error { return os.Symlink("/dev/null", p) }, ErrNotOrdinary},
		"link to fifo": {func(p string) error { return errors.Join(unix.Mkfifo(p+".f", 0o644), os.Symlink(p+".f", p)) }, ErrNotOrdinary},
		"link to none": {func(p string) error { return os.Symlink(p+".none", p) }, os.ErrNotExist},
		"sparse 1 GiB": {func(p string) error {
			return errors.Join(os.WriteFile(p, nil, 0o644), os.Truncate(p, 1<<30))
		}, ErrNotOrdinary},
		"over the limit": {func(p string) error { return os.WriteFile(p, make([]byte, SizeLimit+1), 0o644) }, ErrNotOrdinary},
		"a file as folder": {func(p string) error {
			return errors.Join(os.WriteFile(p+".f", nil, 0o644), os.Symlink(p+".f/x", p))
		}, unix.ENOTDIR},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, err := os.MkdirTemp("/tmp", "s") // a socket's name is short
			must(t, err)
			t.Cleanup(func() { os.RemoveAll(folder) })
			path := filepath.Join(folder, "a")
			must(t, test.make(path))
			f, err := Read(path)
			wantErr(t, err, test.want)
			if f != nil {
				t.Error("a file came with the error")
			}
		})
	}
}

func TestReadRefusesLinksInALoop(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	a, b := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	must(t, errors.Join(os.Symlink(a, b), os.Symlink(b, a)))
	if _, err := Read(a); err == nil {
		t.Fatal("a loop was read")
	}
}

func TestReadTakesEveryByte(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty": "", "no newline": "server a;", "crlf": "server a;\r\n", "nul": "a\x00b", "the limit": string(make([]byte, SizeLimit)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := read(t, write(t, filepath.Join(t.TempDir(), "a"), content))
			if string(f.Bytes) != content {
				t.Fatalf("%d bytes, want %d", len(f.Bytes), len(content))
			}
			if f.Hash() != Hash([]byte(content)) {
				t.Error("the hash is not that of the bytes")
			}
		})
	}
}

func TestSelector(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files []string
		link  string // named -> target
		named string
		want  string
	}{
		"a file of each color":       {[]string{"blue.conf", "green.conf"}, "blue.conf", "active.conf", "green.conf"},
		"in a longer name":           {[]string{"up-green-1.conf", "up-blue-1.conf"}, "up-green-1.conf", "active.conf", "up-blue-1.conf"},
		"a folder of each color":     {[]string{"blue/up.conf", "green/up.conf"}, "blue", "active/up.conf", "green/up.conf"},
		"folder and file":            {[]string{"blue/blue.conf", "green/green.conf"}, "blue/blue.conf", "active.conf", "green/green.conf"},
		"no sibling":                 {[]string{"blue.conf"}, "blue.conf", "active.conf", ""},
		"no color":                   {[]string{"one.conf", "green.conf"}, "one.conf", "active.conf", ""},
		"a color within a word":      {[]string{"bluebird.conf", "greenbird.conf"}, "bluebird.conf", "active.conf", ""},
		"the link has the same name": {[]string{"all/app-blue.conf", "all/app-green.conf"}, "all/app-blue.conf", "app-blue.conf", ""},
		"sites-enabled":              {[]string{"sites-available/app", "green"}, "sites-available/app", "sites-enabled/app", ""},
		"not a link":                 {[]string{"blue.conf", "green.conf"}, "", "blue.conf", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "blue-green") // the folder's own name counts for nothing
			for _, file := range test.files {
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, file)), 0o755))
				write(t, filepath.Join(folder, file), blue)
			}
			if link := linkOf(test.named, test.link); link != "" {
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, link)), 0o755))
				must(t, os.Symlink(filepath.Join(folder, test.link), filepath.Join(folder, link)))
			}
			sibling, ok := Selector(filepath.Join(folder, test.named))
			if ok != (test.want != "") {
				t.Fatalf("selector: %v (%s)", ok, sibling)
			}
			if ok && sibling != filepath.Join(folder, test.want) {
				t.Errorf("sibling %s, want %s", sibling, test.want)
			}
		})
	}
}

// linkOf is the part of the name that is the link: a folder for a folder.
func linkOf(named, target string) string {
	if target != "" && filepath.Ext(target) == "" && filepath.Ext(named) != "" {
		return filepath.Dir(named)
	}
	if target == "" {
		return ""
	}
	return named
}
