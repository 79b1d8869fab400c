package nginxconf

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	src := `upstream app {
  server 127.0.0.1:3001 weight=2;
  server unix:/run/app.sock;
}
server {
  listen 80;
  location / { proxy_pass http://app; }
  location /a { proxy_pass "https://127.0.0.1:3002/x?y"; proxy_set_header a b; }
  location /b { fastcgi_pass unix:/run/php.sock; }
  location /c { proxy_pass http://unix:/run/a.sock:/x; }
  location /d { if ($x) { proxy_pass http://$app; } }
}
# proxy_pass http://no;
`
	want := []Target{
		{2, "127.0.0.1:3001", "app"}, {3, "unix:/run/app.sock", "app"},
		{7, "app", ""}, {8, "127.0.0.1:3002", ""}, {9, "unix:/run/php.sock", ""}, {10, "unix:/run/a.sock", ""}, {11, "$app", ""},
	}
	got, err := Targets([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	_, err = Targets([]byte("a {"))
	wantRefusal(t, err, "end of file")
}
