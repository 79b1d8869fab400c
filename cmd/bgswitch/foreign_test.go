package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

// What a terminal obeys: a sequence of ISO 6429 with ESC and with CSI as a byte
// and as U+009B, the turn of the writing (UAX 9), the bell.
const (
	obeyed     = "\x1b[2J\x9b2J\u009b2J\u202eevil\x07"
	obeyedYAML = `\e[2J\u009b2J\u202eevil\a`
)

// obeys finds what a terminal would obey in something printed.
func obeys(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\n' || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	})
}

// Nothing that others wrote makes a terminal do anything, whatever is printed:
// not a page, not the live file and the names in it, not a reason, a user or a
// path, not what nginx says. Nor does any of it begin a line of its own.
func TestTerminalObeysNobodyElse(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/"+obeyed)
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write([]byte(obeyed + "\nforged"))
	}))
	t.Cleanup(sick.Close)
	confirm := "    confirm: {url: " + sick.URL + ", blue: \"X-Color: blue\", green: \"X-Color: green\"}\n"
	name := "my" + obeyed + "app"
	statement := "upstream \"" + name + "\" { server "
	for what, c := range map[string]struct{ live, settings string }{
		"a comment":       {statement + v.Blue.Addr + "; } # " + obeyed + "\n", ""},
		"the proof":       {statement + v.Blue.Addr + "; }\n", confirm},
		"an unknown word": {statement + v.Blue.Addr + "; } \"" + obeyed + "\" on;\n", ""},
		"two names":       {statement + v.Blue.Addr + "; } upstream \"x" + obeyed + "\" { server " + v.Green.Addr + "; }\n", ""},
		"another address": {statement + "\"" + obeyed + ":1\"; }\n", ""},
		"no such name":    {statement + v.Blue.Addr + "; }\n", "    upstream: \"" + obeyedYAML + "\"\n"},
		"no such setting": {statement + v.Blue.Addr + "; }\n", "    \"" + obeyedYAML + "\\nforged\": 1\n"},
		"no such path":    {statement + v.Blue.Addr + "; }\n", "    file: \"/nowhere/" + obeyedYAML + "\\nforged\"\n"},
	} {
		text := strings.Replace(v.SettingsText(c.settings), "check: {", "check: {blue_url: "+sick.URL+", ", 1)
		if strings.Contains(c.settings, "file:") {
			text = strings.Replace(text, "    file: "+v.Live+"\n", "", 1)
		}
		for path, text := range map[string]string{v.Live: c.live, v.Settings: text} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{"status", "--verbose"}, {"to", "green", "--dry-run", "--verbose"}, {"to", "green", "--verbose", "--reason", obeyed + "\nforged"},
			{"history"}, {"status"}, {"check"}, {"check", "--json"}, {"status", "--json"}, {"history", "--json"}, {"verify"}, {"verify", "--json"}, {"back", "--json"},
			{"to", obeyed}, {"status", "--site", obeyed}, {"status", "--" + obeyed}, {"status", "--config", "/nowhere/" + obeyed + "\nforged"},
		} {
			cmd := exec.Command(v.program, args...)
			cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings, "SUDO_USER="+obeyed+"\nforged")
			out, _ := cmd.CombinedOutput()
			if obeys(string(out)) || strings.Contains(string(out), "\nforged") || len(out) == 0 {
				t.Errorf("%s: %q prints\n%s\n%q", what, args, out, out)
			}
		}
	}
}

// On a terminal that has colors, they are ours alone.
func TestInkIsOurs(t *testing.T) {
	t.Parallel()
	painting := &terminal{paint: true}
	got := string(inked("%s: %s, %d", painting.painted(sgrRed, obeyed), obeyed, 7))
	ours := strings.Replace(strings.Replace(got, "\x1b[1;31m", "", 1), "\x1b[0m", "", 1)
	if obeys(ours) || strings.Count(got, "\x1b") != 2 {
		t.Errorf("a terminal obeys %q", got)
	}
}
