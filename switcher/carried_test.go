package switcher_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// pending is what a dry run says of other people's changes.
func (s *stand) pending() []string {
	s.t.Helper()
	result, err := s.Switch(s.t.Context(), switcher.Request{DryRun: true, Command: "back", Handover: nginx.HandoverFast})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.about(result, carries)
}

const carries = "nginx also loads other changes: "

// What somebody else has changed, and nobody has loaded yet, is loaded by a
// switch, too: that is said, of three files at most, until it was.
func TestOtherChangesAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := func(i int) string { return filepath.Join(dir, fmt.Sprintf("other%d.conf", i)) }
	edit := func(i int) {
		t.Helper()
		if err := os.WriteFile(other(i), []byte("# an edit\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		edit(i)
	}
	s := newStandIn(t, dir, nginxtest.Options{HTTP: "include " + dir + "/other*.conf;"})
	const since = " changed since it last loaded anything"
	one := carries + other(2) + since
	s.eventually(func() error { // the kernel counts starts in 10 ms: a file has to be younger by more
		edit(2)
		if got := s.pending(); len(got) != 1 || got[0] != one {
			return fmt.Errorf("it says %q, want %q", got, one)
		}
		return nil
	})
	for i := range 5 {
		edit(i)
	}
	all := carries + other(0) + ", " + other(1) + ", " + other(2) + " and 2 more" + since
	if got := s.pending(); len(got) != 1 || got[0] != all {
		t.Errorf("it says %q, want %q", got, all)
	}
	result, err := s.to(switcher.Green)
	if got := s.about(result, carries); err != nil || len(got) != 1 || got[0] != all {
		t.Errorf("the switch says %q, want %q: %v", got, all, err)
	}
	s.eventually(func() error { // it was loaded
		if got := s.pending(); len(got) != 0 {
			return errors.New(got[0])
		}
		return nil
	})
	result, err = s.to(switcher.Blue)
	if got := s.about(result, carries); err != nil || len(got) != 0 {
		t.Errorf("the next switch says %q: %v", got, err)
	}
	// The live file is what the switch is about, also where somebody has edited it.
	for range 3 {
		if err := os.WriteFile(s.Live, []byte(s.live()+"# a line more\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := s.pending(); len(got) != 0 {
			t.Errorf("of our own live file it says %q", got)
		}
	}
}
