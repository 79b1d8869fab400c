package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// The secrets of a site: in a header, in the names and passwords of its URLs.
var secretWords = []string{"t0ken-of-the-check", "pa55word-of-green", "pa55word-of-blue", "pa55word-of-the-proof"}

// secretSettings names all of them; green is asked where goes says.
func secretSettings(s *nginxtest.Site, green string) string {
	return strings.TrimSuffix(s.SettingsText(""), "    check: {interval: 10ms, timeout: 2s}\n") +
		`    check:
      interval: 10ms
      headers: {Authorization: "Bearer t0ken-of-the-check"}
      blue_url: http://ops:pa55word-of-blue@` + s.Blue.Addr + `/
      green_url: http://ops:pa55word-of-green@` + green + `
    confirm: {url: "http://ops:pa55word-of-the-proof@` + s.Addr + `/", blue: "X-Color: blue", green: "X-Color: green"}
`
}

// mirror says in its error page whatever it was asked with.
func mirror(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = r.Write(w)
		name, password, _ := r.BasicAuth()
		fmt.Fprintln(w, name, password)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// Secrets are sent, and shown nowhere: not in what is printed, nor in what is
// kept, whether things go well or not.
func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for name, c := range map[string]struct {
		green string
		code  int
		wrong []string // what is written otherwise
	}{
		"all is well":           {green: v.Green.Addr + "/", code: exitDone},
		"the wrong mark":        {green: v.Green.Addr + "/", code: exitRolledBack, wrong: []string{"X-Color: green", "X-Color: teal"}},
		"a mirror":              {green: mirror(t) + "/", code: exitUnhealthy},
		"nobody listens":        {green: "127.0.0.1:1/", code: exitUnhealthy},
		"no such host":          {green: "nowhere.invalid:80/", code: exitUnhealthy},
		"no HTTP":               {green: v.Addr + "/%zz", code: exitFailed},
		"a port that is a word": {green: "127.0.0.1:http-port/", code: exitFailed},
		"a blank":               {green: "127.0.0.1:1 /", code: exitFailed},
		"no host":               {green: "/", code: exitFailed},
		"another scheme":        {green: v.Green.Addr + "/", code: exitFailed, wrong: []string{"http://ops:", "ftp://ops:"}},
		"a header's line":       {green: v.Green.Addr + "/", code: exitFailed, wrong: []string{"of-the-check", `of-the-check\n`}},
	} {
		text := secretSettings(v.Site, c.green)
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
			{"status"}, {"status", "--json", "--verbose"}, {"history"}, {"history", "--json"}, {"verify"}, {"verify", "--json", "--verbose"},
		} {
			_, out := v.bgswitch(args...)
			v.keepsSecrets(name+": "+strings.Join(args, " "), out)
		}
		v.keepsSecretsOnDisk(name)
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

const sudoersExample = "../../examples/sudoers.d/bgswitch"

// The line for a deploy user allows bgswitch's own commands word by word, and
// visudo accepts it.
func TestSudoersExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(sudoersExample)
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		rules++
		_, commands, found := strings.Cut(strings.TrimSpace(line), "NOPASSWD: ")
		if !found || strings.ContainsAny(commands, "*?[!") {
			t.Errorf("more is allowed than what is named: %s", line)
		}
		for command := range strings.SplitSeq(commands, ", ") {
			words := strings.Fields(command)
			if words[0] != "/usr/local/bin/bgswitch" || len(words) < 2 { // without arguments, any are allowed (sudoers(5))
				t.Errorf("this allows more than one command of ours: %s", command)
			}
		}
	}
	if rules != 1 {
		t.Errorf("%d rules, want 1", rules)
	}
	visudo, err := exec.LookPath("visudo")
	if err != nil {
		t.Log("there is no visudo here: the line was not given to it")
		return
	}
	copied := filepath.Join(t.TempDir(), "bgswitch") // visudo looks at mode and owner, too
	if err := os.WriteFile(copied, text, 0o440); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(visudo, "-c", "-f", copied).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
