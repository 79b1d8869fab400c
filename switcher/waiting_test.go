package switcher_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// heard is what somebody is told while he waits.
type heard struct {
	lock sync.Mutex
	text []string
}

func (h *heard) say(text string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.text = append(h.text, text)
}

func (h *heard) all() []string {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.text
}

// Waiting takes the time that was given, and no more: also for a backend that
// never answers, and a check that asks for long. Once it is over the target is
// asked as usual.
func TestWaitKeepsItsTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		breaks func(*nginxtest.App)
		atMost time.Duration
	}{
		"never an answer": {func(a *nginxtest.App) { a.Mute(true) }, 2*time.Second + 5*time.Second},
		"sick":            {func(a *nginxtest.App) { a.Sicken(true) }, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			s.Switcher.Site.Check.Timeout, s.Switcher.Site.Check.Attempts = 5*time.Second, 1
			s.Switcher.Site.Check.Interval = time.Minute
			test.breaks(s.Green)
			began := time.Now()
			result, err := s.Switch(t.Context(), switcher.Request{To: switcher.Green, Wait: 2 * time.Second, Command: "to", Handover: nginx.HandoverFast})
			took := time.Since(began)
			var failed *switcher.Error
			if !errors.As(err, &failed) || failed.Outcome != switcher.Unhealthy {
				t.Errorf("want it unhealthy: %v, %v", result.Outcome, err)
			}
			if took < 2*time.Second || took > test.atMost+2*time.Second { // a busy machine has its own
				t.Errorf("it took %s", took)
			}
			s.answers(switcher.Blue, 5)
		})
	}
}

// Who waits is told why at once, and then only when that changes, however long
// each answer took.
func TestWaitTellsChanges(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	said := &heard{}
	s.Switcher.Say = said.say
	s.Green.Sicken(true)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Switch(ctx, switcher.Request{To: switcher.Green, Wait: time.Minute, Command: "to", Handover: nginx.HandoverFast})
		ended <- err
	}()
	s.eventually(func() error {
		if s.Green.Asked() < 10 {
			return fmt.Errorf("it was asked %d times", s.Green.Asked())
		}
		return nil
	})
	told := said.all()
	if len(told) != 1 || !regexp.MustCompile(`^waiting for green, (1m|[345]\d(\.\d)?s)`).MatchString(told[0]) || !strings.HasSuffix(told[0], `status 503: "db down"`) {
		t.Errorf("it was told %q", told)
	}
	_ = s.Green.Stop()
	s.eventually(func() error {
		if told := said.all(); len(told) != 2 || !strings.Contains(told[1], "refused") {
			return fmt.Errorf("it was told %q", told)
		}
		return nil
	})
	cancel()
	var failed *switcher.Error
	if err := <-ended; !errors.As(err, &failed) || failed.Outcome != switcher.Interrupted {
		t.Errorf("want it interrupted: %v", err)
	}
}
