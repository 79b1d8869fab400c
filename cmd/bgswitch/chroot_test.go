package main

import (
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// In a chroot the root folder need be no mount point: there, too, the new file
// is tested without touching the live one, and nothing outside sees it.
func TestInAChroot(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideChroot(t) {
		return
	}
	s := newVerifyStand(t, quick)
	for _, command := range []string{"to green", "back"} {
		if out := s.exits(0, strings.Fields(command)...); strings.Contains(out, "in place") {
			t.Errorf("%s: %s", command, out)
		}
	}
	s.exits(0, "verify")
	if err := s.WriteConf(nginxtest.Options{HTTP: "nonsense on;"}); err != nil {
		t.Fatal(err)
	}
	s.exits(4, "to", "green")
}
