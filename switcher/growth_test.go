package switcher_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// However often one switches in one process, nothing grows: open files, threads
// and goroutines, files beside the live one and in the state folder.
func TestNothingGrows(t *testing.T) { // alone: open files and goroutines are the whole process's
	switches := 20
	if soaking() {
		switches = 1000
	}
	s := newStand(t, nginxtest.Options{Workers: 1})
	once := func(i int) {
		if _, err := s.to(bothColors[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 { // what is opened once for all is opened by now
		once(i)
	}
	var before grown
	s.eventually(func() (err error) { before, err = s.grown(); return err })
	for i := range switches {
		once(i)
	}
	var after grown
	s.eventually(func() (err error) { // what is closed on the way out may take a moment
		after, err = s.grown()
		if err == nil && (after.descriptors > before.descriptors || after.goroutines > before.goroutines) {
			err = errGrown
		}
		return err
	})
	if after.files != before.files {
		t.Errorf("%d files in the state folder, were %d", after.files, before.files)
	}
	if after.threads > before.threads+4 {
		t.Errorf("%d threads, were %d", after.threads, before.threads)
	}
	t.Logf("before %+v, after %d switches %+v", before, switches, after)
	s.nothingBeside()
}

type grown struct{ descriptors, threads, goroutines, files int }

var errGrown = errors.New("more open files or goroutines than before")

func (s *stand) grown() (grown, error) {
	g := grown{goroutines: runtime.NumGoroutine()}
	for folder, count := range map[string]*int{"/proc/self/fd": &g.descriptors, "/proc/self/task": &g.threads, filepath.Join(s.StateDir, "myapp"): &g.files} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return g, err
		}
		*count = len(entries)
	}
	return g, nil
}
