package switcher_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/release"
)

// A release that is slow to be told holds up no traffic: the switch is done, and
// recorded, before it is known.
func TestSlowReleaseHoldsUpNoTraffic(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	told := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-told
		w.Header().Set("X-Release", "v43")
	}))
	t.Cleanup(app.Close)
	s.Switcher.Site.Releases = switcher.Releases{Timeout: time.Minute, Of: map[switcher.Color]release.Source{
		switcher.Green: {URL: health.MustParseURL(app.URL), Header: "X-Release"},
	}}
	ended := make(chan switcher.Result)
	go func() {
		result, err := s.to(switcher.Green)
		if err != nil {
			t.Error(err)
		}
		ended <- result
	}()
	s.recorded("")
	s.answers(switcher.Green, 20)
	close(told)
	if result := <-ended; result.Release.Name != "v43" || result.Record.ToRelease != "v43" {
		t.Errorf("%+v", result.Release)
	}
	s.recorded("v43")
}

// What a hanging color carried that is left is known from when it was switched to.
func TestLeftReleaseIsTheRecordedOne(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	version := s.Dir + "/VERSION"
	if err := os.WriteFile(version, []byte("v43\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Switcher.Site.Releases = switcher.Releases{Timeout: time.Minute, Of: map[switcher.Color]release.Source{switcher.Green: {File: version}}}
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	left := s.Dir + "/left"
	s.Switcher.Site.Releases.Of[switcher.Green] = release.Source{Command: []string{"/bin/sh", "-c", "echo $$ >" + left + "; exec sleep 600"}}
	began := time.Now()
	result, err := s.Switch(t.Context(), switcher.Request{Handover: nginx.HandoverFast, Command: "back", Who: "test"})
	if err != nil || result.Record.FromRelease != "v43" || time.Since(began) > 30*time.Second {
		t.Errorf("after %s: %v, from %q", time.Since(began), err, result.Record.FromRelease)
	}
	if text, err := os.ReadFile(left); err == nil {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(text))); err == nil {
			t.Errorf("process %s is left", text)
		}
	}
}

// recorded waits for the record of a switch that was done, and holds its release.
func (s *stand) recorded(release string) {
	s.t.Helper()
	if err := nginxtest.Eventually(30*time.Second, func() error {
		newest, err := s.State.Newest()
		if err == nil && (newest == nil || newest.Outcome != string(switcher.Done) || string(newest.ToRelease) != release) {
			err = fmt.Errorf("the newest record is %+v, want one of %q", newest, release)
		}
		return err
	}); err != nil {
		s.t.Error(err)
	}
}
