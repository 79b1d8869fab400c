package nginxconf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pairs are edits to green, each before and after. Both layouts of the names
// are those of pairLayouts.
var pairs = []struct{ name, layout, before, after string }{
	{"a whole nginx.conf", "app",
		"events {}\nhttp {\n  upstream app { server 127.0.0.1:3001; }\n  server { listen 80; location / { proxy_pass http://app; } }\n}\n",
		"events {}\nhttp {\n  upstream app { server 127.0.0.1:3002; }\n  server { listen 80; location / { proxy_pass http://app; } }\n}\n"},
	{"other statements keep their place", "app",
		"upstream app {\n  least_conn;\n  server 127.0.0.1:3001 weight=5 max_fails=3;\n  keepalive 8;\n}\n",
		"upstream app {\n  least_conn;\n  server 127.0.0.1:3002 weight=5 max_fails=3;\n  keepalive 8;\n}\n"},
	{"a statement over several lines", "app",
		"upstream\n  app\n{\n  server\n    127.0.0.1:3001\n    weight=1\n  ;\n}",
		"upstream\n  app\n{\n  server\n    127.0.0.1:3002\n    weight=1\n  ;\n}"},
	{"the value in comments, names and paths stays", "app",
		"# 127.0.0.1:3001 is live\nlog_format f 127.0.0.1:3001;\nupstream app { server 127.0.0.1:3001; } # 127.0.0.1:3001",
		"# 127.0.0.1:3001 is live\nlog_format f 127.0.0.1:3001;\nupstream app { server 127.0.0.1:3002; } # 127.0.0.1:3001"},
	{"braces in quotes and variables", "app",
		"map $a $b { default \"}{\"; x${a}y 'it;'; }\nupstream app { server 127.0.0.1:3001; }\n",
		"map $a $b { default \"}{\"; x${a}y 'it;'; }\nupstream app { server 127.0.0.1:3002; }\n"},
	{"a condition", "app",
		"upstream app { server 127.0.0.1:3001; }\nserver { if ($host = \"x\") { return 403; } }\n",
		"upstream app { server 127.0.0.1:3002; }\nserver { if ($host = \"x\") { return 403; } }\n"},
	{"Lua with balanced braces", "app",
		"init_by_lua_block {\n  t = { [[a]], 'b' } -- it is\n}\nupstream app { server 127.0.0.1:3001; }\n",
		"init_by_lua_block {\n  t = { [[a]], 'b' } -- it is\n}\nupstream app { server 127.0.0.1:3002; }\n"},
	{"tabs, CRLF and no final newline", "app",
		"upstream\tapp\t{\r\n\tserver\t127.0.0.1:3001\t;\r\n\t}\r\n\r\n# end",
		"upstream\tapp\t{\r\n\tserver\t127.0.0.1:3002\t;\r\n\t}\r\n\r\n# end"},
	{"bytes that are not UTF-8", "app",
		"# caf\xe9\nlog_format f \"\xff\";\nupstream app { server 127.0.0.1:3001; }",
		"# caf\xe9\nlog_format f \"\xff\";\nupstream app { server 127.0.0.1:3002; }"},
	{"a name in capitals is the same name", "names",
		"upstream app { server APP-Blue:8080; }",
		"upstream app { server app-green:8080; }"},
	{"port 80 may be left out", "port80",
		"upstream app { server 10.0.0.1:80; }",
		"upstream app { server 10.0.0.2; }"},
	{"an IPv6 address is written shortest", "ipv6",
		"upstream app { server [0:0:0:0:0:0:0:1]:3001; }",
		"upstream app { server [fd00::2]:3001; }"},
	{"a longer value moves what follows", "longer",
		"upstream app { server a:1; } # end",
		"upstream app { server a-much-longer.name.example:65535; } # end"},
	{"each server has its counterpart, in any order", "three",
		"upstream app {\n  server 10.0.0.3:1 weight=3;\n  server 10.0.0.1:1;\n  server \"10.0.0.2:1\";\n}\n",
		"upstream app {\n  server 10.0.1.3:1 weight=3;\n  server 10.0.1.1:1;\n  server \"10.0.1.2:1\";\n}\n"},
	{"two upstreams, in the other order", "two",
		"upstream web { server 10.0.0.1:80; }\nupstream api { server 10.0.0.1:81; }\n",
		"upstream web { server 10.0.0.2:80; }\nupstream api { server 10.0.0.2:81; }\n"},
	{"a fragment with more than servers", "fragment",
		"# pool\nserver 127.0.0.1:3001 max_fails=1; keepalive 4;\n",
		"# pool\nserver 127.0.0.1:3002 max_fails=1; keepalive 4;\n"},
	{"sole: the only upstream, whatever its name", "sole",
		"upstream \"my app\" { server 127.0.0.1:3001; }\nserver { listen 80; }\n",
		"upstream \"my app\" { server 127.0.0.1:3002; }\nserver { listen 80; }\n"},
	{"sole: a fragment", "sole",
		"server 127.0.0.1:3001;",
		"server 127.0.0.1:3002;"},
	{"the name holds what names hold", "sole",
		"upstream a.b-c_d { server 127.0.0.1:3001; }",
		"upstream a.b-c_d { server 127.0.0.1:3002; }"},
}

