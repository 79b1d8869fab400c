package nginxtest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// What stands in for a container is one: it has its own pids, network, hosts and
// root folder, and nothing of it is left.
func TestContainer(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Namespaces)
	for name, o := range map[string]nginxtest.ContainerOptions{
		"folder":             {},
		"folder, read-only":  {ReadOnly: true},
		"file":               {Mount: nginxtest.MountFile},
		"file, read-only":    {Mount: nginxtest.MountFile, ReadOnly: true},
		"its own":            {Mount: nginxtest.MountNone},
		"the host's network": {HostNetwork: true},
		"the host's pids":    {HostPIDs: true},
		"its own users":      {User: 64001},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := rightstest.OpenFolder(t)
			s, err := nginxtest.StartContainerSite(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			got := nginxtest.Answers(s.URL(), 3)
			if got["blue"] != 3 {
				t.Errorf("%v; nginx said:\n%s", got, s.Container.Said())
			}
			isContained(t, s, o)
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.PID)); len(text) > 0 {
				t.Errorf("process %d is still there", s.PID)
			}
		})
	}
}

func isContained(t *testing.T, s *nginxtest.Site, o nginxtest.ContainerOptions) {
	t.Helper()
	root := fmt.Sprintf("/proc/%d/root", s.PID)
	pid, err := os.ReadFile(root + "/run/nginx.pid")
	if own := strings.TrimSpace(string(pid)) == "1"; err != nil || own == o.HostPIDs {
		t.Errorf("its pid file holds %q, %v", pid, err)
	}
	for _, kind := range []string{"mnt", "net", "pid", "user"} {
		theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", s.PID, kind))
		ours, _ := os.Readlink("/proc/self/ns/" + kind)
		shared := kind == "net" && o.HostNetwork || kind == "pid" && o.HostPIDs || kind == "user" && o.User == 0
		if theirs == "" || (theirs == ours) != shared {
			t.Errorf("%s: %s inside, %s here", kind, theirs, ours)
		}
	}
	seen, err := os.Stat(root + s.Container.Inside)
	if err != nil {
		t.Fatal(err)
	}
	if here, err := os.Stat(s.Live); err != nil || !os.SameFile(seen, here) {
		t.Errorf("it sees another live file than %s: %v", s.Live, err)
	}
	if _, err := os.Stat(root + "/root"); err == nil {
		t.Error("it sees the host's folders")
	}
}
