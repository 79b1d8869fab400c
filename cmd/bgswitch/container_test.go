package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// containedVictim is one whose nginx is in a container.
func containedVictim(t *testing.T) *victim {
	t.Helper()
	return victimOf(t, containerSite(t, nginxtest.ContainerOptions{Workers: 1}))
}

// containerSite is a site whose nginx is in a container, with settings that say
// nothing of it.
func containerSite(t *testing.T, o nginxtest.ContainerOptions) *nginxtest.Site {
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
	return site
}

// In a container, too, check shows how it went: the address that a name of the
// container's leads to, and what was said there.
func TestCheckInAContainer(t *testing.T) {
	t.Parallel()
	site := containerSite(t, nginxtest.ContainerOptions{})
	site.Green.Sicken(true)
	if err := os.WriteFile(site.Settings, []byte(site.SettingsText("")), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"bgswitch", "check", "green", "--config", site.Settings}, &stdout, &stderr); code != exitUnhealthy {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	for _, want := range []string{"\n    * connected to 127.0.0.", "\n    > Host: " + site.Green.Addr + "\n", "\n    < HTTP/1.1 503 Service Unavailable\n", "\nmyapp  green is UNHEALTHY: "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, &stdout)
		}
	}
}
