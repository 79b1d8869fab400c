package nginxconf

import (
	"errors"
	"strings"
	"testing"
)

// What cannot be switched as it is, is refused with what would have to change.
func TestAdvice(t *testing.T) {
	t.Parallel()
	const both, template, stays, share, lua = "mark the idle one `backup`", "looks like a template", "stays the same from release to release", "divides the traffic", "cannot read what a script decides"
	for name, test := range map[string]struct{ src, advice string }{
		"weights":              {"upstream app { server 127.0.0.1:3001 weight=9; server 127.0.0.1:3002 weight=1; }", both},
		"both, no flag":        {"server 127.0.0.1:3001;\nserver 127.0.0.1:3002;", both},
		"down":                 {"upstream app { server 127.0.0.1:3001; server 127.0.0.1:3002 down; }", both},
		"envsubst":             {"upstream app { server ${BACKEND_HOST}:${BACKEND_PORT}; }", template},
		"envsubst in a set":    {`set $target "http://${ACTIVE}:8080";`, template},
		"jinja":                {"upstream app { server {{ backend }}; }", template},
		"erb":                  {"upstream app { server <%= @backend %>; }", template},
		"a new container":      {"upstream app { server app-20251101-ab12cd:8080; }", stays},
		"split_clients":        {"split_clients $remote_addr $up { 90% blue; * green; }", share},
		"lua":                  {`location / { set_by_lua_block $b { return "blue" } proxy_pass http://$b; }`, lua},
		"nothing of a color":   {"server { listen 80; }", ""},
		"nginx's own braces":   {"set $target http://${host}:8080;", ""},
		"a comment's template": {"# ${BACKEND}\nserver { listen 80; }", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read([]byte(test.src), Layout{{Colors: colors(t, local)}})
			var refusal *Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("not refused: %v", err)
			}
			if test.advice == "" && refusal.Advice != "" || !strings.Contains(refusal.Advice, test.advice) {
				t.Errorf("%v: advice %q, want %q", err, refusal.Advice, test.advice)
			}
		})
	}
}
