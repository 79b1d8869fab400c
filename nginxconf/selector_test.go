package nginxconf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// selected are edits to green in files of every layout that people have. What
// decides is found by the selector, and where sole is set without it, too.
var selected = []struct {
	name, selector, colors string
	sole                   bool
	before, after          string
}{
	{"set, a whole address", "set $service_url", local, true,
		"set $service_url http://127.0.0.1:3001;\n",
		"set $service_url http://127.0.0.1:3002;\n"},
	{"set, without a scheme", "set $service_url", local, true,
		"set $service_url 127.0.0.1:3001; # blue",
		"set $service_url 127.0.0.1:3002; # blue"},
	{"set, with a path, in quotes", "set $service_url", local, true,
		"server {\n\tset $service_url \"https://127.0.0.1:3001/app/?a=127.0.0.1:3001\";\n}\n",
		"server {\n\tset $service_url \"https://127.0.0.1:3002/app/?a=127.0.0.1:3001\";\n}\n"},
	{"set, a name", "set $active", "blue | green", true,
		"upstream blue { server a:1; }\nupstream green { server b:1; }\nserver { set $active blue; location / { proxy_pass http://$active; } }\n",
		"upstream blue { server a:1; }\nupstream green { server b:1; }\nserver { set $active green; location / { proxy_pass http://$active; } }\n"},
	{"set, a name in capitals", "set $active", "BLUE | GREEN", false,
		"set $active BLUE;", "set $active GREEN;"},
	{"set, other variables stay", "set $active", "blue | green", false,
		"set $last blue; set $active blue;\nset $next green;",
		"set $last blue; set $active green;\nset $next green;"},
	{"set, in two servers", "set $active", "blue | green", true,
		"server { listen 80; set $active blue; }\nserver { listen 81; set $active 'blue'; }\n",
		"server { listen 80; set $active green; }\nserver { listen 81; set $active 'green'; }\n"},
	{"set, a socket", "set $app", "unix:/run/blue.sock | unix:/run/green.sock", true,
		"set $app http://unix:/run/blue.sock:/x;",
		"set $app http://unix:/run/green.sock:/x;"},
	{"proxy_pass, a container", "proxy_pass", "app-blue:8080 | app-green:8080", true,
		"server {\n  listen 80;\n  location / {\n    proxy_pass http://app-blue:8080;\n    proxy_set_header Host $host;\n  }\n}\n",
		"server {\n  listen 80;\n  location / {\n    proxy_pass http://app-green:8080;\n    proxy_set_header Host $host;\n  }\n}\n"},
	{"proxy_pass, an upstream", "proxy_pass", "blue | green", true,
		"upstream blue { server a:1; }\nupstream green { server b:1; }\nserver { location / { proxy_pass http://blue; } }",
		"upstream blue { server a:1; }\nupstream green { server b:1; }\nserver { location / { proxy_pass http://green; } }"},
	{"proxy_pass, with a path", "proxy_pass", local, true,
		"location /api/ { proxy_pass http://127.0.0.1:3001/v1/; }",
		"location /api/ { proxy_pass http://127.0.0.1:3002/v1/; }"},
	{"proxy_pass in the named location", "proxy_pass in location /", local, false,
		"server { location / { proxy_pass http://127.0.0.1:3001; } location /preview { proxy_pass http://127.0.0.1:3002; } }",
		"server { location / { proxy_pass http://127.0.0.1:3002; } location /preview { proxy_pass http://127.0.0.1:3002; } }"},
	{"proxy_pass in a location with a modifier", "proxy_pass in location ~ ^/api", local, false,
		"location ~ ^/api { proxy_pass http://127.0.0.1:3001; }\nlocation / { proxy_pass http://127.0.0.1:3001; }\n",
		"location ~ ^/api { proxy_pass http://127.0.0.1:3002; }\nlocation / { proxy_pass http://127.0.0.1:3001; }\n"},
	{"proxy_pass in a location of two servers", "proxy_pass in location /", local, false,
		"server { listen 80; location / { proxy_pass http://127.0.0.1:3001; } }\nserver { listen 81; location / { proxy_pass https://127.0.0.1:3001; } }\n",
		"server { listen 80; location / { proxy_pass http://127.0.0.1:3002; } }\nserver { listen 81; location / { proxy_pass https://127.0.0.1:3002; } }\n"},
	{"proxy_pass, other places of other servers", "proxy_pass", local, true,
		"location / { proxy_pass http://127.0.0.1:3001; }\nlocation /static { proxy_pass http://127.0.0.1:9000; }",
		"location / { proxy_pass http://127.0.0.1:3002; }\nlocation /static { proxy_pass http://127.0.0.1:9000; }"},
	{"proxy_pass, in a condition", "proxy_pass", local, true,
		"location / { if ($host = a) { proxy_pass http://127.0.0.1:3001; } }",
		"location / { if ($host = a) { proxy_pass http://127.0.0.1:3002; } }"},
	{"grpc_pass", "grpc_pass", local, true,
		"location / { grpc_pass grpcs://127.0.0.1:3001; }",
		"location / { grpc_pass grpcs://127.0.0.1:3002; }"},
	{"fastcgi_pass", "fastcgi_pass", "unix:/run/blue.sock | unix:/run/green.sock", true,
		"location ~ \\.php$ { fastcgi_pass unix:/run/blue.sock; include fastcgi_params; }",
		"location ~ \\.php$ { fastcgi_pass unix:/run/green.sock; include fastcgi_params; }"},
	{"uwsgi_pass", "uwsgi_pass", local, true,
		"location / { uwsgi_pass 127.0.0.1:3001; }", "location / { uwsgi_pass 127.0.0.1:3002; }"},
	{"scgi_pass", "scgi_pass", local, true,
		"location / { scgi_pass 127.0.0.1:3001; }", "location / { scgi_pass 127.0.0.1:3002; }"},
	{"map, a name", "map $backend", "blue | green", true,
		"map $http_x_preview $backend {\n  default blue; # live\n  yes     green;\n}\n",
		"map $http_x_preview $backend {\n  default green; # live\n  yes     green;\n}\n"},
	{"map, an address", "map $backend", local, true,
		"map $host $backend { ~^x 1; default http://127.0.0.1:3001; }",
		"map $host $backend { ~^x 1; default http://127.0.0.1:3002; }"},
	{"include", "include", "upstreams/blue.conf | upstreams/green.conf", true,
		"include mime.types;\ninclude upstreams/blue.conf;\n",
		"include mime.types;\ninclude upstreams/green.conf;\n"},
	{"include, in an upstream", "include", "/etc/nginx/blue | /etc/nginx/green", true,
		"upstream app {\n  include \"/etc/nginx/blue\";\n}\n",
		"upstream app {\n  include \"/etc/nginx/green\";\n}\n"},
	{"backup", "backup in upstream app", local, true,
		"upstream app {\n  server 127.0.0.1:3001 max_fails=2; # blue\n  server 127.0.0.1:3002 backup;\n  keepalive 4;\n}\n",
		"upstream app {\n  server 127.0.0.1:3001 max_fails=2 backup; # blue\n  server 127.0.0.1:3002;\n  keepalive 4;\n}\n"},
	{"backup, after a parameter", "backup in upstream app", local, true,
		"upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002 weight=1\t'backup'; }",
		"upstream app { server 127.0.0.1:3001 backup; server 127.0.0.1:3002 weight=1; }"},
	{"backup, two of each", "backup in upstream app", "a:1 b:1 | a:2 b:2", true,
		"upstream app { server a:1; server a:2 backup; server b:1; server b:2 backup; }",
		"upstream app { server a:1 backup; server a:2; server b:1 backup; server b:2; }"},
	{"server, beside a preview", "server in upstream app", local, true,
		"upstream app { server 127.0.0.1:3001; }\nserver { location / { proxy_pass http://app; } }",
		"upstream app { server 127.0.0.1:3002; }\nserver { location / { proxy_pass http://app; } }"},
}

