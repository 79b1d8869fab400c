package verify

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/inside"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	inside.Main()
	goleak.VerifyTestMain(m)
}

// stand is a private site with a verifier for it, whose clock the test moves.
type stand struct {
	*nginxtest.Site
	Verifier
	t     testing.TB
	clock time.Time
	held  journal.Set // by the test
}

func newStand(t testing.TB) *stand {
	t.Helper()
	rightstest.Needs(t, rightstest.Mounts)
	site, err := nginxtest.StartSite(t.TempDir(), nginxtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &stand{Site: site, t: t, clock: time.Now().Add(time.Hour)} // long after the site was made
	s.Verifier = Verifier{Switcher: switcherFor(t, site), Options: Defaults(), Now: func() time.Time { return s.clock }}
	return s
}

func switcherFor(t testing.TB, site *nginxtest.Site) *switcher.Switcher {
	t.Helper()
	binary, err := nginxtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	check := health.Defaults()
	check.Attempts = 1
	return &switcher.Switcher{
		Site: switcher.Site{
			Name: "myapp", Check: check,
			Files: []switcher.LiveFile{{Path: site.Live, Layout: nginxconf.Layout{{Selector: nginxconf.ServerOf("myapp"), Colors: nginxconf.Colors{
				switcher.Blue:  {address(t, site.Blue.Addr)},
				switcher.Green: {address(t, site.Green.Addr)},
			}}}}},
		},
		Nginx: &nginx.Nginx{Binary: binary, Conf: site.Conf, Prefix: site.Dir},
		State: statedir.Of(site.StateDir, "myapp"),
		Host:  "test",
	}
}

func address(t testing.TB, text string) nginxconf.Address {
	t.Helper()
	a, err := nginxconf.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// run is the run of the next minute.
func (s *stand) run() Finding {
	s.clock = s.clock.Add(time.Minute)
	return s.Run(s.t.Context())
}

// confirm asks through nginx, for the mark that each app sends.
func (s *stand) confirm() *switcher.Confirm {
	return &switcher.Confirm{URL: health.MustParseURL(s.URL()), Marks: map[switcher.Color]switcher.Mark{switcher.Blue: "X-Color: blue", switcher.Green: "X-Color: green"}}
}

// step is something that happens, and what the next run finds of it.
type step struct {
	name  string
	do    func(*stand)
	level Level
	event string
	text  string // a pattern
	times int    // so many runs, all with the same finding; 0: one
}

func (s *stand) play(steps []step) {
	s.t.Helper()
	for _, step := range steps {
		if step.do != nil {
			step.do(s)
		}
		for i := range max(step.times, 1) {
			f := s.run()
			if f.Level != step.level || f.Event != step.event || !regexp.MustCompile(step.text).MatchString(f.Text) {
				s.t.Fatalf("%s, run %d: %s, event %q: %s\nwant %s, event %q: %s", step.name, i+1, f.Level, f.Event, f.Text, step.level, step.event, step.text)
			}
		}
	}
}

// What may happen to a site.
func sick(app func(*stand) *nginxtest.App) func(*stand) {
	return func(s *stand) { app(s).Sicken(true) }
}

func well(app func(*stand) *nginxtest.App) func(*stand) {
	return func(s *stand) { app(s).Sicken(false) }
}

func blue(s *stand) *nginxtest.App  { return s.Blue }
func green(s *stand) *nginxtest.App { return s.Green }

func both(one, other func(*stand)) func(*stand) {
	return func(s *stand) { one(s); other(s) }
}

func later(d time.Duration) func(*stand) {
	return func(s *stand) { s.clock = s.clock.Add(d) }
}

// byHand switches as a person would.
func (s *stand) byHand(to switcher.Color) {
	s.t.Helper()
	s.by(s.Switcher, to)
}

func (s *stand) by(whom *switcher.Switcher, to switcher.Color) {
	s.t.Helper()
	if _, err := whom.Switch(s.t.Context(), switcher.Request{To: to, Force: true, Handover: nginx.HandoverFast, Command: "to", Who: "test"}); err != nil {
		s.t.Fatal(err)
	}
}

// edit writes the live file by hand, without a reload.
func (s *stand) edit(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.Live, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) reload() {
	s.t.Helper()
	old := s.Workers()
	if err := s.Signal(1); err != nil {
		s.t.Fatal(err)
	}
	if err := nginxtest.Eventually(nginxtest.Patience, func() error { return s.Reloaded(old) }); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) liveFile() string {
	s.t.Helper()
	text, err := os.ReadFile(s.Live)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// remembered replaces what the last run remembered.
func (s *stand) remembered(text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.Switcher.State.Path, memoryFile), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) records(command string) []statedir.Record {
	s.t.Helper()
	records, err := s.Switcher.State.History(0, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.DeleteFunc(records, func(r statedir.Record) bool { return r.Command != command })
}
