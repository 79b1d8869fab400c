package root_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// Whatever stands in a container, a path of it leads to nothing outside, and to
// nothing that is held open by a process.
func TestNoPathLeadsOut(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Namespaces)
	c, err := nginxtest.StartContainer(rightstest.OpenFolder(t), nginxtest.ContainerOptions{
		HostPIDs: true, Live: "upstream myapp { server 127.0.0.1:1; }\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	secret := filepath.Join(t.TempDir(), "secret")
	own := []byte("its own")
	for name, target := range map[string]string{
		"absolute": secret, "up": "../../../../../../.." + secret, "magic": "/proc/self/root" + secret, "cwd": "/proc/1/cwd" + secret,
	} {
		if err := os.Symlink(target, filepath.Join(c.Root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(secret, []byte("ours"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := root.Of(c.PID)
	for _, name := range []string{"absolute", "up", "magic", "cwd"} {
		if text, err := r.Read("/"+name, 100); err == nil {
			t.Errorf("%s led to %q", name, text)
		}
	}
	if err := os.MkdirAll(filepath.Join(c.Root, filepath.Dir(secret)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Root, secret), own, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"absolute", "up"} {
		if text, err := r.Read("/"+name, 100); string(text) != string(own) {
			t.Errorf("%s led to %q, %v", name, text, err)
		}
	}
	if _, err := r.Stat("etc/nginx"); err != nil {
		t.Errorf("below its working folder: %v", err)
	}
	if _, err := r.Stat("../etc/nginx"); err == nil {
		t.Error("a path leads out of its working folder")
	}
	if err := unix.Mkfifo(filepath.Join(c.Root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read("/fifo", 100); !errors.Is(err, ordinary.ErrNotOrdinary) {
		t.Errorf("a FIFO: %v", err)
	}
}