func selecting(t testing.TB, selector, colors string) Layout {
	t.Helper()
	s, err := ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	blue, green, _ := strings.Cut(colors, "|")
	return Layout{{s, Colors{Blue: valuesOf(t, s, blue), Green: valuesOf(t, s, green)}}}
}

func valuesOf(t testing.TB, s Selector, texts string) []Value {
	t.Helper()
	var all []Value
	for _, text := range strings.Fields(texts) {
		v, err := s.Value(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	for _, c := range selected {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			selectors := []string{c.selector}
			if c.sole {
				selectors = append(selectors, "")
			}
			for _, selector := range selectors {
				l := selecting(t, selector, c.colors)
				checkLaws(t, []byte(c.before), l)
				got, err := edit(t, c.before, l, Green)
				if err != nil {
					t.Fatalf("selector %q: %v", selector, err)
				}
				if diff := cmp.Diff(c.after, got); diff != "" {
					t.Errorf("selector %q, edited file (-want +got):\n%s", selector, diff)
				}
			}
		})
	}
}

// A place that was found without a selector is found again by the one it has.
func TestSoleSelectorIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range selected {
		if !c.sole {
			continue
		}
		f, err := Read([]byte(c.before), selecting(t, "", c.colors))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		named := f.Layout()[0].Selector.String()
		if got, err := edit(t, c.before, selecting(t, named, c.colors), Green); err != nil || got != c.after {
			t.Errorf("%s: by %q: %q, %v", c.name, named, got, err)
		}
	}
}

func TestSelectorsRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, selector, colors, src string
		want                        []string
	}{
		{"two places, none named", "", local, "upstream app { server 127.0.0.1:3001; }\nlocation / { proxy_pass http://127.0.0.1:3001; }", []string{"2 places name a color", "`selector: server in upstream app`", "`selector: proxy_pass in location /`"}},
		{"one upstream per color", "", local, "upstream b { server 127.0.0.1:3001; }\nupstream g { server 127.0.0.1:3002; }\nset $active b;", []string{"upstream b is blue's and upstream g is green's", "`selector: set $active`", "`blue: b` and `green: g`"}},
		{"nothing of a color", "", local, "location / { proxy_pass http://127.0.0.1:9; }", []string{"nothing in the file is blue or green"}},
		{"set, not there", "set $a", "blue | green", "set $b blue;", []string{"the file has no `set $a`"}},
		{"set, of no color", "set $a", "blue | green", "set $a red;", []string{"line 1", "`set $a` is \"red\"", "blue (blue) or green (green)"}},
		{"set, without a value", "set $a", "blue | green", "set $a;", []string{"has no value"}},
		{"set, half and half", "set $a", "blue | green", "server { set $a blue; }\nserver { set $a green; }", []string{"line 2", "is green, expected blue"}},
		{"set, a value in a value", "set $a", local, "set $a http://127.0.0.1:30010;", []string{"is neither blue nor green"}},
		{"set, an escape", "set $a", local, `set $a "http://127.0.0.1:3001\t";`, []string{"is neither blue nor green"}},
		{"set, in Lua", "set $a", "blue | green", "init_by_lua_block { set = 1 }\n", []string{"no `set $a`"}},
		{"set, in a comment", "set $a", "blue | green", "# set $a blue;\n", []string{"no `set $a`"}},
		{"set, another name for it", "set $a", "blue | green", "set $a Blue;", []string{"is neither blue nor green"}},
		{"set, another spelling, not named", "", "blue | green", "set $a Blue;", []string{"nothing in the file is blue or green, expected blue (blue) or green (green)"}},
		{"set, the address of a user", "set $a", local, "set $a http://user@127.0.0.1:3001;", []string{"is neither blue nor green"}},
		{"proxy_pass, twice", "proxy_pass", local, "location /a { proxy_pass http://127.0.0.1:3001; }\nlocation /b { proxy_pass http://127.0.0.1:3001; }", []string{"line 2", "on line 1", "`selector: proxy_pass in location /a`"}},
		{"proxy_pass, both colors", "proxy_pass", local, "location /a { proxy_pass http://127.0.0.1:3001; }\nlocation /b { proxy_pass http://127.0.0.1:3002; }", []string{"expected one place"}},
		{"proxy_pass, a variable", "proxy_pass", local, "location / { proxy_pass http://$x; }", []string{"is neither blue nor green"}},
		{"proxy_pass, no such location", "proxy_pass in location /x", local, "location / { proxy_pass http://127.0.0.1:3001; }", []string{"no `proxy_pass in location /x`"}},
		{"proxy_pass, none", "proxy_pass", local, "location / { return 200; }", []string{"the file has no `proxy_pass`"}},
		{"map, no default", "map $a", "blue | green", "map $x $a { y blue; }", []string{"the file has no `map $a`"}},
		{"map, two defaults", "map $a", "blue | green", "map $x $a { default blue; default blue; }", []string{"2 defaults in 1 map,"}},
		{"map, two maps", "map $a", "blue | green", "map $x $a { default blue; }\nmap $y $a { default blue; }", []string{"2 maps, expected one default"}},
		{"map, of no color", "map $a", "blue | green", "map $x $a { default red; }", []string{"is neither blue nor green"}},
		{"include, both", "include", "b.conf | g.conf", "include b.conf;\ninclude g.conf;", []string{"line 2", "included here and on line 1"}},
		{"include, neither", "include", "b.conf | g.conf", "include x.conf;", []string{"includes no color", "b.conf (blue)"}},
		{"include, a pattern", "include", "b.conf | g.conf", "include *.conf;", []string{"includes no color"}},
		{"backup, nobody", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002; }", []string{"is green, expected blue"}},
		{"backup, both", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001 backup; server 127.0.0.1:3002 backup; }", []string{"expected"}},
		{"backup, one color alone", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001; }", []string{"has 1 server, expected the 2"}},
		{"backup, a third server", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002 backup; server c:1; }", []string{"is neither blue nor green"}},
		{"backup, twice the same", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3001; }", []string{"is there twice"}},
		{"backup, down", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002 backup down; }", []string{"marked down"}},
		{"backup, among the parameters", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002 backup weight=1; }", []string{"backup comes before \"weight=1\", expected it last"}},
		{"backup, in a line of its own", "backup in upstream app", local, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002 # b\nbackup; }", []string{"more than blanks"}},
		{"backup, no such upstream", "backup in upstream app", local, "upstream web { server 127.0.0.1:3001; }", []string{"no upstream app"}},
		// Where gonginx reads something else.
		{"set, quoted", "set $a", "blue | green", "'set' $a blue;", []string{"differently"}},
		{"set, an escape beside it", "set $a", "blue | green", "server { set $a blue; x a\\;b; }", []string{"differently"}},
		{"proxy_pass, in an odd block", "proxy_pass", local, "location / { proxy_pass http://127.0.0.1:3001; return 200 `a; }\n# `", []string{"gonginx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := edit(t, c.src, selecting(t, c.selector, c.colors), Green)
			for _, want := range c.want {
				wantRefusal(t, err, want)
			}
		})
	}
}

