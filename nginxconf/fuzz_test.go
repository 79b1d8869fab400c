package nginxconf

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// fuzzLayouts are what FuzzEdit reads each input with.
func fuzzLayouts(t testing.TB) []Layout {
	local := colors(t, "127.0.0.1:18001 | 127.0.0.1:18002")
	names := "blue | green"
	both := append(selecting(t, "set $a", names), selecting(t, "backup in upstream app", "127.0.0.1:18001 | 127.0.0.1:18002")...)
	return []Layout{
		both,
		selecting(t, "", "127.0.0.1:18001 | 127.0.0.1:18002"),
		selecting(t, "set $a", names),
		selecting(t, "proxy_pass", names),
		selecting(t, "proxy_pass in location /", "127.0.0.1:18001 | 127.0.0.1:18002"),
		selecting(t, "map $a", names),
		selecting(t, "include", names),
		selecting(t, "backup in upstream app", "127.0.0.1:18001 | 127.0.0.1:18002"),
		upstreams(map[string]Colors{Sole: local}),
		upstreams(map[string]Colors{"": local}),
		upstreams(map[string]Colors{"app": local}),
		upstreams(map[string]Colors{"app": colors(t, "app-blue:80 [::1]:18001 | unix:/run/green.sock app-green")}),
		upstreams(map[string]Colors{"api": local, "web": colors(t, "127.0.0.1:18011 | 127.0.0.1:18012")}),
	}
}

func FuzzEdit(f *testing.F) {
	for _, c := range fixtures(f) {
		f.Add([]byte(c.In))
	}
	for _, p := range pairs {
		f.Add([]byte(p.before))
	}
	for _, c := range selected {
		f.Add([]byte(c.before))
	}
	f.Add([]byte("upstream app { server app-blue:80; server \"[::1]:18001\" a=1 b a=2; }"))
	f.Add([]byte("upstream app { server 127.0.0.1:18001 `a; }\n# ` \\; \"x\\\\\"\r}"))
	layouts := fuzzLayouts(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, l := range layouts {
			checkLaws(t, src, l)
		}
	})
}

// checkLaws holds an input to what is promised of every file.
func checkLaws(t *testing.T, src []byte, l Layout) {
	given := bytes.Clone(src)
	f, err := Read(src, l)
	if !bytes.Equal(src, given) {
		t.Fatal("reading changed the bytes")
	}
	if err != nil {
		var r *Refusal
		if !errors.As(err, &r) || r.Msg == "" {
			t.Fatalf("%v is not a refusal", err)
		}
		return
	}
	canonical := checkWords(t, f, src)
	if same, err := f.Edit(f.Live()); err != nil || !bytes.Equal(same, src) {
		t.Fatalf("edit to the live color: %q, %v", same, err)
	}
	to := f.Live().Other()
	after, err := f.Edit(to)
	if err != nil {
		t.Fatalf("a file that is understood cannot be edited: %v", err)
	}
	back := editAgain(t, after, l, to)
	if canonical && !bytes.Equal(back, src) {
		t.Fatalf("there and back: %q, want %q", back, src)
	}
	if again := editAgain(t, back, l, to.Other()); !bytes.Equal(again, after) {
		t.Fatalf("there, back and there: %q, want %q", again, after)
	}
}

// checkWords tells whether all deciding words are written canonically.
func checkWords(t *testing.T, f *File, src []byte) bool {
	canonical := true
	for _, w := range f.words {
		if string(src[w.Start:w.End]) != w.Value {
			t.Fatalf("the span cuts out %q, want %q", src[w.Start:w.End], w.Value)
		}
		if line := 1 + bytes.Count(src[:w.Start], []byte("\n")); line != w.Line {
			t.Fatalf("word %q is said to stand in line %d, want %d", w.Value, w.Line, line)
		}
		written := w.texts[w.Color]
		canonical = canonical && w.Value == written
	}
	return canonical
}

