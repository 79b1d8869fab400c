package nginxconf

import (
	"errors"
	"strings"
	"testing"
)

const local = "127.0.0.1:3001 | 127.0.0.1:3002"

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	app := upstreams(map[string]Colors{"app": colors(t, local)})
	sole := upstreams(map[string]Colors{Sole: colors(t, local)})
	fragment := upstreams(map[string]Colors{"": colors(t, local)})
	two := upstreams(map[string]Colors{"api": colors(t, "a:1 | a:2"), "web": colors(t, "b:1 | b:2")})
	pool := upstreams(map[string]Colors{"app": colors(t, "a:1 b:1 | a:2 b:2")})
	for _, c := range []struct {
		name   string
		layout Layout
		src    string
		want   []string // parts of the message
	}{
		// What decides.
		{"no color", app, "upstream app {\n  server 127.0.0.1:3003;\n}", []string{"line 2, column 10", `"127.0.0.1:3003" is neither blue nor green`, "127.0.0.1:3001 (blue)", "127.0.0.1:3002 (green)"}},
		{"another way to write the address", app, "upstream app { server 127.1:3001; }", []string{"is neither blue nor green"}},
		{"no port", app, "upstream app { server 127.0.0.1; }", []string{"is neither blue nor green"}},
		{"a value in a value", app, "upstream app { server 127.0.0.1:30010; }", []string{"is neither blue nor green"}},
		{"an escape", app, `upstream app { server "127.0.0.1:3001\t"; }`, []string{"is neither blue nor green"}},
		{"both colors", pool, "upstream app {\n server a:1;\n server b:2;\n}", []string{"line 3", "b:2 is green, expected blue, as on line 2"}},
		{"half and half", two, "upstream api { server a:1; }\nupstream web { server b:2; }", []string{"line 2", "upstream web is green, expected blue, as upstream api is on line 1"}},
		{"only one of two", two, "upstream api { server a:1; }", []string{"no upstream web", "the file has api"}},
		{"twice the same server", pool, "upstream app {\n server a:1;\n server A:1;\n}", []string{"line 3", "is on line 2 already"}},
		{"too many servers", app, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3003; }", []string{"is neither blue nor green"}},
		{"too few servers", pool, "\nupstream app { server a:1; }", []string{"line 2", "has 1 server, expected 2, as each color has"}},
		{"down", app, "upstream app { server 127.0.0.1:3001 down; }", []string{"column 38", "marked down", "down or backup"}},
		{"backup", app, "upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002 'backup'; }", []string{"marked backup"}},
		{"no argument", app, "upstream app { server; }", []string{"column 16", "the server has no address"}},
		{"no server", app, "upstream app { #server 127.0.0.1:3001;\n}", []string{"has no server"}},
		{"an include in the upstream", app, "upstream app {\n include x;\n server 127.0.0.1:3001;\n}", []string{"line 2", "there is an include in upstream app"}},
		{"Lua chooses", app, "upstream app { server 127.0.0.1:3001; balancer_by_lua_block { x() } }", []string{"balancer_by_lua_block chooses"}},
		{"Lua chooses, from a file", app, "upstream app { server 127.0.0.1:3001; balancer_by_lua_file x; }", []string{"balancer_by_lua_file chooses"}},
		{"a block in the upstream", app, "upstream app { server { } }", []string{`there is a block "server"`}},
		{"no such upstream", app, "upstream x { server a; }\nupstream y { server b; }", []string{"no upstream app", "x, y"}},
		{"no upstream at all", app, "server { listen 80; }", []string{"no upstream app", "the file has none"}},
		{"defined twice", app, "upstream app { server 127.0.0.1:3001; }\nhttp { upstream app { } }", []string{"line 2", "is defined 2 times"}},
		{"defined twice, quoted", app, "upstream app { server 127.0.0.1:3001; }\nupstream 'app' { server 127.0.0.1:3001; }", []string{"is defined 2 times"}},
		{"two names", app, "upstream app app { server 127.0.0.1:3001; }", []string{"2 names, expected 1"}},
		{"no name", app, "upstream { server 127.0.0.1:3001; }", []string{"0 names, expected 1"}},
		{"sole: several", sole, "upstream x { server a; }\nupstream y { server b; }", []string{"has 2 upstreams", "x, y"}},
		{"sole: twice the same", sole, "upstream x { server a; }\nupstream x { server b; }", []string{"upstream x is defined 2 times"}},
		{"sole: nothing", sole, "server { listen 80; }\n", []string{"no upstream and no server line"}},
		{"an empty file", sole, "", []string{"no upstream and no server line"}},
		{"a fragment without server", fragment, "keepalive 3;", []string{"the file has no server"}},
		{"a fragment with an include", fragment, "server 127.0.0.1:3001; include x;", []string{"there is an include in the file"}},
		{"a fragment with a block", fragment, "server 127.0.0.1:3001; server { listen 80; }", []string{`there is a block "server" in the file`}},

		// What nginx would not read.
		{"two semicolons", app, "a;\n b;;", []string{"line 2, column 4", `unexpected ";"`}},
		{"a block without a name", app, "{ }", []string{`unexpected "{"`}},
		{"a brace too many", app, "a { }\n}", []string{"line 2, column 1", `unexpected "}"`}},
		{"a brace too few", app, "a { b;", []string{"unexpected end of file", `"}"`}},
		{"no final semicolon", app, "a b", []string{"unexpected end of file", `";"`}},
		{"an open quote", app, "a;\nb 'c;\n", []string{"line 2, column 3", "unexpected end of file", "closing '"}},
		{"an open quote, hidden", app, `a "b\";`, []string{"unexpected end of file"}},
		{"a word at a quote", app, `a "b"c;`, []string{`unexpected "c" after a closing quote`}},
		{"a brace at a quote", app, `a "b"}`, []string{`unexpected "}" after a closing quote`}},
		{"a backslash at the end", app, `a \`, []string{"unexpected end of file"}},
		{"open Lua", app, "a;\ninit_by_lua_block { x = '}'", []string{"line 2", "unexpected end of file", "Lua"}},

		// What no reading is trusted with.
		{"NUL", app, "a;\n\x00", []string{"line 2, column 1", "NUL"}},
		{"byte order mark", app, "\ufeffa;", []string{"byte order mark"}},
		{"UTF-16", app, "\xff\xfea\x00", []string{"byte order mark"}},
		{"a long word", app, "a " + strings.Repeat("b", 4096) + ";", []string{"the word is too long"}},
		{"a long quoted word", app, "a '" + strings.Repeat("b", 4096) + "';", []string{"the word is too long"}},
		{"a long comment", app, "a; #" + strings.Repeat("b", 4095) + "\n", []string{"the comment is too long"}},
		{"deep blocks", app, strings.Repeat("a {", 65) + strings.Repeat("}", 65), []string{"65 levels deep"}},
		{"many braces", app, strings.Repeat("# {{{{\n", 2501), []string{"10004 opening braces"}},
		{"a large file", app, strings.Repeat(" ", 1<<20+1), []string{"1048577 bytes"}},

		// Where gonginx reads something else, each taken for what it is by nginx.
		{"an escaped semicolon", app, "upstream app { server 127.0.0.1:3001 a\\;b; }", []string{"differently"}},
		{"a back-tick", app, "upstream app { server 127.0.0.1:3001 `a; }\n# `", []string{"gonginx"}},
		{"a brace in a word", app, "upstream app { server 127.0.0.1:3001 a}b; }", []string{"gonginx"}},
		{"a bare CR in a comment", app, "upstream app { server 127.0.0.1:3001; # a\rserver 127.0.0.1:3002;\n}", []string{"differently"}},
		{"a quoted upstream", app, "\"upstream\" app { server 127.0.0.1:3001; }", []string{"differently"}},
		{"a quoted upstream elsewhere", app, "upstream app { server 127.0.0.1:3001; }\n'upstream' x { server a; }", []string{"what decides in the file differently"}},
		{"an escaped semicolon elsewhere in it", app, "upstream app { server 127.0.0.1:3001; a\\;b c; }", []string{"upstream app differently"}},
		{"a quoted include", app, "upstream app { 'include' x; server 127.0.0.1:3001; }", []string{"there is an include in"}},
		{"not UTF-8 where it decides", app, "upstream app { server 127.0.0.1:3001 \xff; }", []string{"differently"}},
		{"an include of two", app, "include a b;\nupstream app { server 127.0.0.1:3001; }", []string{"gonginx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := edit(t, c.src, c.layout, Green)
			for _, want := range c.want {
				wantRefusal(t, err, want)
			}
		})
	}
}

