package nginxconf

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a comment says is held against the settings and against what is live.
func TestMisnamed(t *testing.T) {
	t.Parallel()
	layout := Layout{{Selector: ServerOf(Sole), Colors: Colors{Blue: addresses(t, "127.0.0.1:3001"), Green: addresses(t, "127.0.0.1:3002")}}}
	for comment, want := range map[string]string{
		"upstream app {\n server 127.0.0.1:3001;   # 3001 = blue (old), 3002 = green (new)\n}": "",
		"upstream app {\n server 127.0.0.1:3001;   # 3001 = green (old), 3002 = blue (new)\n}": "2: 3001 is blue",
		"upstream app {\n server 127.0.0.1:3002;   # 3001 = blue (old), 3002 = green (new)\n}": "",
		"# green is live\nupstream app { server 127.0.0.1:3001; }":                             "1: blue is live",
		"# BLUE is live\nupstream app { server 127.0.0.1:3001; }":                              "",
		"# the active color: green\nupstream app { server 127.0.0.1:3001; }":                   "1: blue is live",
		"# to go to green, type bgswitch to green\nupstream app { server 127.0.0.1:3001; }":    "",
		"# blue-green: what is live\nupstream app { server 127.0.0.1:3002; }":                  "",
		"# blue/green, green is live\nupstream app { server 127.0.0.1:3001; }":                 "1: blue is live",
		"upstream app { server 127.0.0.1:3001; # blue\n}":                                      "",
		"upstream app { server 127.0.0.1:3001; # green\n}":                                     "1: what stands in its line is blue",
		"upstream app { server 127.0.0.1:3001;\n # server 127.0.0.1:3002; # blue\n}":           "2: 127.0.0.1:3002 is green",
		"upstream app { server 127.0.0.1:3001;\n # server 127.0.0.1:3002; # green\n}":          "",
		"upstream app { server 127.0.0.1:3001; }\n# greenhouse is live on 30011":               "",
		"upstream app { server 127.0.0.1:3001; }\n# blue :3002":                                "2: :3002 is green",
	} {
		read, err := Read([]byte(comment), layout)
		if err != nil {
			t.Errorf("%s: %v", comment, err)
			continue
		}
		got := ""
		for _, m := range read.Misnamed() {
			got += fmt.Sprintf("%d: %s", m.Line, m.Why)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", comment, diff)
		}
	}
}
