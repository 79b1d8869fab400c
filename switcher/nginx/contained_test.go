package nginx

import (
	"errors"
	"os"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// What was seen of a master is looked at again when it is held: it may have
// become another one.
func TestWhoIsHeld(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Namespaces)
	for _, c := range []struct {
		name  string
		users int
		title string
		named bool
		held  bool
	}{
		{name: "nginx", held: true},
		{name: "in its own user namespace", users: 64001},
		{name: "in its own user namespace, named", users: 64001, named: true, held: true},
		{name: "another program", title: masterTitle + " another"},
		{name: "another program, named", title: masterTitle + " another", named: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			site, err := nginxtest.StartContainerSite(rightstest.OpenFolder(t), nginxtest.ContainerOptions{User: c.users})
			if err != nil {
				t.Fatal(err)
			}
			defer site.Stop()
			p, err := readProcess(site.PID)
			if err != nil {
				t.Fatal(err)
			}
			if c.title != "" {
				p.title = c.title
			}
			var n Nginx
			if c.named {
				n.MasterPID = site.PID
			}
			m, err := n.in(Container{PID: site.PID}).takeHold(t.Context(), p)
			if err == nil {
				m.Close()
			}
			if c.held != (err == nil) || !c.held && !errors.Is(err, ErrNotProved) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A host that only runs containers has no nginx of its own: where none of those
// is shown the file, none runs, as far as root can tell.
func TestNowhere(t *testing.T) {
	t.Parallel()
	_, missing := findBinary("/nowhere/nginx")
	err := Processes{}.Nowhere(marked{missing, ErrNotHere})
	if !errors.Is(err, ErrNoBinary) || !errors.Is(err, ErrNotHere) || errors.Is(err, ErrNotRunning) != (os.Geteuid() == 0) {
		t.Errorf("got %v", err)
	}
	if says := map[bool]string{true: "none in a container", false: "only root can see"}[os.Geteuid() == 0]; !strings.Contains(err.Error(), says) {
		t.Errorf("it does not say %q: %v", says, err)
	}
	if got := (Processes{}).Nowhere(ErrNotRunning); got != ErrNotRunning {
		t.Errorf("got %v", got)
	}
}

func TestNameOfAContainer(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0123456789abcdef", 4)
	for cgroups, want := range map[string]string{
		"0::/system.slice/docker-" + id + ".scope\n":                                                                     id[:12],
		"0::/machine.slice/libpod-" + id + ".scope/container\n":                                                          id[:12],
		"12:pids:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n":                                                id[:12],
		"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod3f.slice/cri-containerd-" + id + ".scope\n": id[:12],
		"0::/docker/" + id + "/init.scope\n":                                                                             id[:12],
		"9:name=systemd:/\n0::/\n":                                                                                       "",
		"0::/system.slice/nginx.service\n":                                                                               "nginx.service",
		"0::/user.slice/" + id[:60] + "\n":                                                                               id[:60],
		"0::/x" + id + "\n":                                                                                              "x" + id,
		"1:name=systemd:/docker/" + id + "/docker/f" + id[:63] + "\n":                                                    "f" + id[:11],
		"5:pids:/elsewhere\n0::/lxc.payload.web\n":                                                                       "lxc.payload.web",
	} {
		if got := nameIn(cgroups); got != want {
			t.Errorf("%q: %q, want %q", cgroups, got, want)
		}
	}
}

// Whoever may start a container may start a thousand: some of them are named.
func TestSomeOfAThousandAreNamed(t *testing.T) {
	t.Parallel()
	err := &SeveralError{Found: make([]Container, 1000)}
	if text := err.Error(); !strings.HasSuffix(text, "; and 992 more") || len(text) > 1000 {
		t.Errorf("%d bytes: %.2000s", len(text), text)
	}
}
