package nginxconf

import (
	"strings"
	"testing"
)

// TestAgreement gives gonginx another text than the scanner, with one
// difference each.
func TestAgreement(t *testing.T) {
	t.Parallel()
	const src = "upstream app {\n  zone z 64k;\n  server a:1 weight=2 resolve;\n  server b:1;\n}\n"
	layout := upstreams(map[string]Colors{"app": colors(t, "a:1 b:1 | c:1 d:1")})
	agrees := func(theirs string) bool {
		all, err := readStatements([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		words, err := layout[0].Selector.find(reading{[]byte(src), all}, layout[0].Colors)
		if err != nil {
			t.Fatal(err)
		}
		meaning, err := parse([]byte(theirs))
		if err != nil {
			t.Fatal(err)
		}
		return sameAround(all, words[0].in, meaning.GetDirectives())
	}
	if !agrees(src) {
		t.Fatal("the readings of one text disagree")
	}
	for _, c := range []struct{ name, old, new string }{
		{"the name", "upstream app", "upstream web"},
		{"an address", "a:1", "c:1"},
		{"an address in quotes", "a:1", `"a:1"`},
		{"a parameter's value", "weight=2", "weight=3"},
		{"a parameter's name", "weight=2", "width=2"},
		{"a parameter more", "b:1;", "b:1 weight=1;"},
		{"a flag", "resolve", "reload"},
		{"a flag less", " resolve", ""},
		{"a server less", "server b:1;", ""},
		{"a server more", "}", "server c:1; }"},
		{"another statement", "zone z", "zones z"},
		{"its argument", "64k", "65k"},
		{"its argument more", "64k", "64k x"},
		{"a statement less", "zone z 64k;", ""},
		{"a block", "zone z 64k;", "zone z 64k { }"},
		{"a statement's line", "zone z 64k;", "zone z 64k\n;"},
		{"a server's line", "server b:1;\n", "server b:1\n;"},
		{"the block's line", "\n}", "\n\n}"},
	} {
		if agrees(strings.Replace(src, c.old, c.new, 1)) {
			t.Errorf("%s: gonginx sees %q for %q, and they agree", c.name, c.new, c.old)
		}
	}
}
