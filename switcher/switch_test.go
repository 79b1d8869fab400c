package switcher_test

import (
	"os"
	"strings"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// Every connection opened after a switch has returned is answered by the
// target, and no request fails meanwhile, with and without keep-alive.
func TestSwitchesUnderLoad(t *testing.T) {
	switches := 200
	if os.Getenv("BGSWITCH_SOAK") != "" {
		switches = 2000
	}
	s := newStand(t, nginxtest.Options{})
	kept := &nginxtest.Load{URL: s.URL(), Clients: 4, KeepAlive: true}
	fresh := &nginxtest.Load{URL: s.URL(), Clients: 4}
	kept.Start()
	fresh.Start()
	colors := []switcher.Color{switcher.Green, switcher.Blue}
	for i := range switches {
		result, err := s.to(colors[i%2])
		if err != nil || result.Outcome != switcher.Done {
			t.Fatalf("switch %d: %v, %v", i, result.Outcome, err)
		}
		if g := result.Record.Generation; g.Handover != nginx.HandoverFast {
			t.Errorf("switch %d: nginx ended the old workers itself", i)
		}
		s.answers(colors[i%2], 5)
	}
	for name, counts := range map[string]nginxtest.Counts{"kept": kept.Stop(), "fresh": fresh.Stop()} {
		t.Logf("%s connections: %d requests", name, counts.Requests)
		if counts.Failed != 0 || counts.Requests == 0 {
			t.Errorf("%s connections: %d of %d requests failed: %s", name, counts.Failed, counts.Requests, counts.FirstFailure)
		}
	}
	if got := len(s.Workers()); got != 2 {
		t.Errorf("%d workers serve in the end, want 2", got)
	}
	s.logIsQuiet()
}

// logIsQuiet makes sure that nginx had nothing above notice to say.
func (s *stand) logIsQuiet() {
	s.t.Helper()
	text, err := os.ReadFile(s.ErrorLog)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for _, level := range []string{"[warn]", "[error]", "[crit]", "[alert]", "[emerg]"} {
			if strings.Contains(line, level) {
				s.t.Errorf("nginx's error log: %s", line)
				return
			}
		}
	}
}
