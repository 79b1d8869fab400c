package switcher_test

import (
	"errors"
	"strings"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// containerStand is a site whose nginx is in a container, and whose settings say
// nothing of it.
func containerStand(t *testing.T, o nginxtest.ContainerOptions) *stand {
	t.Helper()
	rightstest.Needs(t, rightstest.Namespaces)
	site, err := nginxtest.StartContainerSite(rightstest.OpenFolder(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &stand{Site: site, Switcher: switcherFor(t, site), t: t}
	s.Switcher.Nginx = &nginx.Nginx{}
	return s
}

// Whatever way the live file comes into a container, a switch there and back is
// tested, proved and fast as on the host.
func TestSwitchInAContainer(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]nginxtest.ContainerOptions{
		"folder":             {},
		"folder, read-only":  {ReadOnly: true},
		"file":               {Mount: nginxtest.MountFile},
		"file, read-only":    {Mount: nginxtest.MountFile, ReadOnly: true},
		"its own":            {Mount: nginxtest.MountNone},
		"the host's network": {HostNetwork: true},
		"the host's pids":    {HostPIDs: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := containerStand(t, o)
			for _, to := range []switcher.Color{switcher.Green, switcher.Blue} {
				s.switchesAsOnTheHost(to)
			}
		})
	}
}

// On a busy machine nginx may be faster than our looks, now and then.
func TestFastHandoverInAContainer(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	to := switcher.Blue
	s.eventually(func() error {
		to = to.Other()
		result, err := s.to(to)
		if err == nil && result.Record.Generation.Handover != nginx.HandoverFast {
			err = errors.New("nginx ended the old workers")
		}
		return err
	})
}

func (s *stand) switchesAsOnTheHost(to switcher.Color) {
	s.t.Helper()
	before := s.live()
	from := map[switcher.Color]string{switcher.Blue: s.Blue.Addr, switcher.Green: s.Green.Addr}
	result, err := s.to(to)
	if err != nil {
		s.t.Fatalf("%v\nnginx said:\n%s", err, s.Container.Said())
	}
	if want := strings.Replace(before, from[to.Other()], from[to], 1); s.live() != want {
		s.t.Errorf("the file holds %q, want %q", s.live(), want)
	}
	s.answers(to, 20)
	g := result.Record.Generation
	if g == nil || g.Master != s.PID || result.Record.Proof != "generation" {
		s.t.Errorf("proof %q, generation %+v; the master is %d", result.Record.Proof, g, s.PID)
	}
	if len(result.Verdicts) != 1 || !result.Verdicts[0].Healthy {
		s.t.Errorf("verdicts: %v", result.Verdicts)
	}
	for _, note := range result.Notes {
		if !strings.Contains(note, "mounted by itself") {
			s.t.Errorf("a note: %s", note)
		}
	}
}
