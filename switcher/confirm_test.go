package switcher_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// confirmed is a stand whose settings ask through nginx.
func confirmed(t *testing.T, blue, green switcher.Mark) *stand {
	t.Helper()
	s := newStand(t, nginxtest.Options{})
	s.Switcher.Site.Confirm = &switcher.Confirm{
		URL: health.MustParseURL(s.URL()), Marks: map[switcher.Color]switcher.Mark{switcher.Blue: blue, switcher.Green: green},
	}
	return s
}

// A confirm that cannot work is refused before it costs a cut-over.
func TestConfirmValidate(t *testing.T) {
	t.Parallel()
	const url, inside = "http://127.0.0.1/", "is part of the other"
	for _, test := range []struct {
		url, host   string
		blue, green switcher.Mark
		want        string // of the error; empty: it can work
	}{
		{url, "", "X-Color: blue", "X-Color: green", ""},
		{url, "www.example.com:8080", "X-Color: blue", "X-Color: blue2", ""}, // values of headers are compared whole
		{url, "", "I am blue", "I am green", ""},
		{url, "", "X-Color: blue", "blue", ""},
		{"https://[::1]:8443/up?full=1", "", "X-Color: blue", "X-Other: blue", ""},
		{"", "", "b", "g", "url: "},
		{url, "a b", "b", "g", "host: "},
		{url, "a/b", "b", "g", "host: "},
		{url, "", "", "g", "blue: it is empty"},
		{url, "", "b", " \t", "green: it is empty"},
		{url, "", "X-Color:", "g", "blue: the header"},
		{url, "", "b", "one\ntwo", "green: the mark"},
		{url, "", "X-Color: \x1b[1m", "g", "blue: the mark"},
		{url, "", "same", "same", "green: it is the same"},
		{url, "", "X-Color: a", "x-color:  a ", "green: it is the same"},
		{url, "", "blue", "blue2", inside},
		{url, "", "app 2 (green)", "2", inside},
	} {
		var at health.URL
		if test.url != "" {
			at = health.MustParseURL(test.url)
		}
		err := switcher.Confirm{URL: at, Host: test.host, Marks: map[switcher.Color]switcher.Mark{switcher.Blue: test.blue, switcher.Green: test.green}}.Validate()
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// A page may take its time: it is waited for.
func TestConfirmWaitsForASlowPage(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{600 * time.Millisecond, 1500 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			t.Parallel()
			s := confirmed(t, "X-Color: blue", "X-Color: green")
			s.Green.Slow(takes)
			s.Blue.Slow(takes)
			result, err := s.to(switcher.Green)
			if err != nil || result.Record.Proof != "identity" || len(s.about(result, "confirm")) != 0 {
				t.Errorf("%v, proved by %q, notes %q: %v", result.Outcome, result.Record.Proof, result.Notes, err)
			}
		})
	}
}

// A page that tells no color before the switch may tell none after it: that is
// said, and keeps nobody from leaving a broken color.
func TestConfirmTellsNoColorBefore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		blue, green switcher.Mark
		broken      func(*stand)
		says        string
	}{
		"neither mark": {"X-Color: navy", "X-Color: green", func(*stand) {}, "status 200, with the mark of neither color, or of both: \"blue"},
		"both marks":   {"blue", "e", func(*stand) {}, "status 200, with the mark of neither color, or of both: \"blue"},
		"an error":     {"X-Color: blue", "X-Color: green", func(s *stand) { _ = s.Blue.Stop() }, "status 502"},
		"no answer":    {"X-Color: blue", "X-Color: green", func(s *stand) { s.Blue.Mute(true) }, "no answer within 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := confirmed(t, test.blue, test.green)
			test.broken(s)
			for _, dry := range []bool{true, false} {
				began := time.Now()
				result, err := s.Switch(t.Context(), switcher.Request{To: switcher.Green, DryRun: dry, Command: "to", Handover: nginx.HandoverFast})
				if err != nil {
					t.Fatalf("dry run %v: %v", dry, err)
				}
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("dry run %v: it took %s", dry, took)
				}
				said := s.about(result, "`confirm` does not show a color before the switch")
				if len(said) != 1 || !strings.Contains(said[0], test.says) {
					t.Errorf("dry run %v: it says %q, want %q", dry, result.Notes, test.says)
				}
			}
			s.answers(switcher.Green, 10)
		})
	}
}

