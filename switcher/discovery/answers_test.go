package discovery

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher/root"
)

func answers(header map[string]string, bodies ...string) (all []Answer) {
	for i := range asked {
		all = append(all, Answer{Healthy: true, Header: header, Body: bodies[i%len(bodies)]})
	}
	return all
}

// What calls itself by a color comes first, what goes with a release last, and what
// is not the same in each answer is no mark.
func TestApart(t *testing.T) {
	t.Parallel()
	h := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	for name, test := range map[string]struct {
		live, idle []Answer
		want       Marks
	}{
		"a color in a header":    {answers(h("X-Color", "green", "X-Id", "a"), "hi"), answers(h("X-Color", "blue", "X-Id", "b"), "hi"), Marks{"X-Color: green", "X-Color: blue", nginxconf.Green, false}},
		"before a release":       {answers(h("X-A", "v41", "X-Served-By", "app-blue"), "hi"), answers(h("X-A", "v42", "X-Served-By", "app-green"), "hi"), Marks{"X-Served-By: app-blue", "X-Served-By: app-green", nginxconf.Blue, false}},
		"another header":         {answers(h("X-Instance", "left"), "hi"), answers(h("X-Instance", "right"), "hi"), Marks{"X-Instance: left", "X-Instance: right", "", false}},
		"a release alone":        {answers(h("X-Release", "v41"), "hi"), answers(h("X-Release", "v42"), "hi"), Marks{"X-Release: v41", "X-Release: v42", "", true}},
		"a commit alone":         {answers(h("X-Build", "1a2b3c4"), "hi"), answers(h("X-Build", "5d6e7f8"), "hi"), Marks{"X-Build: 1a2b3c4", "X-Build: 5d6e7f8", "", true}},
		"what transport says":    {answers(h("Date", "1", "Etag", "a", "Content-Length", "5", "Set-Cookie", "a=1"), "hi"), answers(h("Date", "2", "Etag", "b", "Content-Length", "6", "Set-Cookie", "a=2"), "hi"), Marks{}},
		"the same":               {answers(h("X-Color", "blue"), "hi"), answers(h("X-Color", "blue"), "hi"), Marks{}},
		"a text":                 {answers(nil, "<p>\n  You are on blue.\n</p>"), answers(nil, "<p>\n  You are on green.\n</p>"), Marks{"You are on blue.", "You are on green.", nginxconf.Blue, false}},
		"a text beside noise":    {answers(nil, "blue 1", "blue 2", "blue 3"), answers(nil, "green 4", "green 5", "green 6"), Marks{"blue", "green", nginxconf.Blue, false}},
		"JSON":                   {answers(nil, `{"color":"blue","up":1}`), answers(nil, `{"color":"green","up":1}`), Marks{`{"color":"blue","up":1}`, `{"color":"green","up":1}`, nginxconf.Blue, false}},
		"what looks like one":    {answers(nil, "color: blue"), answers(nil, "color: green"), Marks{"blue", "green", nginxconf.Blue, false}},
		"a text of both":         {answers(nil, "blue and green"), answers(nil, "green and blue"), Marks{"blue and green", "green and blue", "", false}},
		"a short body":           {answers(nil, "left"), answers(nil, "right"), Marks{"left", "right", "", false}},
		"a body with a release":  {answers(nil, "shop 1.4"), answers(nil, "shop 1.5"), Marks{"shop 1.4", "shop 1.5", "", true}},
		"one within the other":   {answers(nil, "app"), answers(nil, "app2"), Marks{}},
		"a color that is a word": {answers(nil, "evergreen"), answers(nil, "everblue"), Marks{"evergreen", "everblue", "", false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, found := Apart(test.live, test.idle)
			if got != test.want || found != (test.want != Marks{}) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
	sick := answers(h("X-Color", "green"), "hi")
	sick[asked-1].Healthy = false
	changing := answers(h("X-Color", "green"), "hi")
	changing[1].Header = h("X-Color", "red")
	for name, idle := range map[string][]Answer{"sick": sick, "changing": changing, "asked once": sick[:1], "not asked": nil} {
		if got, found := Apart(answers(h("X-Color", "blue"), "hi"), idle); found {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// hosts are apps that answer on ports that follow one another.
func hosts(t *testing.T, n int, handler http.HandlerFunc) (addresses []string) {
	t.Helper()
	for try := range 200 {
		addresses = nil
		var all []*httptest.Server
		for i := range n {
			at := fmt.Sprintf("127.0.0.%d:%d", 60+try%100, 20000+try*7+i+os.Getpid()%2000)
			listener, err := net.Listen("tcp", at)
			if err != nil {
				break
			}
			server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
			server.Start()
			all, addresses = append(all, server), append(addresses, at)
		}
		if len(addresses) == n {
			for _, s := range all {
				t.Cleanup(s.Close)
			}
			return addresses
		}
		for _, s := range all {
			s.Close()
		}
	}
	t.Fatal("no ports follow one another")
	return nil
}

// The next port is a guess where it answers as the live one does, and nobody else
// has it.
func TestNeighbors(t *testing.T) {
	t.Parallel()
	var kind atomic.Pointer[string]
	text := "text/plain"
	kind.Store(&text)
	at := hosts(t, 2, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", *kind.Load()) })
	other := "text/other"
	conf := "events {}\nhttp { upstream app { server " + at[0] + "; }\nserver { location / { proxy_pass http://app; } } }\n"
	look := &Look{Tree: nginxconf.ReadTree([]nginxconf.Source{{Name: "/nginx.conf", Text: []byte(conf)}})}
	look.Found = Find(look.Tree, root.Root{})
	ask := func(ctx context.Context, check health.Check, backends []health.Backend) []health.Verdict {
		if backends[0].Address == at[1] && *kind.Load() != text {
			kind.Store(&other)
		}
		return health.Asker{Transcribe: true}.Ask(ctx, check, backends)
	}
	guesses := look.Neighbors(t.Context(), ask, look.Has)
	if len(guesses) != 1 || guesses[0].Idle[0] != at[1] || guesses[0].Sure || guesses[0].Selector != "server in upstream app" {
		t.Fatalf("%+v", guesses)
	}
	if guesses := look.Neighbors(t.Context(), ask, func(address string) bool { return address == at[1] }); len(guesses) > 0 {
		t.Errorf("somebody else's: %+v", guesses[0])
	}
	unlike := func(ctx context.Context, check health.Check, backends []health.Backend) []health.Verdict {
		kind.Store(&text)
		if backends[0].Address == at[1] {
			kind.Store(&other)
		}
		return health.Asker{Transcribe: true}.Ask(ctx, check, backends)
	}
	if guesses := look.Neighbors(t.Context(), unlike, look.Has); len(guesses) > 0 {
		t.Errorf("another app: %+v", guesses[0])
	}
}

// A port that the configuration has is not asked for, by whatever spelling of this
// host.
func TestHas(t *testing.T) {
	t.Parallel()
	look := &Look{Tree: nginxconf.ReadTree([]nginxconf.Source{{Name: "/nginx.conf", Text: []byte(
		"http { upstream a { server localhost:3001; server 10.0.0.1:3003 backup; } server { location / { proxy_pass http://127.0.0.1:3002/x; } } }")}})}
	for address, want := range map[string]bool{"127.0.0.1:3001": true, "[::1]:3002": true, "127.0.0.1:3003": false, "10.0.0.1:3003": true, "10.0.0.1:3001": false} {
		if got := look.Has(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// What servers listen on, and their names, say how to ask through nginx.
func TestWays(t *testing.T) {
	t.Parallel()
	conf := `http { upstream app { server 127.0.0.1:1; }
		server { listen 443 ssl; listen 80; listen [::]:8080; server_name _ ~^x *.example.com shop.example.com; location /shop/ { proxy_pass http://app; } }
		server { location ~ \.php$ { proxy_pass http://app; } }
		server { listen unix:/x; listen 10.0.0.5; location = /up { proxy_pass http://app; } } }`
	tree := nginxconf.ReadTree([]nginxconf.Source{{Name: "/nginx.conf", Text: []byte(conf)}})
	found := Find(tree, root.Root{})
	if len(found.Bare) != 1 {
		t.Fatalf("%+v", found)
	}
	published := func(port string) []string {
		if port == "80" {
			return []string{"9000"}
		}
		return nil
	}
	var got []string
	for _, w := range WaysOf(tree, found.Bare[0], published) {
		got = append(got, w.Host+" "+w.URL)
	}
	want := "shop.example.com http://127.0.0.1/shop/|shop.example.com http://127.0.0.1:9000/shop/|shop.example.com http://[::1]:8080/shop/| http://127.0.0.1/| http://127.0.0.1:9000/| http://10.0.0.5/up| http://10.0.0.5:9000/up|shop.example.com https://127.0.0.1/shop/"
	if strings.Join(got, "|") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "|"), want)
	}
}

// A configuration of 5,000 files takes little more than ten times one of 500: what
// decides is found in time, wherever it stands.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	look := func(n int) time.Duration {
		dir := t.TempDir()
		sources := []nginxconf.Source{{Name: filepath.Join(dir, "nginx.conf"), Text: []byte("events {}\nhttp {\n include conf.d/*.conf;\n}\n")}}
		add := func(name, text string) {
			sources = append(sources, nginxconf.Source{Name: filepath.Join(dir, "conf.d", name), Text: []byte(text)})
		}
		add("params.inc", "proxy_set_header Host $host;\n")
		for i := range n {
			port := 10000 + i
			add(fmt.Sprintf("site%05d.conf", i), fmt.Sprintf("# site %d\nupstream app%d { server 127.0.0.1:%d; keepalive 8; }\nserver {\n  listen 80;\n  server_name s%d.example.com;\n  location / {\n    include conf.d/params.inc;\n    proxy_pass http://app%d;\n  }\n}\n", i, i, port, i, i))
		}
		add("zz.conf", "upstream shop { server 127.0.0.1:3001; } # 3001 = blue, 3002 = green\nserver { listen 81; location / { proxy_pass http://shop; } }\n")
		began := time.Now()
		found := Find(nginxconf.ReadTree(sources), root.Root{})
		if len(found.Places) != 1 || found.Places[0].Upstream != "shop" || len(found.Bare) != n {
			t.Fatalf("%d places, %d bare", len(found.Places), len(found.Bare))
		}
		return time.Since(began)
	}
	few, many := look(500), look(5000)
	t.Logf("500 files: %v, 5,000 files: %v", few, many)
	if most := 60 * max(few, 20*time.Millisecond); many > most {
		t.Errorf("5,000 files take %v, 500 take %v", many, few)
	}
}
