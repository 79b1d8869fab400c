package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/statedir"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var message = Message{
	Event: "failover", Text: "BGSWITCH WARNING - myapp: failed over", Site: "myapp", Level: "WARNING", Live: "green",
	From: "blue", To: "green", Release: "v42", Verdict: "status 503", Host: "web1", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
}

// heard is a server that keeps what it was asked.
type heard struct {
	*httptest.Server
	mutex    sync.Mutex
	requests []*http.Request
	bodies   []string
}

func listen(t *testing.T, answer func(n int, w http.ResponseWriter)) *heard {
	h := &heard{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mutex.Lock()
		h.requests, h.bodies = append(h.requests, r), append(h.bodies, string(body))
		n := len(h.requests)
		h.mutex.Unlock()
		if answer != nil {
			answer(n, w)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	h := listen(t, nil)
	hook := Webhook{URL: health.MustParseURL(h.URL + "/services/T0/B0"), Headers: map[string]string{"X-Team": "web", "x-room": "none"}}
	if wrong := hook.Take([]byte("# the chat's key\nAuthorization: Bearer s3cret\n\nX-Room:  ops \nBearer\n")); !slices.Equal(wrong, []int{5}) {
		t.Errorf("lines %d are no headers, want line 5", wrong)
	}
	c := Channels{Webhooks: []Webhook{hook}}
	if failures := c.Tell(t.Context(), message); len(failures) > 0 {
		t.Fatal(failures)
	}
	r := h.requests[0]
	got := map[string]string{"method": r.Method, "path": r.URL.Path, "type": r.Header.Get("Content-Type"), "key": r.Header.Get("Authorization"), "team": r.Header.Get("X-Team"), "room": r.Header.Get("X-Room")}
	want := map[string]string{"method": "POST", "path": "/services/T0/B0", "type": "application/json", "key": "Bearer s3cret", "team": "web", "room": "ops"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(h.bodies[0]), &body); err != nil {
		t.Fatal(err)
	}
	wantBody := map[string]any{
		"schema": 1.0, "event": "failover", "text": message.Text, "site": "myapp", "level": "WARNING", "release": "v42", "live": "green",
		"from": "blue", "to": "green", "verdict": "status 503", "host": "web1", "time": "2026-01-02T03:04:05Z",
	}
	if diff := cmp.Diff(wantBody, body); diff != "" {
		t.Error(diff)
	}
}

// A server that takes a question and never answers it is asked again: the next
// one may be well.
func TestMuteAttempt(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	h := listen(t, func(n int, _ http.ResponseWriter) {
		if n == 1 {
			<-ended
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	failures := Channels{Webhooks: []Webhook{{URL: health.MustParseURL(h.URL)}}}.Tell(ctx, message)
	close(ended)
	if len(failures) > 0 {
		t.Errorf("it was not asked again: %v", failures)
	}
}

// An answer that may be better next time is asked for again, others are not.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   func(n int, w http.ResponseWriter)
		asked    int
		failures string
	}{
		"well again": {func(n int, w http.ResponseWriter) {
			if n < 3 {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}, 3, ""},
		"never":   {func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, 1 + retries, "status 500"},
		"refused": {func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, 1, "status 403"},
		"elsewhere": {func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", "/login")
			w.WriteHeader(http.StatusFound)
		}, 1, "status 302"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := listen(t, c.answer)
			failures := Channels{Webhooks: []Webhook{{URL: health.MustParseURL(h.URL)}}}.Tell(t.Context(), message)
			if len(h.requests) != c.asked {
				t.Errorf("asked %d times, want %d", len(h.requests), c.asked)
			}
			if got := errorsOf(failures); got != c.failures {
				t.Errorf("failures %q, want %q", got, c.failures)
			}
			for _, body := range h.bodies {
				if body != h.bodies[0] || body == "" {
					t.Errorf("another body: %q", body)
				}
			}
		})
	}
}

func errorsOf(failures []Failure) string {
	var texts []string
	for _, f := range failures {
		texts = append(texts, f.Error)
	}
	return strings.Join(texts, "; ")
}

// A channel that does not answer takes no more time than there is, and the
// others do not wait for it.
func TestDeadline(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	h := listen(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	failures := Channels{
		Webhooks: []Webhook{{URL: health.MustParseURL("http://" + mute.Addr().String())}, {URL: health.MustParseURL(h.URL)}},
		Commands: [][]string{{"/bin/sleep", "60"}},
	}.Tell(ctx, message)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(failures) != 2 || len(h.requests) != 1 {
		t.Errorf("failures %v, %d heard", failures, len(h.requests))
	}
}

// What others wrote calls nobody in a chat, and gives a command no second line.
func TestForeignText(t *testing.T) {
	t.Parallel()
	h := listen(t, nil)
	told := filepath.Join(t.TempDir(), "told")
	m := message
	m.Text = "web: \"<!channel> <@U1> @everyone [a](http://b)\x1b[2J\x00\u009b\nforged\""
	m.Verdict, m.Host = statedir.Text(m.Text), "a\nb"
	c := Channels{
		Webhooks: []Webhook{{URL: health.MustParseURL(h.URL)}},
		Commands: [][]string{{"/bin/sh", "-c", `printf '%s\n%s\n%s\n' "$BGSWITCH_TEXT" "$BGSWITCH_VERDICT" "$BGSWITCH_HOST" >` + told}},
	}
	if failures := c.Tell(t.Context(), m); len(failures) > 0 {
		t.Fatal(failures)
	}
	var body Message
	if err := json.Unmarshal([]byte(h.bodies[0]), &body); err != nil {
		t.Fatal(err)
	}
	const text = `web: "<!channel> <@U1> @everyone [a](http://b)?[2J?? forged"`
	const chat = "web: \"&lt;!channel&gt; &lt;@\u200bU1&gt; @\u200beveryone [a]\u200b(http://b)?[2J?? forged\""
	if body.Text != chat || string(body.Verdict) != text || body.Host != "a b" {
		t.Errorf("the webhook gets\n%q\n%q\n%q", body.Text, body.Verdict, body.Host)
	}
	if got, err := os.ReadFile(told); err != nil || string(got) != text+"\n"+text+"\na b\n" {
		t.Errorf("the command gets %q, %v", got, err)
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	h := listen(t, nil)
	if failures := (Channels{Ping: health.MustParseURL(h.URL + "/uuid?create=1")}).PingWith(t.Context(), 2); len(failures) > 0 {
		t.Fatal(failures)
	}
	if got := h.requests[0].Method + " " + h.requests[0].URL.String(); got != "GET /uuid/2?create=1" {
		t.Error(got)
	}
	if failures := (Channels{}).PingWith(t.Context(), 2); failures != nil {
		t.Errorf("no ping is set: %v", failures)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "said")
	script := `for name in EVENT TEXT SITE LEVEL LIVE FROM TO RELEASE VERDICT HOST TIME; do eval "echo $name=\$BGSWITCH_$name"; done >` + out + `; echo "$1" >>` + out
	hostile := message
	hostile.Text = "$(touch /nonexistent) `id`; \x00 'quoted'"
	c := Channels{Commands: [][]string{{"/bin/sh", "-c", script, "sh", "$(an argument)"}}}
	if failures := c.Tell(t.Context(), hostile); len(failures) > 0 {
		t.Fatal(failures)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := "EVENT=failover\nTEXT=$(touch /nonexistent) `id`; ? 'quoted'\nSITE=myapp\nLEVEL=WARNING\nLIVE=green\nFROM=blue\nTO=green\n" +
		"RELEASE=v42\nVERDICT=status 503\nHOST=web1\nTIME=2026-01-02T03:04:05Z\n$(an argument)\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	failures := Channels{Commands: [][]string{{"/bin/sh", "-c", "echo no pager; exit 3"}, {"/no/such/program"}}}.Tell(t.Context(), message)
	if len(failures) != 2 || failures[0].Channel != "command 1 (/bin/sh)" || failures[0].Error != "exit status 3: no pager" || !strings.Contains(failures[1].Error, "no such file") {
		t.Errorf("%+v", failures)
	}
}

// Whatever goes wrong, what is reported holds no secret.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const secret = "s3cret"
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	var cut atomic.Int32
	cutting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cut.Add(1)
		connection, _, _ := http.NewResponseController(w).Hijack()
		connection.Close()
	}))
	defer cutting.Close()
	echoing := listen(t, func(_ int, w http.ResponseWriter) { http.Error(w, secret, http.StatusForbidden) })
	secure := httptest.NewTLSServer(http.NotFoundHandler()) // of a certificate that nobody knows
	defer secure.Close()
	key := map[string]string{"X-Key": secret}
	for name, hook := range map[string]Webhook{
		"refused":        {URL: health.MustParseURL("http://" + closed.Addr().String() + "/" + secret), Headers: key},
		"cut off":        {URL: health.MustParseURL(cutting.URL + "/" + secret), Headers: key},
		"forbidden":      {URL: health.MustParseURL(strings.Replace(echoing.URL, "http://", "http://user:"+secret+"@", 1) + "/?key=" + secret), Headers: key},
		"no such host":   {URL: health.MustParseURL("http://nowhere.invalid/" + secret), Headers: key},
		"certificate":    {URL: health.MustParseURL(secure.URL + "/" + secret), Headers: key},
		"bad header":     {URL: health.MustParseURL(echoing.URL), Headers: map[string]string{"X-Key": secret + "\n"}},
		"unread headers": {URL: health.MustParseURL(echoing.URL + "/" + secret), Unread: fs.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			failures := Channels{Webhooks: []Webhook{hook}, Ping: hook.URL}.Tell(ctx, message)
			if len(failures) != 1 {
				t.Fatalf("%d failures, want one", len(failures))
			}
			failures = append(failures, Channels{Ping: hook.URL}.PingWith(ctx, 0)...)
			if text := fmt.Sprintf("%+v", failures); strings.Contains(text, secret) {
				t.Error(text)
			}
		})
	}
}
