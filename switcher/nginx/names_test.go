package nginx

import (
	"slices"
	"testing"

	"bgswitch/nginxconf"
)

func TestUses(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]bool{
		"set $active blue;": false,
		"set $active blue; location / { proxy_pass http://$active; }":     true,
		"set $active blue; location / { proxy_pass http://${active}.x; }": true,
		"set $active blue; proxy_pass http://$active2;":                   false,
		"set $active blue; if ($active = blue) { return 200; }":           true,
		"set $active blue;\nset $active green;":                           false,
		"set $active blue; set $to $active;":                              true,
		"map $host $active { default blue; }":                             false,
		"map $host $active { default blue; } map $active $x { a b; }":     true,
		"map $host $active { default blue; }\nproxy_pass http://$active;": true,
	} {
		if got := dumpOf(t, "/e/nginx.conf", "include x;", "/e/x", src).Uses("$active"); got != want {
			t.Errorf("%s: uses %v, want %v", src, got, want)
		}
	}
}

func TestFinds(t *testing.T) {
	t.Parallel()
	const passes = "set $active blue; location / { proxy_pass http://$active; } "
	for src, want := range map[string]bool{
		passes:                                                 false,
		passes + "upstream green { server a; }":                true,
		passes + "upstream \"GREEN\"{server a;}":               true,
		passes + "upstream green2 { server a; }":               false,
		passes + "location /b { proxy_pass http://GREEN/x; }":  true,
		passes + "location /b { proxy_pass http://green:81; }": false,
		passes + "resolver 127.0.0.1;":                         true,
		"proxy_pass http://$active.example;":                   true,
		"proxy_pass http://x$active;":                          true,
		"proxy_pass $active;":                                  false,
		"proxy_pass $active$request_uri;":                      false,
		"proxy_pass http://${active}/x;":                       false,
		"grpc_pass grpc://$active;":                            false,
		"proxy_pass http://$active; http {":                    true,
	} {
		finds(t, src, "green", want)
	}
}

// An upstream's name has no port; an address that something passes to has one.
func TestFindsWithAPort(t *testing.T) {
	t.Parallel()
	const passes = "set $active http://green:8080; location / { proxy_pass $active; } "
	for more, want := range map[string]bool{
		"":                             false,
		"upstream green { server a; }": false,
		"location /preview { proxy_pass http://green:8080; }":   true,
		"location /preview { proxy_pass http://green:8081/x; }": false,
		"resolver 127.0.0.1;": true,
	} {
		finds(t, passes+more, "green:8080", want)
	}
	for _, known := range []string{"127.0.0.1:8080", "[::1]:8080", "unix:/run/green.sock"} {
		finds(t, passes, known, true)
	}
}

func finds(t *testing.T, src, text string, want bool) {
	t.Helper()
	host, err := nginxconf.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := dumpOf(t, "/e/nginx.conf", "include x;", "/e/x", src).Finds(host, "$active"); got != want {
		t.Errorf("%s: finds %s: %v, want %v", src, text, got, want)
	}
}

func TestPassingTo(t *testing.T) {
	t.Parallel()
	const live = "upstream app {\n  server 127.0.0.1:1;\n}\n"
	const site = "location / { proxy_pass http://app; }\nlocation /old { proxy_pass http://127.0.0.1:1/x; } # 127.0.0.1:1\n" +
		"upstream other {\n  server 127.0.0.1:1 backup;\n}\nupstream idle { server 127.0.0.1:1; }\nlocation /b { grpc_pass other; }\nset $a 127.0.0.1:1;\n"
	d := dumpOf(t, "/e/nginx.conf", "include *;", "/e/live", live, "/e/site", site)
	value, err := nginxconf.ParseAddress("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	want := []Passing{{"/e/site", 2}, {"/e/site", 4}}
	if got := d.PassingTo(value, []Passing{{"/e/live", 2}}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := d.PassingTo(value, nil); len(got) != 3 {
		t.Errorf("with the line that decides: %v", got)
	}
}
