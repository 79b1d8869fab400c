package nginx

import (
	"os"
	"testing"
)

// While a child ends, /proc may leave out another: a load is proved by two
// looks in a row.
func TestALoadIsProvedByTwoLooks(t *testing.T) {
	t.Parallel()
	one, other := processID{pid: 1, start: 1}, processID{pid: 2, start: 1}
	over, missing := look{newServing: []processID{one}}, look{newServing: []processID{one}, oldServing: []processID{other}}
	for name, c := range map[string]struct {
		looks []look
		want  []bool
	}{
		"two":             {[]look{over, over}, []bool{false, true}},
		"one was missing": {[]look{over, missing, over, over}, []bool{false, false, false, true}},
	} {
		w := &wait{opened: true, taken: true}
		for i, now := range c.looks {
			w.now = now
			if got := w.done(); got != c.want[i] {
				t.Errorf("%s: look %d: done is %v, want %v", name, i+1, got, c.want[i])
			}
		}
		if w.disturbed {
			t.Errorf("%s: it was disturbed", name)
		}
	}
}

// A load is complete when as many workers as are asked for serve with the new
// files, none starts, and none of the old ones accepts.
func TestWhenALoadIsComplete(t *testing.T) {
	t.Parallel()
	id := func(pid int) processID { return processID{pid: pid, start: 1} }
	whole := look{newServing: []processID{id(1), id(2)}}
	for name, c := range map[string]struct {
		opened bool
		now    look
		want   bool
	}{
		"complete":               {true, whole, true},
		"the file is not opened": {false, whole, false},
		"too few":                {true, look{newServing: whole.newServing[:1]}, false},
		"one starts":             {true, look{newServing: whole.newServing, newStarting: []processID{id(3)}}, false},
		"an old one accepts":     {true, look{newServing: whole.newServing, oldServing: []processID{id(4)}}, false},
		"old ones drain":         {true, look{newServing: whole.newServing, draining: []processID{id(4)}}, true},
	} {
		w := &wait{opened: c.opened, looks: looks{now: c.now}, load: Load{Asked: 2}}
		if got := w.complete(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A pid may have been given to another process since it was read.
func TestAHandleIsOfTheProcessMeant(t *testing.T) {
	t.Parallel()
	self, err := readStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	held, err := hold(self.id)
	if err != nil {
		t.Fatal(err)
	}
	held.close()
	self.id.start--
	if held, err := hold(self.id); err == nil {
		held.close()
		t.Error("another process is held")
	}
}
