package nginxconf

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWalk(t *testing.T) {
	t.Parallel()
	for src, want := range map[string][]string{
		"":    nil,
		"a;b": nil,
		"a b; c {\n d 'e f'; g { h; } # i;\n j; } k;":          {"0 [a b]", "1 [d e f]", "2 [h]", "1 [j]", "0 [k]"},
		`"proxy_pass" "http://a\"b"; a # ;` + "\n b;":          {`0 [proxy_pass http://a"b]`, "0 [a b]"},
		"content_by_lua_block { a; b() } x ${y}z; \"# a;\" b;": {"0 [x ${y}z]", "0 [# a; b]"},
	} {
		var got []string
		err := Walk([]byte(src), func(depth int, words []string) {
			got = append(got, fmt.Sprint(depth, " ", words))
		})
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (src == "a;b") {
			t.Errorf("%s: error %v (-want +got):\n%s", src, err, diff)
		}
	}
}
