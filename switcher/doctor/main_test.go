package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/inside"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/statedir"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	inside.Main()
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patient is a site that runs, on a host whose files are its own.
type patient struct {
	*nginxtest.Site
	s    *switcher.Switcher
	host Host
	t    testing.TB
}

// well is a configuration that nothing is to be said of, but for its clock.
func well() nginxtest.Options {
	return nginxtest.Options{Main: "worker_shutdown_timeout 1h;", HTTP: "%s"}
}

// newPatient starts a site with blue live. In the live file, BLUE and GREEN stand
// for the addresses; KEPT in the http block for what newer versions of nginx want.
func newPatient(t testing.TB, o nginxtest.Options, live string) *patient {
	t.Helper()
	dir := t.TempDir()
	site := &nginxtest.Site{Settings: filepath.Join(dir, "bgswitch.yaml"), StateDir: filepath.Join(dir, "state")}
	var err error
	site.Blue, err = nginxtest.StartApp("blue")
	must(t, err)
	site.Green, err = nginxtest.StartApp("green")
	must(t, err)
	p := &patient{Site: site, t: t}
	o.Live, o.Server, o.HTTP = p.filled(live), p.filled(o.Server), p.filled(strings.ReplaceAll(o.HTTP, "%s", kept(t)))
	site.Nginx, err = nginxtest.Start(dir, o)
	must(t, err)
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p.prepared()
}

func kept(t testing.TB) string {
	binary, err := nginxtest.Binary()
	must(t, err)
	if (&nginx.Nginx{Binary: binary}).Version(t.Context()).Has(keptSince) {
		return "keepalive_min_timeout 1s;"
	}
	return ""
}

func (p *patient) filled(text string) string {
	return strings.NewReplacer("BLUE", p.Blue.Addr, "GREEN", p.Green.Addr).Replace(text)
}

// prepared makes the switcher, a host with a cron line, and a verify that just ran.
func (p *patient) prepared() *patient {
	p.t.Helper()
	binary, err := nginxtest.Binary()
	must(p.t, err)
	p.s = &switcher.Switcher{
		Site: switcher.Site{
			Name: "myapp", Check: health.Defaults(),
			Files: []switcher.LiveFile{{Path: p.Live, Layout: nginxconf.Layout{p.place(nginxconf.Selector{})}}},
		},
		Nginx: &nginx.Nginx{Binary: binary, Conf: p.Conf, Prefix: p.Dir},
		State: statedir.Of(p.StateDir, "myapp"),
		Host:  "test", Log: zerolog.Nop(),
	}
	p.confirms("X-Color: blue", "X-Color: green")
	root := filepath.Join(p.t.TempDir(), "root")
	p.host = Host{Root: root, Program: "/usr/local/bin/bgswitch", StateDir: p.StateDir, Now: time.Now(), Steady: func() (bool, error) { return true, nil }}
	p.write(filepath.Join(root, "etc/cron.d/bgswitch"), "* * * * * root /usr/local/bin/bgswitch verify --quiet\n")
	must(p.t, errors.Join(p.s.State.Create(), p.s.State.Store("verify.json", struct{}{})))
	return p
}

func (p *patient) place(s nginxconf.Selector) nginxconf.Place {
	return nginxconf.Place{Selector: s, Colors: nginxconf.Colors{
		switcher.Blue: {address(p.t, p.Blue.Addr)}, switcher.Green: {address(p.t, p.Green.Addr)},
	}}
}

func (p *patient) confirms(blue, green switcher.Mark) {
	p.s.Site.Confirm = &switcher.Confirm{URL: health.MustParseURL(p.URL()), Marks: map[switcher.Color]switcher.Mark{switcher.Blue: blue, switcher.Green: green}}
}

func address(t testing.TB, text string) nginxconf.Address {
	t.Helper()
	a, err := nginxconf.ParseAddress(text)
	must(t, err)
	return a
}

func (p *patient) write(path, text string) {
	p.t.Helper()
	must(p.t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)))
}

func (p *patient) look() []Finding {
	p.t.Helper()
	return Look(p.t.Context(), p.host, []*switcher.Switcher{p.s}, []*switcher.Switcher{p.s})
}

// finds makes sure that a look finds this, and nothing else.
func (p *patient) finds(want ...string) {
	p.t.Helper()
	match(p.t, p.look(), want...)
}

// match holds findings against patterns of `level key: what => remedy`.
func match(t testing.TB, found []Finding, want ...string) {
	t.Helper()
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprintf("%s %s: %s => %s", f.Level, f.Key, f.What, f.Remedy))
	}
	for i, pattern := range want {
		if i >= len(all) || !regexp.MustCompile("^(?s:"+pattern+")").MatchString(all[i]) {
			t.Errorf("finding %d is not\n%s", i, pattern)
		}
	}
	if t.Failed() || len(all) != len(want) {
		t.Errorf("found %d, want %d:\n%s", len(all), len(want), strings.Join(all, "\n"))
	}
}

// reload has nginx load what stands there.
func (p *patient) reload() {
	p.t.Helper()
	before := p.Workers()
	must(p.t, p.Signal(syscall.SIGHUP))
	must(p.t, nginxtest.Eventually(nginxtest.Patience, func() error { return p.Reloaded(before) }))
}
