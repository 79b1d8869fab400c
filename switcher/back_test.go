package switcher_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// goBack goes back and returns what was told on the way.
func (s *stand) goBack() (result switcher.Result, said []string, err error) {
	of := *s.Switcher
	of.Say = func(text string) { said = append(said, text) }
	result, err = of.Switch(context.Background(), switcher.Request{Handover: nginx.HandoverFast, Command: "back", Who: "test"})
	return result, said, err
}

// The color that is left is asked nothing, neither directly nor through nginx:
// one that hangs would hold whoever wants to leave it.
func TestBackAsksNothingOfWhatItLeaves(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.confirmed()
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	s.Green.Mute(true)
	result, said, err := s.goBack()
	if err != nil || result.Record.Proof != switcher.ByIdentity {
		t.Fatalf("%v, proof %q", err, result.Record.Proof)
	}
	if n := s.Green.Asked(); n != 0 {
		t.Errorf("green was asked %d times", n)
	}
	if want := []string{"going back from green to blue"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	s.answers(switcher.Blue, 10)
}

// What the target carries is known from any switch, where it does not say so at once.
func TestBackNamesTheTarget(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	blue := s.carries(switcher.Blue, "v42")
	for _, color := range []switcher.Color{switcher.Green, switcher.Blue, switcher.Green} {
		s.switched(color)
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(s.Live, later, later); err != nil {
		t.Fatal(err)
	}
	if r := s.switched(switcher.Green); r.Record.From != switcher.Green {
		t.Errorf("it has gone from %s", r.Record.From)
	}
	blue.hold.Store(make(chan struct{}))
	s.Switcher.Site.Releases.Timeout = time.Second
	_, said, err := s.goBack()
	if want := []string{"going back from green to blue (said to be v42)"}; err != nil || !slices.Equal(said, want) {
		t.Errorf("said %q, %v, want %q", said, err, want)
	}
}
