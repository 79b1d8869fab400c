package switcher_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// decided is a way to decide a color: the file that is switched, where it is
// included, and what else the site needs. BLUE and GREEN are the addresses of
// the apps, FILE is the path of the file.
type decided struct {
	selector, blue, green string
	file                  string
	http, server          string
	urls                  bool // the values say not where to ask
}

const toUpstreams = "upstream blue { server BLUE; } upstream green { server GREEN; }"

var decisions = map[string]decided{
	"set, an address":           {"set $service_url", "BLUE", "GREEN", "# blue\nset $service_url http://BLUE;\n", "", "include FILE; location / { proxy_pass $service_url; }", false},
	"set, a name":               {"set $active", "blue", "green", "set $active blue;", toUpstreams, "include FILE; location / { proxy_pass http://$active; }", true},
	"proxy_pass, an address":    {"", "BLUE", "GREEN", "location / {\n  proxy_pass http://BLUE; # blue\n}\n", "", "include FILE;", false},
	"proxy_pass, an upstream":   {"proxy_pass", "blue", "green", "location / { proxy_pass http://blue; }\r\n", toUpstreams, "include FILE;", true},
	"proxy_pass in a location":  {"proxy_pass in location /", "BLUE", "GREEN", "location / { proxy_pass http://BLUE; }\nlocation /preview { proxy_pass http://GREEN; }\n", "", "include FILE;", false},
	"map":                       {"", "blue", "green", "map $host $backend {\n  default blue;\n}\n", toUpstreams + " include FILE;", "location / { proxy_pass http://$backend; }", true},
	"include":                   {"include", "DIR/blue.conf", "DIR/green.conf", "upstream app {\n  include DIR/blue.conf;\n}\n", "include FILE;", "location / { proxy_pass http://app; }", true},
	"backup":                    {"", "BLUE", "GREEN", "upstream app {\n  server BLUE;\n  server GREEN backup;\n}\n", "include FILE;", "location / { proxy_pass http://app; }", false},
	"server, the zero selector": {"", "BLUE", "GREEN", "upstream other { server 127.0.0.1:1; }\nupstream app { server BLUE; }\n", "include FILE;", "location / { proxy_pass http://app; }", false},
}

