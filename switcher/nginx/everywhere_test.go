package nginx

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// An nginx that was started with a configuration of its own is found by its process,
// with what it was started with; that of another user is not, for what it runs would
// be run by us.
func TestEverywhere(t *testing.T) {
	t.Parallel()
	find := func(pid int) *Running {
		census, err := Census()
		if err != nil {
			t.Fatal(err)
		}
		census = slices.DeleteFunc(census, func(p process) bool { return p.id.pid != pid }) // others' tests run theirs
		found, _ := (&Nginx{}).Everywhere(t.Context(), census)
		var ours *Running
		for i := range found {
			if found[i].Master.PID == pid {
				ours = &found[i]
			}
			found[i].Master.Close()
		}
		return ours
	}
	n, err := nginxtest.Start(t.TempDir(), nginxtest.Options{Live: "upstream myapp { server 127.0.0.1:1; }\n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	if binary, _ := nginxtest.Binary(); safeBinary(n.PID) != "" {
		if got := find(n.PID); got == nil || got.Conf != n.Conf || got.Prefix != n.Dir || got.Within != nil {
			t.Errorf("found %+v", got)
		}
	} else {
		t.Logf("%s is none that root could believe", binary)
	}
	rightstest.Needs(t, rightstest.Root)
	dir := rightstest.OpenFolder(t)
	for _, name := range []string{".", "conf.d", "conf.d/active_upstream.conf"} {
		if name == "conf.d" {
			err = os.Mkdir(filepath.Join(dir, name), 0o755)
		} else if name != "." {
			err = os.WriteFile(filepath.Join(dir, name), nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(dir, name), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	theirs, err := nginxtest.Start(dir, nginxtest.Options{Live: "upstream myapp { server 127.0.0.1:1; }\n", User: &syscall.Credential{Uid: 65534, Gid: 65534}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Stop() })
	if got := find(theirs.PID); got != nil {
		t.Errorf("another user's is found: %+v", got)
	}
}