// about are the notes that begin so.
func (s *stand) about(result switcher.Result, begin string) (notes []string) {
	for _, note := range result.Notes {
		if strings.HasPrefix(note, begin) {
			notes = append(notes, note)
		}
	}
	return notes
}

// Whatever a page answers or does not, the switch ends, and is rolled back.
func TestConfirmThatFails(t *testing.T) {
	t.Parallel()
	mute, err := nginxtest.StartApp("nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Stop() })
	mute.Mute(true)
	for name, test := range map[string]struct {
		change func(*stand)
		limit  time.Duration
		says   string
	}{
		"a wrong mark": {func(s *stand) { s.Switcher.Site.Confirm.Marks[switcher.Green] = "X-Color: teal" }, 8 * time.Second, "with the mark of neither color"},
		"the old color": {func(s *stand) {
			s.Switcher.Site.Confirm.Marks = map[switcher.Color]switcher.Mark{switcher.Blue: "X-Color: green", switcher.Green: "X-Color: blue"}
		}, 8 * time.Second, "blue answered"},
		"never an answer": {func(s *stand) { s.Switcher.Site.Confirm.URL = health.MustParseURL("http://" + mute.Addr + "/") }, 30 * time.Second, "no answer within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := confirmed(t, "X-Color: blue", "X-Color: green")
			test.change(s)
			before, began := s.live(), time.Now()
			_, err := s.to(switcher.Green)
			var failed *switcher.Error
			if !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack || !strings.Contains(err.Error(), test.says) {
				t.Errorf("want it rolled back, saying %q: %v", test.says, err)
			}
			if took := time.Since(began); took > test.limit {
				t.Errorf("it took %s", took)
			}
			if s.live() != before {
				t.Errorf("the live file is not the old one: %s", s.live())
			}
			s.nothingBeside()
			s.answers(switcher.Blue, 10)
		})
	}
}

// One answer is luck: it takes several in a row and, where old and new workers
// may answer side by side, for longer than they do.
func TestConfirmWantsARow(t *testing.T) {
	t.Parallel()
	for name, lasts := range map[string]time.Duration{"seen": 0, "unseen": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{Workers: 1})
			if lasts > 0 {
				s.Switcher.Nginx.Binary, s.Switcher.Nginx.Test = s.Dir+"/nowhere", []string{"true"}
				s.Switcher.Nginx.Reload = []string{"kill", "-HUP", fmt.Sprint(s.PID)}
			}
			var first time.Time
			answers := s.askedPage(func() { first = time.Now() })
			if _, err := s.to(switcher.Green); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(first); *answers < 5 || took < lasts {
				t.Errorf("%d answers in %s were enough", *answers, took)
			}
		})
	}
}

// Of an nginx that cannot be seen only the answers prove anything: that it is
// back, too, where it did not take the new file.
func TestRolledBackByTheAnswersAlone(t *testing.T) {
	t.Parallel()
	s := confirmed(t, "X-Color: blue", "X-Color: green")
	s.Switcher.Nginx.Binary, s.Switcher.Nginx.Test = s.Dir+"/nowhere", []string{"true"}
	s.Switcher.Nginx.Reload = []string{"sh", "-c", `grep -q "$1" "$2" || kill -HUP "$0"`, fmt.Sprint(s.PID), s.Green.Addr, s.Live}
	result, err := s.to(switcher.Green)
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack || result.Record.Proof != "identity" {
		t.Errorf("%s, proved by %q: %v", result.Outcome, result.Record.Proof, err)
	}
	s.answers(switcher.Blue, 10)
}