func pairLayouts(t testing.TB) map[string]Layout {
	local := colors(t, "127.0.0.1:3001 | 127.0.0.1:3002")
	return map[string]Layout{
		"app":      upstreams(map[string]Colors{"app": local}),
		"sole":     upstreams(map[string]Colors{Sole: local}),
		"fragment": upstreams(map[string]Colors{"": local}),
		"names":    upstreams(map[string]Colors{"app": colors(t, "app-blue:8080 | App-Green:8080")}),
		"port80":   upstreams(map[string]Colors{"app": colors(t, "10.0.0.1 | 10.0.0.2")}),
		"ipv6":     upstreams(map[string]Colors{"app": colors(t, "[::1]:3001 | [FD00:0::2]:3001")}),
		"longer":   upstreams(map[string]Colors{"app": colors(t, "a:1 | a-much-longer.name.example:65535")}),
		"three":    upstreams(map[string]Colors{"app": colors(t, "10.0.0.1:1 10.0.0.2:1 10.0.0.3:1 | 10.0.1.1:1 10.0.1.2:1 10.0.1.3:1")}),
		"two":      upstreams(map[string]Colors{"api": colors(t, "10.0.0.1:81 | 10.0.0.2:81"), "web": colors(t, "10.0.0.1:80 | 10.0.0.2:80")}),
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	layouts := pairLayouts(t)
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			got, err := edit(t, p.before, layouts[p.layout], Green)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.after, got); diff != "" {
				t.Errorf("edited file (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEditToLiveReturnsTheSameBytes(t *testing.T) {
	t.Parallel()
	layouts := pairLayouts(t)
	for _, p := range pairs {
		if got, err := edit(t, p.before, layouts[p.layout], Blue); err != nil || got != p.before {
			t.Errorf("%s: %q, %v; want the bytes that were read", p.name, got, err)
		}
	}
}

func TestEditRefusesOtherColors(t *testing.T) {
	t.Parallel()
	_, err := edit(t, "server 127.0.0.1:3001;", pairLayouts(t)["sole"], "red")
	wantRefusal(t, err, `"red": expected blue or green`)
}

func TestWords(t *testing.T) {
	t.Parallel()
	src := "# two\nupstream web {\n  server \"10.0.0.1:80\" weight=2;\n}\nupstream api { server 10.0.0.1:81; }\n"
	f, err := Read([]byte(src), pairLayouts(t)["two"])
	if err != nil {
		t.Fatal(err)
	}
	if f.Live() != Blue {
		t.Errorf("live is %q, want blue", f.Live())
	}
	type shown struct {
		Upstream, Value, Cut string
		Line                 int
	}
	var got []shown
	for _, w := range f.words {
		got = append(got, shown{w.Upstream, w.Value, src[w.Start:w.End], w.Line})
	}
	want := []shown{{"web", "10.0.0.1:80", "10.0.0.1:80", 3}, {"api", "10.0.0.1:81", "10.0.0.1:81", 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
}

// TestProofCatches breaks an edit in each way the proof knows.
func TestProofCatches(t *testing.T) {
	t.Parallel()
	src := "# c\nupstream app {\n  server 127.0.0.1:3001 weight=2;\n}\n"
	f, err := Read([]byte(src), pairLayouts(t)["app"])
	if err != nil {
		t.Fatal(err)
	}
	good := strings.Replace(src, "3001", "3002", 1)
	if err := f.prove([]byte(good), Green); err != nil {
		t.Fatalf("a good edit: %v", err)
	}
	for name, after := range map[string]string{
		"nothing edited":       src,
		"a comment":            strings.Replace(good, "# c", "# d", 1),
		"a word beside":        strings.Replace(good, "weight=2", "weight=3", 1),
		"a blank":              strings.Replace(good, "app {", "app  {", 1),
		"a line":               strings.Replace(good, "# c\n", "\n# c\n", 1),
		"a statement more":     strings.Replace(good, "}", "ip_hash;}", 1),
		"quotes":               strings.Replace(good, "127.0.0.1:3002", `"127.0.0.1:3002"`, 1),
		"a parameter more":     strings.Replace(good, "weight=2", "weight=2 down", 1),
		"a broken file":        good + "}",
		"the end is cut":       good[:len(good)-3],
		"a final newline more": good + "\n",
	} {
		wantRefusalOf(t, name, f.prove([]byte(after), Green))
	}
}

// What Edit makes of a file that is read wrongly is proved before it is returned.
func TestEditIsProved(t *testing.T) {
	t.Parallel()
	src := "upstream app {\n  server 127.0.0.1:3001 weight=2;\n}\n"
	for name, wrong := range map[string]func(w *Word){
		"too long":      func(w *Word) { w.End += len(" weight=2") },
		"too short":     func(w *Word) { w.End -= len(":3001") },
		"another one":   func(w *Word) { w.Start, w.End = w.End+1, w.End+1+len("weight=2") },
		"another color": func(w *Word) { w.texts = map[Color]string{Blue: "127.0.0.1:3001", Green: "127.0.0.1:3003"} },
	} {
		f, err := Read([]byte(src), pairLayouts(t)["app"])
		if err != nil {
			t.Fatal(err)
		}
		wrong(&f.words[0])
		_, err = f.Edit(Green)
		wantRefusalOf(t, name, err)
	}
}

func wantRefusalOf(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want a refusal", name)
		return
	}
	wantRefusal(t, err, "")
}

func TestProofWantsCanonicalWords(t *testing.T) {
	t.Parallel()
	src := "upstream app { server 10.0.0.1; }"
	f, err := Read([]byte(src), pairLayouts(t)["port80"])
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, f.prove([]byte("upstream app { server 10.0.0.2:80; }"), Green), "expected 10.0.0.2")
}
