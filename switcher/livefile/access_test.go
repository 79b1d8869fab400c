package livefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/access"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// replace does what Replaceable speaks of, and takes it back.
func replace(old *File, keepIn string) error {
	r := New(old, []byte(green), keepIn != "", keepIn)
	if err := r.Prepare(); err != nil {
		return err
	}
	if err := r.Put(); err != nil {
		return err
	}
	return r.Restore()
}

// promised says whether a replacement is possible, and is right.
func promised(t *testing.T, old *File, inPlace bool) error {
	t.Helper()
	said := old.Replaceable(inPlace)
	keepIn := ""
	if inPlace {
		keepIn = t.TempDir()
	}
	if did := replace(old, keepIn); (said == nil) != (did == nil) {
		t.Errorf("in place %v: said %v, but the replacement: %v", inPlace, said, did)
	}
	wantContent(t, old.Path, blue)
	return said
}

func TestReplaceable(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		must(t, promised(t, live(t), inPlace))
	}
}

// Flags hold root, too. A flag on the folder does not keep anybody from
// writing in place.
func TestFlagsKeepAFile(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	for flag, bit := range map[string]int{"chattr -i": unix.STATX_ATTR_IMMUTABLE, "chattr -a": unix.STATX_ATTR_APPEND} {
		for _, what := range []string{"file", "folder"} {
			t.Run(flag+" "+what, func(t *testing.T) {
				t.Parallel()
				old := live(t)
				flagged := map[string]string{"file": old.Path, "folder": filepath.Dir(old.Path)}[what]
				immutable(t, flagged, bit)
				old = read(t, old.Path) // the flag changes the change time
				for _, inPlace := range []bool{false, true} {
					err := old.Replaceable(inPlace)
					if what == "file" || !inPlace {
						wantErr(t, err, unix.EPERM)
						wantErr(t, err, access.ErrFrozen)
						if !strings.Contains(err.Error(), flag+" "+flagged) {
							t.Errorf("the remedy is not named: %v", err)
						}
					} else if err != nil {
						t.Errorf("in place: %v", err)
					}
				}
				wantAlone(t, old.Path)
			})
		}
	}
}

// A file system that is read-only is so for everybody; a mount, for those who
// look through it.
func TestReadOnlyKeepsAFile(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	for name, forAll := range map[string]bool{"file system": true, "mount": false} {
		folder := small(t, "size=64k")
		old := read(t, write(t, filepath.Join(folder, "active.conf"), blue))
		if forAll {
			must(t, unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		} else {
			mountAt(t, folder, folder, "", unix.MS_BIND, "")
			must(t, unix.Mount("", folder, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		}
		for _, inPlace := range []bool{false, true} {
			err := promised(t, old, inPlace)
			wantErr(t, err, unix.EROFS)
			if errors.Is(err, access.ErrFrozen) != forAll {
				t.Errorf("read-only %s: %v, for everybody: %v", name, err, !forAll)
			}
		}
	}
}

func TestRightsKeepAFile(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideNobody(t) {
		return
	}
	for _, inPlace := range []bool{false, true} {
		old := live(t)
		must(t, os.Chmod(old.Path, 0o444))
		closed(t, filepath.Dir(old.Path))
		err := promised(t, read(t, old.Path), inPlace)
		wantErr(t, err, unix.EACCES)
		if errors.Is(err, access.ErrFrozen) {
			t.Errorf("said of everybody: %v", err)
		}
	}
}

// In a sticky folder nobody can take another's file away.
func TestStickyFolderKeepsAFile(t *testing.T) {
	t.Parallel()
	const variable = "BGSWITCH_TEST_STICKY"
	path := os.Getenv(variable)
	if path == "" {
		rightstest.Needs(t, rightstest.Root)
		path = live(t).Path
		must(t, unix.Chmod(filepath.Dir(path), 0o1777))
		must(t, errors.Join(os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755), promised(t, read(t, path), false)))
	}
	if !rightstest.Inside(t, rightstest.Nobody(), variable+"="+path) {
		return
	}
	err := promised(t, read(t, path), false)
	wantErr(t, err, fs.ErrPermission)
	if errors.Is(err, access.ErrFrozen) || !strings.Contains(fmt.Sprint(err), "sticky") {
		t.Errorf("error %v, want one about the sticky folder, and not for everybody", err)
	}
}
