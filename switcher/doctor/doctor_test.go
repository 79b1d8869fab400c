package doctor

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

const upstream = "upstream myapp {\n    server BLUE;\n}\n"

// Of a site that is set up well nothing is said.
func TestAllWell(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	newPatient(t, well(), upstream).finds()
}

// What nginx reads is held against what the site needs.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	const passes = `location / { proxy_pass http://myapp; proxy_http_version 1.1; proxy_set_header Connection ""; }`
	for name, c := range map[string]struct {
		live   string
		change func(*nginxtest.Options)
		want   []string
	}{
		"no shutdown timeout": {upstream, func(o *nginxtest.Options) { o.Main = "" },
			[]string{`advice shutdown: no .worker_shutdown_timeout. is set: an old worker stays.* => worker_shutdown_timeout 1h;   # in \S+/nginx.conf, outside of all blocks`}},
		"reuseport": {upstream, func(o *nginxtest.Options) { o.Listen = "127.0.0.1:%d reuseport" },
			[]string{`advice reuseport: \S+/nginx.conf:\d+ listens with .reuseport.: .* => listen 127.0.0.1:\d+;$`}},
		"keepalive without its version": {"upstream myapp { server BLUE; keepalive 4; }", func(o *nginxtest.Options) { o.Server = "location / { proxy_pass http://myapp; }" },
			[]string{`advice keepalive: \S+/nginx.conf:\d+ passes to upstream myapp, where .keepalive. has no effect: .* => proxy_http_version 1.1; proxy_set_header Connection "";   # beside it`}},
		"keepalive, and headers that hide the one": {"upstream myapp { server BLUE; keepalive 4; }", func(o *nginxtest.Options) {
			o.HTTP += `proxy_http_version 1.1; proxy_set_header Connection "";`
			o.Server = "location / { proxy_set_header Host $host; proxy_pass http://myapp; }"
		}, []string{`advice keepalive: .* => proxy_set_header Connection "";   #`}},
		"keepalive, all from above": {"upstream myapp { server BLUE; keepalive 4; }", func(o *nginxtest.Options) {
			o.HTTP += `proxy_http_version 1.1; proxy_set_header Connection "";`
			o.Server = "location / { proxy_pass http://myapp; }"
		}, nil},
		"nothing passes to it": {upstream, func(o *nginxtest.Options) { o.Server = "location / { proxy_pass http://BLUE; }" },
			[]string{`problem decides: nothing in \S+/nginx.conf passes to upstream myapp: the live file decides nothing => pass to it where the site is served \(.proxy_pass http://myapp;.\)`}},
		"a comment that lies": {"# green is live\n" + upstream, func(*nginxtest.Options) {},
			[]string{`advice comment: \S+/active_upstream.conf:1 says "# green is live", but blue is live: .* => take it out; .bgswitch to blue. loads`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := well()
			o.Server = passes
			c.change(&o)
			newPatient(t, o, c.live).finds(c.want...)
		})
	}
}

