package trust

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

func makeTree(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("it"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func removed(t *testing.T, ctx context.Context, dir, name string) (gone int, err error) {
	t.Helper()
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	err = folder.RemoveFolder(ctx, name, func() { gone++ })
	return gone, err
}

func TestRemoveFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var many []string
	for n := range 3 * removedAtOnce {
		many = append(many, "old/many/"+strings.Repeat("x", n%7)+string(rune('a'+n%26))+strings.Repeat("y", n/26))
	}
	makeTree(t, dir, append(many, "old/a/b/c/d", "other/precious")...)
	if err := errors.Join(os.Symlink(dir+"/other", dir+"/old/out"), os.Symlink(dir+"/other", dir+"/link"), unix.Mkfifo(dir+"/old/fifo", 0o644)); err != nil {
		t.Fatal(err)
	}
	if gone, err := removed(t, t.Context(), dir, "old"); err != nil || gone < 3*removedAtOnce/2 {
		t.Errorf("%d names are gone, %v", gone, err)
	}
	if _, err := os.Lstat(dir + "/old"); !os.IsNotExist(err) {
		t.Errorf("it is there still: %v", err)
	}
	for _, name := range []string{"link", "other/precious", "none", ".."} {
		if gone, err := removed(t, t.Context(), dir, name); err == nil || gone > 0 {
			t.Errorf("%s: %d names are gone, %v", name, gone, err)
		}
	}
	if text, err := os.ReadFile(dir + "/other/precious"); string(text) != "it" {
		t.Errorf("what the links lead to holds %q, %v", text, err)
	}
}

func TestRemoveFolderIsInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeTree(t, dir, "old/a", "old/b")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if gone, err := removed(t, ctx, dir, "old"); !errors.Is(err, context.Canceled) || gone > 0 {
		t.Errorf("%d names are gone, %v", gone, err)
	}
}

// What is mounted is neither entered nor taken away, also where it is the same file
// system once more.
func TestRemoveFolderEntersNoMount(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	dir := t.TempDir()
	makeTree(t, dir, "old/shared/x", "other/precious", "mounted/x")
	for _, at := range []string{"old/shared", "mounted"} {
		if err := unix.Mount(dir+"/other", dir+"/"+at, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir+"/"+at, unix.MNT_DETACH) })
	}
	for _, name := range []string{"old", "mounted"} {
		if _, err := removed(t, t.Context(), dir, name); err == nil || !strings.HasSuffix(err.Error(), " is a mount") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := os.ReadFile(dir + "/other/precious"); string(text) != "it" {
		t.Errorf("what is mounted holds %q, %v", text, err)
	}
}

// With another user's rights nothing is done that he may not, and ours come back.
func TestAs(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	dir := rightstest.OpenFolder(t)
	makeTree(t, dir, "his/a", "his/ours/b")
	if err := errors.Join(os.Chown(dir+"/his", 65534, 65534), os.Chown(dir+"/his/a", 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	user, err := Behind(dir + "/his")
	if err != nil || user == nil || user.Uid != 65534 || user.Gid == 0 {
		t.Fatalf("in the hands of %+v, %v", user, err)
	}
	err = As(user, func() error {
		_, err := removed(t, t.Context(), dir, "his")
		return err
	})
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("%v", err)
	}
	if _, err := os.Lstat(dir + "/his/ours/b"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(dir+"/his/ours/c", nil, 0o600); err != nil {
		t.Errorf("our rights: %v", err)
	}
}
