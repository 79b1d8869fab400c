package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// The secrets of a site: in headers, in the users and the queries of its URLs,
// in the path of a webhook.
var secretWords = []string{
	"t0ken-of-the-check", "t0ken-of-the-path", "pa55word-of-green", "t0ken-of-green", "pa55word-of-the-proof", "t0ken-of-the-proof",
	"pa55word-of-the-hook", "p4th-of-the-hook", "t0ken-of-the-hook", "t0ken-of-its-header", "t0ken-of-its-file", "pa55word-of-the-ping", "t0ken-of-the-ping",
	base64.StdEncoding.EncodeToString([]byte("ops:pa55word-of-green")), base64.StdEncoding.EncodeToString([]byte("ops:pa55word-of-the-proof")),
}

// secretSettings names all of them; green is asked where goes says, people are
// told at hook, and by a command that writes down what it is told.
func secretSettings(s *nginxtest.Site, green, hook string) string {
	return strings.TrimSuffix(s.SettingsText(""), "    check: {interval: 10ms, timeout: 2s}\n") +
		`    check:
      interval: 10ms
      path: /?key=t0ken-of-the-path
      headers: {X-Token: "Bearer t0ken-of-the-check"}
      green_url: http://ops:pa55word-of-green@` + green + `?key=t0ken-of-green
    confirm: {url: "http://ops:pa55word-of-the-proof@` + s.Addr + `/?key=t0ken-of-the-proof", blue: "X-Color: blue", green: "X-Color: green"}
    release: {green: {url: "http://ops:pa55word-of-the-release@` + green + `?key=t0ken-of-the-release", header: X-Release}}
verify: {rise: 1, fall: 1, metrics_file: ` + s.Dir + `/metrics, page: ` + s.Dir + `/page}
notify:
  webhooks:
    - {url: "http://ops:pa55word-of-the-hook@` + hook + `/p4th-of-the-hook?key=t0ken-of-the-hook", headers: {X-Key: t0ken-of-its-header}, headers_file: ` + s.Dir + `/headers}
  commands: [[/bin/sh, -c, "env | grep BGSWITCH_ >>` + s.Dir + `/told; env >&2; exit 1"]]
  ping: http://ops:pa55word-of-the-ping@` + hook + `/?key=t0ken-of-the-ping
`
}

// mirror says in its error page whatever it was asked with; heard gets the
// body of each question.
func mirror(t *testing.T, status int, heard func(body []byte)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard(body)
		w.WriteHeader(status)
		name, password, _ := r.BasicAuth()
		fmt.Fprintln(w, r.RequestURI, r.Header, name, password)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// Secrets are sent, and shown nowhere: not in what is printed, nor in what is
// kept, whether things go well or not.
func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	if err := os.WriteFile(filepath.Join(v.Dir, "headers"), []byte("X-File: t0ken-of-its-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	metrics := filepath.Join(v.Dir, "metrics")
	sick := mirror(t, http.StatusServiceUnavailable, func([]byte) {})
	var told atomic.Int32
	hook := mirror(t, http.StatusForbidden, func(body []byte) { // not asked again
		told.Add(1)
		v.keepsSecrets("a webhook", string(body))
	})
	for name, c := range map[string]struct {
		green string
		code  int
		wrong []string // what is written otherwise
	}{
		"all is well":           {green: v.Green.Addr + "/", code: exitDone},
		"the wrong mark":        {green: v.Green.Addr + "/", code: exitRolledBack, wrong: []string{"X-Color: green", "X-Color: teal"}},
		"a mirror":              {green: sick + "/", code: exitUnhealthy},
		"a mirror for a proof":  {green: v.Green.Addr + "/", code: exitRolledBack, wrong: []string{"of-the-proof@" + v.Addr, "of-the-proof@" + sick}},
		"nobody listens":        {green: "127.0.0.1:1/", code: exitUnhealthy},
		"no such host":          {green: "nowhere.invalid:80/", code: exitUnhealthy},
		"no HTTP":               {green: v.Addr + "/%zz", code: exitFailed},
		"a port that is a word": {green: "127.0.0.1:http-port/", code: exitFailed},
		"a blank":               {green: "127.0.0.1:1 /", code: exitFailed},
		"no host":               {green: "/", code: exitFailed},
		"another scheme":        {green: v.Green.Addr + "/", code: exitFailed, wrong: []string{"http://ops:", "ftp://ops:"}},
		"a header's line":       {green: v.Green.Addr + "/", code: exitFailed, wrong: []string{"of-the-check", `of-the-check\n`}},
		"a path's fragment":     {green: v.Green.Addr + "/", code: exitFailed, wrong: []string{"of-the-path", "of-the-path#x"}},
	} {
		text := secretSettings(v.Site, c.green, hook)
		if len(c.wrong) > 0 {
			text = strings.ReplaceAll(text, c.wrong[0], c.wrong[1])
		}
		if err := os.WriteFile(v.Settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out := v.bgswitch("to", "green", "--verbose")
		if code != c.code {
			t.Errorf("%s: exits %d, want %d: %s", name, code, c.code, out)
		}
		v.keepsSecrets(name, out)
		for _, args := range [][]string{
			{"to", "green", "--json"}, {"to", "blue", "--verbose", "--json"}, {"back", "--dry-run", "--verbose"}, {"to", "blue"},
			{"check"}, {"check", "--json"}, {"check", "--verbose"}, {"status"}, {"status", "--json", "--verbose"}, {"history"}, {"history", "--json"}, {"verify"}, {"verify", "--json", "--verbose"},
			{"releases", "--json", "--verbose"}, {"settings", "check", "--json"}, {"settings", "show"}, {"settings", "show", "--json"}, {"to", "green", "--expect", "v43"},
		} {
			_, out := v.bgswitch(args...)
			v.keepsSecrets(name+": "+strings.Join(args, " "), out)
		}
		v.keepsSecretsOnDisk(name)
		if c.code != exitFailed {
			v.keepsSecrets(name+": the page", v.read(filepath.Join(v.Dir, "page")))
		}
	}
	v.keepsSecrets("the metrics", v.read(metrics))
	v.keepsSecrets("the environment of a command", v.read(filepath.Join(v.Dir, "told")))
	if told.Load() == 0 {
		t.Error("nobody was told of anything")
	}
}

func (v *victim) keepsSecrets(what, text string) {
	v.t.Helper()
	for _, secret := range secretWords {
		if strings.Contains(text, secret) {
			v.t.Errorf("%s: %q is shown:\n%s", what, secret, text)
		}
	}
}

// keepsSecretsOnDisk looks through whatever the state folder holds.
func (v *victim) keepsSecretsOnDisk(what string) {
	v.t.Helper()
	err := filepath.Walk(v.StateDir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		v.keepsSecrets(what+": "+path, v.read(path))
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		v.t.Error(err)
	}
}
