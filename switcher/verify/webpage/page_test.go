package webpage

import (
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"bgswitch/switcher/verify"

	"github.com/google/go-cmp/cmp"
)

// nasty is what others may write to break a page.
var nasty = `</title></svg></style></article><script>broken=1</script><img src=/x onerror="broken=1">"'><b onclick=x` +
	"`{{.Host}}\x00\x1b[2J\r\n\u202egro.live\u2066\u2028\xff&lt;&#x202e;" + strings.Repeat("W", 10<<10)

// poison puts a text wherever there is one, and an error with it where there is
// an error.
func poison(s *Site, with string) { poisoned(reflect.ValueOf(s).Elem(), with) }

func poisoned(v reflect.Value, with string) {
	if !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(with)
	case reflect.Interface:
		if err := errors.New(with); v.Type() == reflect.TypeFor[error]() {
			v.Set(reflect.ValueOf(err))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			poisoned(v.Elem(), with)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			poisoned(v.Field(i), with)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poisoned(v.Index(i), with)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			changed := reflect.New(v.Type().Elem()).Elem()
			changed.Set(v.MapIndex(key))
			poisoned(changed, with)
			v.SetMapIndex(key, changed)
		}
	}
}

// elements are a page's elements, in their order, each with the names of its
// attributes; texts are what stands between them and in their attributes.
func elements(t *testing.T, page string) (list []string, texts string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			return list, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			words := token.Name.Local
			for _, a := range token.Attr {
				words, texts = words+" "+a.Name.Local, texts+a.Value+"\n"
			}
			list = append(list, words)
		case xml.CharData:
			texts += string(token)
		}
	}
}

// Whatever others write is text, and the page is built as it is without.
func TestForeignText(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]func() Site{"well": well, "ill": ill, "strange": strange} {
		plain, hostile := site(), site()
		poison(&plain, "x")
		poison(&hostile, nasty)
		page := htmlOf(t, noon, hostile, ill())
		want, _ := elements(t, htmlOf(t, noon, plain, ill()))
		got, texts := elements(t, page)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: what was written is more than text:\n%s", name, diff)
		}
		if bad := strings.IndexFunc(page, forbidden); bad >= 0 || !utf8.ValidString(page) {
			t.Errorf("%s: %q", name, page[max(0, bad-50):bad+50])
		}
		if !strings.Contains(texts, `</title></svg></style></article><script>broken=1</script>`) {
			t.Errorf("%s: what was written is not shown", name)
		}
		if len(page) > 100<<10 {
			t.Errorf("%s: it has grown to %d bytes", name, len(page))
		}
	}
}

// forbidden is what would turn the direction of writing, or control something.
func forbidden(r rune) bool {
	return r != '\n' && unicode.IsControl(r) || r == '\u2028' || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
}

// What stands on the page is what was found.
func TestPageSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sites []Site
		says  []string
	}{
		"well": {[]Site{well()}, []string{
			"<title>OK: 1 site: 1 OK - bgswitch</title>", `Written <time datetime="2026-11-30T12:03:07Z">2026-11-30 12:03:07 UTC</time>`, "the page is stale",
			`<strong class="green">green</strong>`, "is live, release 2026.11.30-1", "127.0.0.1:3001: status 200 in 1.3ms",
			"open, and nginx accepts the file", "<dt>drift</dt><dd>none</dd>", "<dt>drain</dt><dd>no old worker of nginx is left</dd>", "<dt>bake</dt><dd>none</dd>", "<dt>blocks</dt><dd>none</dd>",
			"green became live, by alice, release 2026.11.30-1, &#34;new checkout&#34;", `http-equiv="refresh" content="60"`, `content="default-src 'none'; style-src 'unsafe-inline'"`,
		}},
		"ill": {[]Site{well(), ill()}, []string{
			"<title>CRITICAL: 2 sites: 1 CRITICAL, 1 OK - bgswitch</title>", `<a href="#site-2">api</a>: CRITICAL, blue is live by the file, with DRIFT`,
			"CRITICAL: blue is live by the file and UNHEALTHY", "10.0.0.7:8080: status 503: &#34;db down&#34; in 2s", `<p class="bad">UNHEALTHY</p>`,
			`<dt>way back</dt><dd class="bad">not open</dd>`, "mend it: <code>bgswitch to green --site api</code>", "1 old worker, 3 connections to green: do not stop green yet",
			"blue bakes until ", "green is blocked by bob on web1 since ", "another bgswitch is at work: process 4712", "release unknown: open /srv/api/green/VERSION",
		}},
		"strange": {[]Site{strange()}, []string{
			`<strong class="unknown">unknown</strong>`, "is all that can be said of the live color", "not asked", "unknown whether it is open", "<dt>drift</dt><dd>unknown</dd>", "<dt>drain</dt><dd>unknown</dd>",
			"<dt>bake</dt><dd>unknown: open ", "<dt>blocks</dt><dd>unknown: open ", "<dt>last switch</dt><dd>unknown: open ", "the history cannot be read: open ", "which color was live is unknown for 24h",
		}},
		"nothing": {nil, []string{"<title>OK: 0 sites", "No site was looked at."}},
	} {
		page := htmlOf(t, noon, c.sites...)
		for _, want := range c.says {
			if !strings.Contains(page, want) {
				t.Errorf("%s: it does not say %q", name, want)
			}
		}
	}
}

// The worst of the backends are shown where there are many.
func TestManyBackends(t *testing.T) {
	t.Parallel()
	s := ill()
	verdicts := s.Finding.Status.Colors["blue"]
	for range 30 {
		verdicts = append(verdicts, verdicts[1])
	}
	s.Finding.Status.Colors["blue"] = append(verdicts[1:], verdicts[0])
	c := colorOf(s.Finding, "blue")
	if len(c.Backends) != backendsShown+1 || !strings.Contains(string(c.Backends[0]), "db down") || c.Backends[backendsShown] != "and 24 more" || c.Health != "UNHEALTHY" {
		t.Errorf("%s: %q", c.Health, c.Backends)
	}
	if worst := viewOf("h", noon, []Site{well(), strange(), s}).Level; worst != levelOf(verify.Critical) {
		t.Errorf("%v", worst)
	}
}