func TestReadTakesTheLimits(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"a word of 4095 bytes":      "a " + strings.Repeat("b", 4095) + ";",
		"a comment of 4095 bytes":   "#" + strings.Repeat("b", 4094) + "\n",
		"64 levels":                 strings.Repeat("a {", 64) + strings.Repeat("}", 64),
		"many blanks":               strings.Repeat(" \n", 100000),
		"a $ before a brace":        "a ${{b;",
		"a backslash hides a blank": `a b\ c;`,
	} {
		if _, err := readStatements([]byte(before)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayoutValidate(t *testing.T) {
	t.Parallel()
	good := colors(t, local)
	for _, c := range []struct {
		name   string
		layout Layout
		want   string // empty: valid
	}{
		{"one", upstreams(map[string]Colors{"app": good}), ""},
		{"sole", upstreams(map[string]Colors{Sole: good}), ""},
		{"fragment", upstreams(map[string]Colors{"": good}), ""},
		{"several", upstreams(map[string]Colors{"api": good, "web": good}), ""},
		{"none", Layout{}, "names no place"},
		{"nil", nil, "names no place"},
		{"sole and more", upstreams(map[string]Colors{Sole: good, "app": good}), "needs its own selector"},
		{"fragment and more", upstreams(map[string]Colors{"": good, "app": good}), "needs its own selector"},
		{"no colors", upstreams(map[string]Colors{"app": nil}), "server in upstream app: blue and green have no"},
		{"one color", upstreams(map[string]Colors{"app": colors(t, "a |")}), "blue has 1 address, green has 0; give both the same number"},
		{"unequal", upstreams(map[string]Colors{"app": colors(t, "a | b c")}), "blue has 1 address, green has 2; give both the same number"},
		{"a third color", upstreams(map[string]Colors{"app": {Blue: good[Blue], Green: good[Green], "red": good[Blue]}}), `"red"`},
		{"the same for both", upstreams(map[string]Colors{"app": colors(t, "a | A")}), "a is given twice"},
		{"the same for both but for port 80", upstreams(map[string]Colors{"app": colors(t, "a | a:80")}), "a:80 is given twice"},
		{"twice in one color", upstreams(map[string]Colors{"app": colors(t, "a a | b c")}), "a is given twice"},
		{"an empty address", upstreams(map[string]Colors{"app": {Blue: {Address{}}, Green: good[Green]}}), "it has an empty value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.layout.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if c.want == "" {
				return
			}
			_, err = Read([]byte("upstream app { server 127.0.0.1:3001; }"), c.layout)
			var r *Refusal
			if !errors.As(err, &r) {
				t.Errorf("Read with it: %v, want a refusal", err)
			}
		})
	}
}
