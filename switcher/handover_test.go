package switcher_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

var bothColors = []switcher.Color{switcher.Green, switcher.Blue}

// underLoad makes sure that the test's traffic loses nothing.
func (s *stand) underLoad(test func()) {
	s.t.Helper()
	kept := &nginxtest.Load{URL: s.URL(), Clients: 2, KeepAlive: true, Pause: time.Millisecond}
	fresh := &nginxtest.Load{URL: s.URL(), Clients: 2, Pause: time.Millisecond}
	kept.Start()
	fresh.Start()
	test()
	s.lost(kept, 0)
	s.lost(fresh, 0)
}

// sound is how everything has to be after a switch that is done.
func (s *stand) sound(color switcher.Color, workers int) {
	s.t.Helper()
	s.answers(color, 20)
	want := map[switcher.Color]string{switcher.Blue: s.Blue.Addr, switcher.Green: s.Green.Addr}[color]
	if s.live() != nginxtest.LiveFile(want) {
		s.t.Errorf("the live file is not that of %s:\n%s", color, s.live())
	}
	s.nothingBeside()
	if err := s.Test(); err != nil {
		s.t.Error(err)
	}
	if got := len(s.Workers()); got != workers {
		s.t.Errorf("%d workers serve, want %d", got, workers)
	}
	if status := s.Status(context.Background()); len(status.Drift) > 0 {
		s.t.Errorf("status sees drift: %v", status.Drift)
	}
}

// nginx's own pace: its old workers are told to end by nobody but itself, and
// the answer comes no sooner than they accept no more.
func TestHandoverByNginx(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.underLoad(func() {
		for i := range 10 {
			color := bothColors[i%2]
			result, err := s.Switch(t.Context(), switcher.Request{To: color, Handover: nginx.HandoverNginx, Command: "to"})
			if err != nil {
				t.Fatal(err)
			}
			s.answers(color, 20)
			g := result.Record.Generation
			if g == nil || g.Handover != nginx.HandoverNginx || g.CutOver < 95*time.Millisecond {
				t.Errorf("switch %d: nginx was not left its 100 ms: %+v", i, g)
			}
		}
	})
	s.sound(switcher.Blue, 2)
	s.logIsQuiet()
}

// However many workers there are, and wherever they listen.
func TestHandoverOfWorkers(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]nginxtest.Options{
		"a single worker": {Workers: 1},
		"sixteen workers": {Workers: 16},
		"reuseport":       {Workers: 4, Listen: "127.0.0.1:%d reuseport"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, o)
			s.underLoad(func() {
				for i := range 4 {
					result, err := s.to(bothColors[i%2])
					if err != nil {
						t.Fatal(err)
					}
					if got := len(result.Record.Generation.Workers); got != o.Workers {
						t.Errorf("switch %d: the new generation has %d workers, want %d", i, got, o.Workers)
					}
					s.answers(bothColors[i%2], 20)
				}
			})
			s.sound(switcher.Blue, o.Workers)
			s.logIsQuiet()
		})
	}
}

// A reload that carries another number of workers, too.
func TestHandoverToAnotherNumberOfWorkers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after int }{{2, 4}, {4, 2}, {1, 3}, {3, 1}} {
		t.Run(fmt.Sprintf("%d to %d", c.before, c.after), func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{Workers: c.before})
			old := s.Workers()
			s.edited(nginxtest.Options{Workers: c.after})
			s.underLoad(func() {
				result, err := s.to(switcher.Green)
				if err != nil {
					t.Fatal(err)
				}
				s.answers(switcher.Green, 20)
				if got := result.Record.Generation.Workers; len(got) != c.after {
					t.Errorf("proved with workers %v, want %d", got, c.after)
				}
			})
			for _, pid := range s.Workers() {
				if slices.Contains(old, pid) {
					t.Errorf("worker %d is an old one", pid)
				}
			}
			s.sound(switcher.Green, c.after)
		})
	}
}