// editAgain reads a file that was written and returns it in the other color.
func editAgain(t *testing.T, src []byte, l Layout, live Color) []byte {
	f, err := Read(src, l)
	if err != nil || f.Live() != live {
		t.Fatalf("the written file %q is not %s: %v", src, live, err)
	}
	after, err := f.Edit(live.Other())
	if err != nil {
		t.Fatalf("the written file %q cannot be edited: %v", src, err)
	}
	return after
}

// phrases are what random files are made of: mostly right, often enough wrong.
var phrases = []string{
	"upstream app {", "upstream web {", "upstream \"app\" {", "\"upstream\" app {", "}", "}", "\n", "\r\n", " ", "\t", ";",
	"server 127.0.0.1:18001;", "server 127.0.0.1:18001 ", "server \"127.0.0.1:18001\";", "'server' ", "server\n 127.0.0.1:18002 ;",
	"weight=2;", "weight=1 weight=2 x;", "'weight=2';", "down;", "a\\;b;", "a}b;", "`a;", "`;", "include x;", "ip_hash;", "keepalive 3;",
	"set $a blue;", "set $a \"green\" ;", "set $b green;", "location / {", "proxy_pass http://blue;", "proxy_pass 'http://127.0.0.1:18001/x';",
	"location / { proxy_pass http://127.0.0.1:18001;", "map $x $a { default blue;", "map $x $a {", "default blue;", "include blue;", "server 127.0.0.1:18002 backup;", "server 127.0.0.1:18002 'backup' ;", "backup", "backup;", "http://", "/x?y ",
	"# c\n", "# `\n", "# {\n", "# \"\n", "#\r", "\"x\\\\\" ", "'x;}' ", "$x{", "${x} ", "http {", "x {", "a_by_lua_block {", "a = {} --}\n", "[[ } ]]",
}

func TestLawsOnRandomFiles(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	layouts := fuzzLayouts(t)
	understood := make([]int, len(layouts))
	for range 20000 {
		src := []string{
			"upstream app { server 127.0.0.1:18001 ", "set $a blue; upstream app { server 127.0.0.1:18001; ", "location / { proxy_pass ", "", "map $x $a { ",
		}[random.IntN(5)]
		for range random.IntN(7) {
			src += phrases[random.IntN(len(phrases))]
		}
		src += []string{";}", "}", "", "; }\n# end", "server 127.0.0.1:18002 backup; }"}[random.IntN(5)]
		for _, l := range layouts {
			checkLaws(t, []byte(src), l)
		}
		for i, l := range layouts {
			if _, err := Read([]byte(src), l); err == nil {
				understood[i]++
			}
		}
	}
	for i, n := range understood[:8] {
		if n < 5 {
			t.Errorf("of layout %d (%s) %d files understood, want at least 5", i, layouts[i][0].Selector, n)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"127.0.0.1:3001", "app-blue", "App_Blue.example:80", "[2001:DB8::1]:1", "unix:/run/a.sock"} {
		f.Add(s)
	}
	for _, s := range hostile(f)[:300] {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			if a != (Address{}) {
				t.Fatalf("%q: %v, and the address %s", s, err, a)
			}
			return
		}
		written := a.String()
		if strings.Trim(written, writable) != "" {
			t.Fatalf("%q is written %q, with a byte outside the grammar", s, written)
		}
		if again, err := ParseAddress(written); err != nil || again != a {
			t.Fatalf("%q is written %q, which reads %v, %v", s, written, again, err)
		}
		other := Colors{Blue: {a}, Green: addresses(t, "the-other.example:1")}
		if other.Validate() != nil {
			return
		}
		checkWritten(t, written, upstreams(map[string]Colors{Sole: other}))
	})
}

// checkWritten has the address written into a file.
func checkWritten(t *testing.T, written string, l Layout) {
	got, err := edit(t, "upstream x { server the-other.example:1; }", l, Blue)
	if want := "upstream x { server " + written + "; }"; err != nil || got != want {
		t.Fatalf("written file %q, %v; want %q", got, err, want)
	}
}
