package switcher_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

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
	if of := os.Getenv(releaseVariable); of != "" {
		fmt.Fprintln(os.Stderr, serveRelease(of))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// stand is a private site with a switcher for it.
type stand struct {
	*nginxtest.Site
	*switcher.Switcher
	t testing.TB
}

func newStand(t testing.TB, o nginxtest.Options) *stand {
	t.Helper()
	return newStandIn(t, t.TempDir(), o)
}

func newStandIn(t testing.TB, dir string, o nginxtest.Options) *stand {
	t.Helper()
	site, err := nginxtest.StartSite(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &stand{Site: site, Switcher: switcherFor(t, site), t: t}
}

func switcherFor(t testing.TB, site *nginxtest.Site) *switcher.Switcher {
	t.Helper()
	binary, err := nginxtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return &switcher.Switcher{
		Site: switcher.Site{
			Name: "myapp", Check: health.Defaults(),
			Files: []switcher.LiveFile{{Path: site.Live, Layout: nginxconf.Layout{{Selector: nginxconf.ServerOf("myapp"), Colors: nginxconf.Colors{
				switcher.Blue:  {address(t, site.Blue.Addr)},
				switcher.Green: {address(t, site.Green.Addr)},
			}}}}},
		},
		Nginx: &nginx.Nginx{Binary: binary, Conf: site.Conf, Prefix: site.Dir},
		State: statedir.Of(site.StateDir, "myapp"),
		Host:  "test", Log: debugLog(),
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

// to switches and returns the error as it is.
func (s *stand) to(color switcher.Color) (switcher.Result, error) {
	return s.Switch(context.Background(), switcher.Request{To: color, Handover: nginx.HandoverFast, Command: "to", Who: "test"})
}

func (s *stand) live() string {
	s.t.Helper()
	content, err := os.ReadFile(s.Live)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

// answers makes sure that every fresh connection is answered by the color.
func (s *stand) answers(color switcher.Color, n int) {
	s.t.Helper()
	got := nginxtest.Answers(s.URL(), n)
	if got[string(color)] != n {
		s.t.Errorf("answers of %d fresh connections: %v, want all %s", n, got, color)
	}
}

// hold opens an answer through nginx that does not end by itself.
func (s *stand) hold() io.Closer {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(s.URL() + "hold")
	if err != nil {
		s.t.Fatal(err)
	}
	return response.Body
}

// debugLog tells every step on standard error where somebody asks for it.
func debugLog() zerolog.Logger {
	if os.Getenv("BGSWITCH_TEST_DEBUG") == "" {
		return zerolog.Nop()
	}
	return zerolog.New(os.Stderr)
}