// A variable is looked up while nginx serves; its test does not look there.
func TestWithoutResolver(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	for name, c := range map[string]struct {
		server string
		colors [2]string
		want   []string
	}{
		"a name without a resolver": {"include LIVE; location / { proxy_pass http://$app; }", [2]string{"app-blue.onion:80", "app-green.onion:80"},
			[]string{`problem names: `, `problem names: `, `problem resolver: \S+:\d+ passes by a variable, and no .resolver. is set there: nginx would not find app-blue.onion:80, and answers 502 => resolver 127.9.9.9 valid=10s;   # in that location`}},
		"a resolver of another server": {"include LIVE; location / { proxy_pass http://$app; } location /b { resolver 127.0.0.1; }", [2]string{"app-blue.onion:80", "app-green.onion:80"},
			[]string{`problem names: `, `problem names: `, `problem resolver: `}},
		"a name with a resolver": {"include LIVE; resolver 127.0.0.1; location / { proxy_pass http://$app; }", [2]string{"app-blue.onion:80", "app-green.onion:80"},
			[]string{`unknown names: .* => .dig app-blue.onion. at the name server`, `unknown names: `}},
		"an upstream": {"include LIVE; location / { proxy_pass http://$app; } }\n upstream app-blue { server BLUE; }\n upstream app-green { server GREEN; }\n server { listen unix:DIR/other;", [2]string{"app-blue", "app-green"},
			nil},
		"addresses": {"include LIVE; location / { proxy_pass http://$app; }", [2]string{"BLUE", "GREEN"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := well()
			o.Server = "return 204;"
			p := newPatient(t, o, "")
			for i := range c.colors {
				c.colors[i] = p.filled(c.colors[i])
			}
			selector, err := nginxconf.ParseSelector("set $app")
			must(t, err)
			colors := nginxconf.Colors{}
			for i, color := range []switcher.Color{switcher.Blue, switcher.Green} {
				value, err := selector.Value(c.colors[i])
				must(t, err)
				colors[color] = []nginxconf.Value{value}
			}
			live := filepath.Join(p.Dir, "live.inc")
			p.write(live, "set $app "+c.colors[0]+";\n")
			p.s.Site.Files = []switcher.LiveFile{{Path: live, Layout: nginxconf.Layout{{Selector: selector, Colors: colors}}}}
			p.s.Site.URLs = map[switcher.Color]health.URL{switcher.Blue: health.MustParseURL("http://" + p.Blue.Addr), switcher.Green: health.MustParseURL("http://" + p.Green.Addr)}
			o.HTTP, o.Server = kept(t), strings.NewReplacer("LIVE", live, "DIR", p.Dir).Replace(p.filled(c.server))
			p.write(filepath.Join(p.host.Root, "etc/resolv.conf"), "nameserver 127.9.9.9\n")
			p.confirms("X-Color: blue", "X-Color: green")
			must(t, p.WriteConf(o))
			p.reload()
			if strings.HasPrefix(c.colors[0], "app-blue.onion:") { // nobody answers through it
				p.s.Site.Confirm = nil
			}
			p.finds(c.want...)
		})
	}
}

// What newer versions of nginx have, and keep by themselves.
func TestVersions(t *testing.T) {
	t.Parallel()
	const conf = "http { %s upstream app { server 127.0.0.1:1; keepalive 4; } server { location / { proxy_pass http://app; %s } } }"
	for _, c := range []struct {
		http, location string
		version        nginx.Version
		want           []string
	}{
		{"", "", nginx.Version{1, 27, 3}, []string{"advice : /n:1 passes to upstream app, .* => proxy_http_version 1.1; proxy_set_header Connection \"\";"}},
		{"", "", nginx.Version{1, 27, 4}, []string{"advice : no .keepalive_min_timeout. is set: .* => keepalive_min_timeout 1s;   # in http { } of /n$", "advice : /n:1 passes"}},
		{"keepalive_min_timeout 1s;", "", nginx.Version{1, 29, 7}, nil},
		{"keepalive_min_timeout 1s;", "proxy_http_version 1.0;", nginx.Version{1, 31, 4}, []string{"advice : .* => proxy_http_version 1.1;   # beside it"}},
		{"keepalive_min_timeout 1s;", "proxy_set_header Connection close;", nginx.Version{1, 31, 4}, []string{"advice : .* => proxy_set_header Connection \"\";   # beside it"}},
		{"", "proxy_http_version 1.1; proxy_set_header Connection $kept;", nginx.Version{}, nil},
	} {
		text := fmt.Sprintf(conf, c.http, c.location)
		layout := nginxconf.Layout{{Selector: nginxconf.ServerOf("app"), Colors: nginxconf.Colors{switcher.Blue: {address(t, "127.0.0.1:1")}, switcher.Green: {address(t, "127.0.0.1:2")}}}}
		read, err := nginxconf.Read([]byte(text), layout)
		must(t, err)
		x := &site{Examination: &switcher.Examination{Version: c.version, Seen: []switcher.SeenFile{{Path: "/n", Words: read.Words()}}}}
		x.tree = newConfiguration(nginxconf.ReadTree([]nginxconf.Source{{Name: "/n", Text: []byte(text)}}))
		match(t, append(x.cutsKept(), x.keepsNothing()...), c.want...)
	}
}
