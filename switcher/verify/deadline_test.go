package verify

import (
	"context"
	"net"
	"testing"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
)

// mute accepts connections and never answers.
func mute(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// A backend that was given its time and did not answer is unhealthy; one that
// there was no time to ask is unknown, and counts for nothing.
func TestDeadline(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.play([]step{allWell})
	s.Switcher.Site.Files[0].Layout = nginxconf.Layout{{Selector: nginxconf.ServerOf("myapp"), Colors: nginxconf.Colors{
		switcher.Blue: {address(t, s.Blue.Addr)}, switcher.Green: {address(t, mute(t))},
	}}}
	s.Options.Deadline, s.Options.Fall = time.Second, 1
	s.Switcher.Site.Check.Timeout = 200 * time.Millisecond
	began := time.Now()
	if f := s.run(); f.Level != Warning || f.Memory.Streaks["green"].Bad != 1 {
		t.Errorf("%s: %s", f.Level, f.Text)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s.clock = s.clock.Add(time.Minute)
	f := s.Run(ctx)
	if f.Level != Unknown || f.Memory.Streaks["green"].Bad != 1 || f.WayOpen != nil && *f.WayOpen {
		t.Errorf("%s: %s, %+v", f.Level, f.Text, f.Memory.Streaks)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Options.Fall, s.Options.Rise = 1, 1
	s.Switcher.Site.Confirm = s.confirm()
	s.play([]step{allWell, {"down", sick(blue), Critical, EventChange, `UNHEALTHY`, 0}})
	s.Options.Failover = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := s.Run(ctx)
	if f.Level != Unknown || f.Text != "interrupted before everything had answered" || f.Event != "" || f.Switched != nil || f.Memory.Streaks["answers"].Bad != 0 {
		t.Errorf("%s: %s, %+v", f.Level, f.Text, f.Memory.Streaks)
	}
	s.play([]step{{"as ever", nil, Warning, EventFailover, failedOver, 0}})
}
