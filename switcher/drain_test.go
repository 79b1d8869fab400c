package switcher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
)

// drained asks once.
func (s *stand) drained(color switcher.Color) (switcher.Drain, error) {
	return s.Drain(context.Background(), color, 0, func(switcher.Drain, time.Duration) {})
}

// open waits until so many connections keep a color from being stopped, and as
// many workers as there are old ones.
func (s *stand) open(color switcher.Color, connections int) switcher.Drain {
	s.t.Helper()
	var got switcher.Drain
	var err error
	if late := nginxtest.Eventually(nginxtest.Patience, func() error {
		workers := len(s.Draining())
		got, err = s.drained(color)
		if len(got.Keeping()) != workers || got.Connections() != connections || got.Unread != nil {
			return fmt.Errorf("%v, of %d old workers: %w", got, workers, err)
		}
		return nil
	}); late != nil {
		s.t.Errorf("want %d connections to %s: %v", connections, color, late)
	}
	if got.Drained() != (err == nil) || got.Drained() && connections > 0 {
		s.t.Errorf("%v: drained %v, %v", got, got.Drained(), err)
	}
	return got
}

func (s *stand) switched(color switcher.Color) switcher.Result {
	s.t.Helper()
	result, err := s.to(color)
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

// silent opens a connection to nginx on which nothing is asked yet.
func (s *stand) silent() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// What was opened before a switch keeps the color that it was opened to from
// being stopped, an answer that goes on as well as a connection on which nothing
// was asked yet. When the last of it is closed, nothing does.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.open("", 0)
	held := []io.Closer{s.hold(), s.hold(), s.silent()}
	s.switched(switcher.Green)
	for _, connections := range []int{2, 1, 0} {
		d := s.open(switcher.Blue, connections)
		if d.Drained() {
			t.Errorf("%d connections and a silent one are open, and it is drained", connections)
		}
		for _, w := range d.Workers {
			if w.Color != switcher.Blue || w.Since.IsZero() || time.Since(w.Since) > time.Minute {
				t.Errorf("%+v, want one of blue", w)
			}
		}
		_ = held[2-connections].Close()
	}
	s.drains(switcher.Blue)
	_, err := s.drained(switcher.Green)
	s.refusal(err, switcher.NotDrained, "green is live")
}

// drains waits until nothing is left of a color.
func (s *stand) drains(color switcher.Color) {
	s.t.Helper()
	got, err := s.Drain(context.Background(), color, nginxtest.Patience, func(switcher.Drain, time.Duration) {})
	if err != nil || !got.Drained() {
		s.t.Errorf("%s: %v, %v", color, got, err)
	}
}

func (s *stand) refusal(err error, outcome switcher.Outcome, text string) {
	s.t.Helper()
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != outcome || !strings.Contains(failed.Error(), text) {
		s.t.Errorf("got %v, want %s: %s", err, outcome, text)
	}
}
