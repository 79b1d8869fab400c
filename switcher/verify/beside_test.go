package verify

import (
	"context"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
)

// A switch is no alarm, whatever it moves while verify looks.
func TestVerifyBesideSwitches(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Switcher.Site.Confirm = s.confirm()
	s.Now = nil // switches take their own time
	if f := s.Run(t.Context()); f.Level != OK {
		t.Fatalf("before: %s %s", f.Level, f.Text)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			to := []switcher.Color{switcher.Green, switcher.Blue}[i%2]
			if _, err := s.Switcher.Switch(t.Context(), switcher.Request{To: to, Handover: nginx.HandoverFast, Command: "to", Who: "test"}); err != nil {
				t.Errorf("switch %d: %v", i, err)
			}
			time.Sleep(time.Duration(i%7) * 5 * time.Millisecond) // so that some looks begin before a switch
		}
	}()
	for i := range 150 {
		if f := s.Run(t.Context()); f.Level != OK {
			t.Errorf("run %d: %s %s", i, f.Level, f.Text)
		}
	}
	stop()
	<-ended
}
