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
