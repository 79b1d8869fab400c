package nginx_test

import (
	"fmt"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// A worker that has crashed is followed by one that started later, whatever
// the clock on the wall says.
func TestWorkersByTheirStart(t *testing.T) {
	t.Parallel()
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{}, "")
	m, err := only(r.ours)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	newest := func() uint64 {
		workers, err := m.Workers()
		if err != nil {
			t.Fatal(err)
		}
		return workers.Newest
	}
	before := newest()
	if m.Start() == 0 || before < m.Start() {
		t.Errorf("the master started at %d, its newest worker at %d", m.Start(), before)
	}
	eventually(t, func() error { // starts in the same tick cannot be told apart
		if got := newest(); got > before {
			return nil
		}
		for _, worker := range r.Workers() {
			_ = syscall.Kill(worker, syscall.SIGKILL)
		}
		return fmt.Errorf("no worker started after %d", before)
	})
}
