package nginxconf

import "testing"

func TestRoutesAlike(t *testing.T) {
	t.Parallel()
	const like = "upstream a { server 127.0.0.1:1 max_fails=2; keepalive 16; }\nserver { location /a { proxy_pass http://a; } }"
	for src, want := range map[string]bool{
		like: true,
		"# blue\nupstream \"a\" {\n  server 127.0.0.1:1;\n}\nserver { add_header X-Color blue; location /a { proxy_pass http://a; } }": true,
		"upstream a { server 127.0.0.1:2; } server { location /a { proxy_pass http://a; } }":                                           false,
		"upstream a { server 127.0.0.1:1 down; } server { location /a { proxy_pass http://a; } }":                                      false,
		"upstream a { server 127.0.0.1:1; } server { location /b { proxy_pass http://a; } }":                                           false,
		"upstream a { server 127.0.0.1:1; } server { set $x y; location /a { proxy_pass http://a; } }":                                 false,
		"upstream a { server 127.0.0.1:1; } server { } location /a { proxy_pass http://a; }":                                           false,
	} {
		if got := RoutesOf([]byte(like)).Alike(RoutesOf([]byte(src))); got != want {
			t.Errorf("%s: %t", src, got)
		}
	}
}

func TestRoutesMiss(t *testing.T) {
	t.Parallel()
	right, _ := ParseAddress("127.0.0.1:1")
	wrong, _ := ParseAddress("127.0.0.1:2")
	for src, want := range map[string]bool{
		"upstream a { server 127.0.0.1:2; } location / { proxy_pass http://A; include proxy_params; }":   true,
		"location / { proxy_pass http://127.0.0.1:2/x; } location /a { proxy_pass http://127.0.0.1:3; }": true,
		"location / { proxy_pass http://127.0.0.1:3; }":                                                  false,
		"upstream a { server 127.0.0.1:2 backup; server 127.0.0.1:1; }":                                  false,
		"location / { proxy_pass http://blue; } location /preview { proxy_pass http://127.0.0.1:2; }":    false,
		"location / { proxy_pass http://$blue; } location /preview { proxy_pass http://127.0.0.1:2; }":   false,
		"include blue.inc; location /preview { proxy_pass http://127.0.0.1:2; }":                         false,
		"server {": false,
	} {
		if got := RoutesOf([]byte(src)).Miss(right, wrong); got != want {
			t.Errorf("%s: %t", src, got)
		}
	}
}

func TestDecidesWhere(t *testing.T) {
	t.Parallel()
	const (
		upstream = "upstream a { server 127.0.0.1:1; }"
		pass     = "server { server_name a; location / { proxy_pass http://127.0.0.1:1; } }"
	)
	blue, _ := ParseAddress("127.0.0.1:1")
	green, _ := ParseAddress("127.0.0.1:2")
	layout := Layout{{Colors: Colors{Blue: {blue}, Green: {green}}}}
	for _, c := range []struct {
		one, other string
		want       bool
	}{
		{upstream, "# green\nupstream a { server 127.0.0.1:2 max_fails=2; }", true},
		{upstream, "upstream b { server 127.0.0.1:2; }", false},
		{upstream, "server 127.0.0.1:2;", false},
		{upstream, pass, false},
		{"set $a 127.0.0.1:1;", "set $b 127.0.0.1:1;", false},
		{pass, "server { listen 81; server_name a; location / { proxy_pass http://127.0.0.1:2; } }", true},
		{pass, "server { server_name b; location / { proxy_pass http://127.0.0.1:2; } }", false},
		{pass, "server { server_name a; location /b { proxy_pass http://127.0.0.1:2; } }", false},
	} {
		one, err := Read([]byte(c.one), layout)
		other, otherErr := Read([]byte(c.other), layout)
		if err != nil || otherErr != nil {
			t.Fatal(err, otherErr)
		}
		if got := one.DecidesWhere(other); got != c.want {
			t.Errorf("%s beside %s: %t", c.one, c.other, got)
		}
	}
}
