package foreign

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what          string
		fit           func(string) string
		foreign, want string
	}{
		{"an escape sequence", Line, "\x1b[2Jgone\x07", "?[2Jgone?"},
		{"C1 as UTF-8", Line, "a\u009b2Jb", "a?2Jb"},
		{"C1 as a byte", Line, "a\x9b2Jb", "a?2Jb"},
		{"a direction", Line, "moc.\u202egro\u202c \u2066x\u2069", "moc.?gro? ?x?"},
		{"lines", Line, "one\r\ntwo\tthree\u2028four\x00", "one  two three?four?"},
		{"words of people", Line, "Größe 中文 👍", "Größe 中文 👍"},
		{"a long one", Excerpt, strings.Repeat("ä", 300), strings.Repeat("ä", 198) + "..."},
		{"a bar", Plugin, "a|b\nc", "a/b c"},
		{"a label", Label, "a\"b\\c\nd", `a\"b\\c d`},
		{"plain words", one, "--file=/etc/x_1.conf", "--file=/etc/x_1.conf"},
		{"special words", one, "it's a $(x) `y`", `'it'\''s a $(x) ` + "`y`'"},
		{"an empty word", one, "", "''"},
		{"a call", Chat, "<!channel> <@U1> @everyone", "&lt;!channel&gt; &lt;@\u200bU1&gt; @\u200beveryone"},
		{"a link", Chat, "[your bank](http://x) <http://x|bank> & [a][b]", "[your bank]\u200b(http://x) &lt;http://x|bank&gt; &amp; [a]\u200b[b]"},
	} {
		if got := c.fit(c.foreign); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func one(word string) string { return Shell(word) }

// Laws of what is shown to people: nothing in it that a terminal obeys, bounded,
// and fit the second time, too.
func FuzzShown(f *testing.F) {
	for _, text := range []string{"", "a\x1b[31mb", "\x9b2J", "\u009b", "x\u202ey", "a|b\nc\r", "\xff\xfe", strings.Repeat("ä|", 4000)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, fit := range map[string]func(string) string{"Line": Line, "Excerpt": Excerpt, "Plugin": Plugin} {
			got := fit(text)
			if bad := strings.IndexFunc(got, forbidden); bad >= 0 || !utf8.ValidString(got) {
				t.Errorf("%s(%q) = %q", name, text, got)
			}
			if again := fit(got); again != got {
				t.Errorf("%s is not the same twice: %q, then %q", name, got, again)
			}
			if len(got) > lineLimit || name == "Excerpt" && len(got) > excerptLimit {
				t.Errorf("%s makes %d bytes", name, len(got))
			}
		}
		if strings.Contains(Plugin(text), "|") {
			t.Errorf("a bar is left of %q", text)
		}
		if called := Chat(text); strings.ContainsAny(called, "<>") || strings.Contains(called, "](") || calls(called) {
			t.Errorf("Chat(%q) = %q", text, called)
		}
	})
}

// forbidden is written out, for obeyed may be wrong.
func forbidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 ||
		r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// calls: a mention needs a name that follows at once.
func calls(text string) bool {
	for _, rest := range strings.Split(text, "@")[1:] {
		if !strings.HasPrefix(rest, zeroWidth) {
			return true
		}
	}
	return false
}

// What is escaped in JSON is the same text to whoever reads the JSON.
func TestJSONIsTheSame(t *testing.T) {
	t.Parallel()
	text := "a\u009b\u202e\x1b\x7f\u2028b\nGröße"
	var out strings.Builder
	if err := json.NewEncoder(JSON{&out}).Encode(text); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back != text {
		t.Errorf("%q came back as %q: %v", text, back, err)
	}
	if strings.ContainsFunc(strings.TrimSuffix(out.String(), "\n"), forbidden) {
		t.Errorf("a terminal obeys %q", out.String())
	}
}

// A text that is logged cannot look like two.
func TestLinesWritesOne(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if n, err := (Lines{&out}).Write([]byte("one\nbgswitch: two\x1b[1m\n")); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	if got, want := out.String(), "one bgswitch: two?[1m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