// newDecided is a stand whose color is decided so.
func newDecided(t *testing.T, d decided) (s *stand, fill func(string) string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "decides.inc")
	s = newStandIn(t, dir, nginxtest.Options{})
	fill = strings.NewReplacer("BLUE", s.Blue.Addr, "GREEN", s.Green.Addr, "FILE", file, "DIR", dir).Replace
	for name, text := range map[string]string{file: d.file, filepath.Join(dir, "blue.conf"): "server BLUE;\n", filepath.Join(dir, "green.conf"): "server GREEN;\n"} {
		if err := os.WriteFile(name, []byte(fill(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.Switcher.Site.Files = []switcher.LiveFile{{Path: file, Layout: nginxconf.Layout{placeOf(t, d.selector, fill(d.blue), fill(d.green))}}}
	if d.urls {
		s.askByURL()
	}
	s.edited(nginxtest.Options{HTTP: fill(d.http), Server: fill(d.server)})
	s.reload()
	return s, fill
}

func placeOf(t *testing.T, selector, blue, green string) nginxconf.Place {
	t.Helper()
	s, err := nginxconf.ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	place := nginxconf.Place{Selector: s, Colors: nginxconf.Colors{}}
	for color, text := range map[switcher.Color]string{switcher.Blue: blue, switcher.Green: green} {
		value, err := s.Value(text)
		if err != nil {
			t.Fatal(err)
		}
		place.Colors[color] = []nginxconf.Value{value}
	}
	return place
}

// askByURL is for values that do not say where to ask.
func (s *stand) askByURL() {
	s.Switcher.Site.URLs = map[switcher.Color]health.URL{
		switcher.Blue: health.MustParseURL("http://" + s.Blue.Addr), switcher.Green: health.MustParseURL("http://" + s.Green.Addr),
	}
}

// Whatever decides the color: it is switched, the traffic moves, and every
// other byte stays.
func TestSelectors(t *testing.T) {
	t.Parallel()
	for name, d := range decisions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newDecided(t, d)
			before := read(t, s.Switcher.Site.Files[0].Path)
			s.answers(switcher.Blue, 5)
			for range 2 {
				s.ends(switcher.Green, switcher.Done)
				s.answers(switcher.Green, 10)
				s.ends(switcher.Green, switcher.Already)
				s.ends(switcher.Blue, switcher.Done)
				s.answers(switcher.Blue, 10)
			}
			if after := read(t, s.Switcher.Site.Files[0].Path); after != before {
				t.Errorf("there and back the file is\n%s\nit was\n%s", after, before)
			}
		})
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What would not move the traffic is refused, and nothing is touched.
func TestSelectorsThatDecideNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		decided
		says string
	}{
		"a variable that nothing reads": {decided{"set $active", "blue", "green", "set $active blue;", toUpstreams, "include FILE; location / { proxy_pass http://blue; }", true},
			"uses $active, set on line 1"},
		"a name that nginx cannot find": {decided{"set $active", "blue", "green", "\nset $active blue;", "upstream blue { server BLUE; }", "include FILE; location / { proxy_pass http://$active; }", true},
			"nginx would not find green, which $active on line 2 becomes"},
		"a map that nothing reads": {decided{"map $backend", "blue", "green", "map $host $backend { default blue; }", toUpstreams + "include FILE;", "location / { proxy_pass http://blue; }", true},
			"uses $backend"},
		"an include of what is not there": {decided{"include", "DIR/blue.conf", "DIR/none.conf", "upstream app { include DIR/blue.conf; }", "include FILE;", "location / { proxy_pass http://app; }", true},
			"none.conf"},
		"a name that says not where to ask": {decided{"set $active", "blue", "green", "set $active blue;", toUpstreams, "include FILE; location / { proxy_pass http://$active; }", false},
			"blue is \"blue\", which does not say where to ask it; set `blue_url:` below `check:`"},
		"the same, found without a selector": {decided{"", "blue", "green", "set $active blue;", toUpstreams, "include FILE; location / { proxy_pass http://$active; }", false},
			"set `blue_url:` below `check:`"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newDecided(t, c.decided)
			before := read(t, s.Switcher.Site.Files[0].Path)
			result, err := s.to(switcher.Green)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %v; want an error that says %q", result.Outcome, err, c.says)
			}
			if read(t, s.Switcher.Site.Files[0].Path) != before {
				t.Error("the file was touched")
			}
			s.answers(switcher.Blue, 5)
		})
	}
}

// What else passes to a color is named, and no reason to stay.
func TestWhatElsePassesIsNamed(t *testing.T) {
	t.Parallel()
	s, fill := newDecided(t, decided{"", "BLUE", "GREEN", "upstream app {\n  server BLUE;\n}\n", "include FILE;",
		"location / { proxy_pass http://app; } location /old { proxy_pass http://BLUE; } location /new { proxy_pass http://GREEN; }", false})
	result, err := s.Switch(context.Background(), switcher.Request{To: switcher.Green, Handover: nginx.HandoverFast, Command: "to", Who: "test"})
	if err != nil {
		t.Fatal(err)
	}
	old, preview := fill("nginx still passes to blue (BLUE) in ")+s.Conf+":", fill("nginx also passes to green (GREEN) in ")+s.Conf+":"
	if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, old) || !strings.Contains(notes, preview) {
		t.Errorf("notes %q, want %q and %q", notes, old, preview)
	}
	if noted := result.Record.Elsewhere; len(noted) != 2 || noted[0].Color != switcher.Blue || len(noted[0].Lines) != 1 || noted[1].Color != switcher.Green {
		t.Errorf("the record has %v", noted)
	}
}

// Where nothing else passes to a color, that is known; a test that did not run
// knows nothing.
func TestNothingElsePasses(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	result, err := s.to(switcher.Green)
	if err != nil || result.Record.Elsewhere == nil || len(result.Record.Elsewhere) > 0 {
		t.Errorf("%v, %v; want an empty list", result.Record.Elsewhere, err)
	}
	s.Switcher.Nginx.Test = []string{"true"}
	result, err = s.to(switcher.Blue)
	if err != nil || result.Record.Elsewhere != nil {
		t.Errorf("%v, %v; want none", result.Record.Elsewhere, err)
	}
}
