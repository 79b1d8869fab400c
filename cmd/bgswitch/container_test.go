package main

import (
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

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
