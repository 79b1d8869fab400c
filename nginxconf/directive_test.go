package nginxconf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mainFile = `user www-data;
error_log /var/log/a.log;
error_log "/var/log/b c.log" warn; # the last one counts
#pid /run/comment.pid;
daemon;
events { worker_connections 768; multi_accept on; }
http {
    error_log /var/log/http.log;
    client_body_temp_path /tmp/body;
    server { root /srv; }
}
events { worker_connections 1024; }
env A=b\;c;
`

func TestDirective(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"user":      {"www-data"},
		"error_log": {"/var/log/b c.log", "warn"},
		"pid":       nil,
		"daemon":    {},
		"events":    nil,
		"root":      nil,
		"env":       {`A=b\;c`},
	} {
		got, err := Directive([]byte(mainFile), name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestBlockDirective(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		block, name string
		want        []string
	}{
		{"events", "worker_connections", []string{"1024"}},
		{"events", "multi_accept", []string{"on"}},
		{"events", "use", nil},
		{"http", "error_log", []string{"/var/log/http.log"}},
		{"http", "root", nil},
		{"stream", "error_log", nil},
		{"user", "www-data", nil},
	} {
		got, err := BlockDirective([]byte(mainFile), c.block, c.name)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s %s: error %v (-want +got):\n%s", c.block, c.name, err, diff)
		}
	}
}

func TestDirectiveRefuses(t *testing.T) {
	t.Parallel()
	_, err := Directive([]byte("pid /run/a.pid;\nuser"), "pid")
	wantRefusal(t, err, "line 2")
	_, err = BlockDirective([]byte("events {"), "events", "use")
	wantRefusal(t, err, "end of file")
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := Directive([]byte("x \"a\\\"b\" 'a\\'b' a\\\\b a\\tb a\\rb a\\nb a\\qb \"a\\ b\" a\\ b ${a}b a}b a'b a#b \"a#b\" '' \")\";"), "x")
	want := []string{`a"b`, `a'b`, `a\b`, "a\tb", "a\rb", "a\nb", `a\qb`, `a\ b`, `a\ b`, `${a}b`, `a}b`, `a'b`, `a#b`, `a#b`, ``, `)`}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// A main configuration of thousands of sites is only looked through by our own
// scanner: what bounds gonginx does not bound it.
func TestDirectiveOfManySites(t *testing.T) {
	t.Parallel()
	src := "pid /run/nginx.pid;\nhttp {\n" + strings.Repeat("server { location / { } }\n", 6000) + "}\n"
	if got, err := Directive([]byte(src), "pid"); err != nil || len(got) != 1 || got[0] != "/run/nginx.pid" {
		t.Errorf("got %q, %v", got, err)
	}
}
