package statedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"bgswitch/switcher/access"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// used does what Usable speaks of.
func used(t *testing.T, f Folder) error {
	t.Helper()
	held, err := f.TryLock(lockFile)
	if err != nil {
		return err
	}
	return errors.Join(f.Append(Record{Reason: "one"}), held.Release())
}

// wantUsable says that Usable is right, and that it wrote nothing.
func wantUsable(t *testing.T, f Folder, want error) {
	t.Helper()
	_, before := os.Lstat(f.Path)
	said := f.Usable()
	if _, after := os.Lstat(f.Path); errors.Is(before, fs.ErrNotExist) != errors.Is(after, fs.ErrNotExist) {
		t.Error("asking made the folder")
	}
	if !errors.Is(said, want) {
		t.Errorf("said %v, want one that wraps %v", said, want)
	}
	if did := used(t, f); (said == nil) != (did == nil) {
		t.Errorf("said %v, but using it: %v", said, did)
	}
}

func TestUsable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(f Folder) error
		want error
	}{
		"missing":              {func(Folder) error { return nil }, nil},
		"missing from far up":  {func(f Folder) error { return os.Remove(filepath.Dir(f.Path)) }, nil},
		"there":                {Folder.Create, nil},
		"used":                 {func(f Folder) error { return used(t, f) }, nil},
		"a file":               {func(f Folder) error { return os.WriteFile(f.Path, nil, 0o600) }, unix.ENOTDIR},
		"a file above":         {func(f Folder) error { return turned(filepath.Dir(f.Path)) }, unix.ENOTDIR},
		"a link to nothing":    {func(f Folder) error { return os.Symlink("nothing", f.Path) }, unix.ENOTDIR},
		"nothing above":        {func(f Folder) error { return nowhere(filepath.Dir(f.Path)) }, unix.ENOTDIR},
		"all can write":        {func(f Folder) error { return errors.Join(f.Create(), os.Chmod(f.Path, 0o777)) }, trust.ErrUnsafe},
		"all can write above":  {func(f Folder) error { return os.Chmod(filepath.Dir(f.Path), 0o777) }, trust.ErrUnsafe},
		"a link for a history": {func(f Folder) error { return errors.Join(f.Create(), os.Symlink("x", fileOf(f, historyFile))) }, trust.ErrUnsafe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := Of(filepath.Join(t.TempDir(), "state"), "myapp")
			must(t, os.Mkdir(filepath.Dir(f.Path), 0o755))
			must(t, test.make(f))
			wantUsable(t, f, test.want)
		})
	}
}

// turned puts a file in a folder's place.
func turned(folder string) error {
	return errors.Join(os.Remove(folder), os.WriteFile(folder, nil, 0o600))
}

// nowhere puts a link in a folder's place that leads nowhere.
func nowhere(folder string) error {
	return errors.Join(os.Remove(folder), os.Symlink("nothing", folder))
}

func TestUsableOnAReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	disk := t.TempDir()
	must(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k,mode=755"))
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	there, missing := Of(disk, "there"), Of(disk, "missing")
	must(t, there.Create())
	must(t, unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	for _, f := range []Folder{there, missing} {
		wantUsable(t, f, unix.EROFS)
		wantUsable(t, f, access.ErrFrozen)
	}
}

func TestUsableForWhoHasNoRight(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideNobody(t) {
		return
	}
	for name, close := range map[string]func(f Folder) string{
		"to the folder":    func(f Folder) string { return f.Path },
		"to the one above": func(f Folder) string { return filepath.Dir(f.Path) },
		"to the history":   func(f Folder) string { return fileOf(f, historyFile) },
	} {
		t.Run(name, func(t *testing.T) {
			f := Of(t.TempDir(), "myapp")
			switch name {
			case "to the folder":
				must(t, f.Create())
			case "to the history":
				must(t, used(t, f))
			}
			must(t, os.Chmod(close(f), 0o555&^0o055))
			t.Cleanup(func() { _ = os.Chmod(close(f), 0o700) })
			wantUsable(t, f, unix.EACCES)
		})
	}
}