func TestSeveralPlaces(t *testing.T) {
	t.Parallel()
	l := append(selecting(t, "set $active", "blue | green"), selecting(t, "proxy_pass in location /api", "127.0.0.1:4001 | 127.0.0.1:4002")...)
	l = append(l, selecting(t, "server in upstream web", local)...)
	before := "set $active blue;\nlocation /api { proxy_pass http://127.0.0.1:4001; }\nupstream web { server 127.0.0.1:3001; }\n"
	want := "set $active green;\nlocation /api { proxy_pass http://127.0.0.1:4002; }\nupstream web { server 127.0.0.1:3002; }\n"
	if got, err := edit(t, before, l, Green); err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	_, err := edit(t, strings.Replace(before, "$active blue", "$active green", 1), l, Green)
	wantRefusal(t, err, "expected green, as `set $active` is on line 1")
	twice := append(selecting(t, "proxy_pass", local), selecting(t, "proxy_pass in location /", local)...)
	_, err = edit(t, "location / { proxy_pass http://127.0.0.1:3001; }", twice, Green)
	wantRefusal(t, err, "the same word")
}

func TestParseSelector(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"", "server", "server in upstream app", "backup in upstream app", "set $a", "proxy_pass", "proxy_pass in location /", "grpc_pass in location = /x", "map $a", "include"} {
		if s, err := ParseSelector(good); err != nil || s.String() != good {
			t.Errorf("%q: %q, %v", good, s, err)
		}
	}
	for _, bad := range []string{"servers", "set", "set a", "set $", "set $a $b", "proxy_pass location /", "proxy_pass in location", "map", "map a", "include x", "backup", "backup in app", "upstream app", "Set $a", "server in upstream"} {
		if s, err := ParseSelector(bad); err == nil {
			t.Errorf("%q is taken for %q", bad, s)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		selector, text string
		ok             bool
	}{
		{"", "127.0.0.1:3001", true}, {"", "blue", true}, {"", "a b", false}, {"", "http://a:1", false}, {"", "$x", false},
		{"server", "upstreams/blue.conf", false}, {"proxy_pass", "a/b", false}, {"backup in upstream app", "a:1", true},
		{"set $a", "Blue_1", true}, {"set $a", "a;b", false}, {"set $a", "", false}, {"set $a", "a\nb", false}, {"set $a", "\u00e9", false},
		{"include", "upstreams/blue.conf", true}, {"include", "blue*", false}, {"include", strings.Repeat("a", 1025), false},
	} {
		s, err := ParseSelector(c.selector)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := s.Value(c.text); (err == nil) != c.ok {
			t.Errorf("%q: value %q: %v, %v; want ok %v", c.selector, c.text, v, err, c.ok)
		}
	}
}
