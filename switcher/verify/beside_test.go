package verify

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"bgswitch/health"
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

// One from another state folder leaves no record here, and is seen all the same.
func TestSwitchedElsewhereWhileLooking(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	var once sync.Once
	through := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { s.elsewhere(switcher.Green) })
		w.Header().Set("X-Color", "green")
	}))
	defer through.Close()
	confirm := s.confirm()
	confirm.URL = health.MustParseURL(through.URL)
	s.Switcher.Site.Confirm = confirm
	s.play([]step{{"looked again", nil, OK, "", `^green live \(200`, 0}})
}
