package inside

import (
	"strings"
	"testing"

	"bgswitch/switcher/aside"
	"bgswitch/switcher/command"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// nginx's own test, with a candidate, runs in each kind of container, whose log
// is /dev/stderr; nothing of the candidate is left.
func TestNginx(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Namespaces)
	for name, o := range map[string]nginxtest.ContainerOptions{
		"folder":             {},
		"file":               {Mount: nginxtest.MountFile},
		"file, read-only":    {Mount: nginxtest.MountFile, ReadOnly: true},
		"its own":            {Mount: nginxtest.MountNone},
		"the host's network": {HostNetwork: true},
		"the host's pids":    {HostPIDs: true},
		"its own users":      {User: 64001},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site, err := nginxtest.StartContainerSite(rightstest.OpenFolder(t), o)
			if err != nil {
				t.Fatal(err)
			}
			defer site.Stop()
			p, err := Open(site.PID)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			p.rights.Filtered = true // as a runtime would
			dump := command.Output{Limit: 1 << 20}
			content := aside.Content{Over: site.Container.Inside, Bytes: []byte("upstream myapp { server 127.0.0.1:9; } # candidate\n"), Mode: 0o644}
			out, err := p.Run(t.Context(), Program{Args: []string{"-T", "-q"}, Over: []aside.Content{content}, Stdout: &dump})
			if err != nil || !strings.Contains(string(dump.Bytes), "# candidate") {
				t.Fatalf("%v\n%s\n%s", err, out, dump.Bytes)
			}
			content.Bytes = []byte("upstream myapp { serve 127.0.0.1:9; }\n")
			out, err = p.Run(t.Context(), Program{Args: []string{"-T", "-q"}, Over: []aside.Content{content}, Stdout: &dump})
			if !command.Exited(err) || !strings.Contains(string(out), `unknown directive "serve"`) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
