package switcher_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// A link in sites-enabled stays a link, and its target is replaced.
func TestLinkStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	available := filepath.Join(dir, "available.conf")
	s := newStandIn(t, dir, nginxtest.Options{})
	if err := os.Rename(s.Live, available); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../available.conf", s.Live); err != nil {
		t.Fatal(err)
	}
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	s.answers(switcher.Green, 10)
	if target, err := os.Readlink(s.Live); err != nil || target != "../available.conf" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if content, _ := os.ReadFile(available); string(content) != nginxtest.LiveFile(s.Green.Addr) {
		t.Errorf("the target holds %q", content)
	}
}

func TestHardLinkIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newStandIn(t, dir, nginxtest.Options{})
	if err := os.Link(s.Live, filepath.Join(dir, "second")); err != nil {
		t.Fatal(err)
	}
	s.refuses(switcher.Failed, "hard links")
}

// An nginx that was given the single file goes on seeing that very file: it is
// written in place, and a refused one comes back the same way.
func TestFileMountedByItself(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	dir := t.TempDir()
	live := filepath.Join(dir, "conf.d", "active_upstream.conf")
	mount := []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" "$0" && exec "$@"`, live}
	s := newStandIn(t, dir, nginxtest.Options{Launch: mount, HTTP: "limit_req_zone $binary_remote_addr zone=one:1m rate=1000r/s;"})
	before := inode(t, s.Live)
	result, err := s.to(switcher.Green)
	if err != nil {
		t.Fatal(err)
	}
	s.answers(switcher.Green, 20)
	if got := inode(t, s.Live); got != before {
		t.Errorf("the file is inode %d now, was %d: nginx would not see it", got, before)
	}
	if notes := strings.Join(result.Notes, "; "); !strings.Contains(notes, "in place") {
		t.Errorf("the notes do not say how it was written: %q", notes)
	}
	if _, err := s.to(switcher.Blue); err != nil {
		t.Fatal(err)
	}
	s.edited(nginxtest.Options{HTTP: "limit_req_zone $uri zone=one:1m rate=1000r/s;"})
	s.refuses(switcher.RolledBack, "while previously it used")
	if kept, _ := filepath.Glob(filepath.Join(s.StateDir, "myapp", ".*")); len(kept) != 0 {
		t.Errorf("left in the state folder: %v", kept)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// A reader that opens the live file in a loop never finds it torn or missing.
func TestReadersNeverSeeHalf(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 1})
	whole := map[string]bool{nginxtest.LiveFile(s.Blue.Addr): true, nginxtest.LiveFile(s.Green.Addr): true}
	stop, seen := make(chan struct{}), make(chan int)
	go func() {
		reads := 0
		defer func() { seen <- reads }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			content, err := os.ReadFile(s.Live)
			if err != nil || !whole[string(content)] {
				t.Errorf("read %q, %v", content, err)
				return
			}
			reads++
		}
	}()
	switches := 40
	if soaking() {
		switches = 1000
	}
	for i := range switches {
		if _, err := s.to(bothColors[i%2]); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	t.Logf("%d reads", <-seen)
}
