package health

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler  http.HandlerFunc
		contains string
		healthy  bool
		reason   string
	}{
		"good":                 {handler: answer(200, "ok"), healthy: true, reason: "status 200"},
		"good, 204":            {handler: answer(204, ""), healthy: true, reason: "status 204"},
		"text is there":        {handler: answer(200, "is ok"), contains: "ok", healthy: true, reason: "status 200"},
		"503":                  {handler: answer(503, "db down\n"), reason: `status 503: "db down"`},
		"503, empty":           {handler: answer(503, ""), reason: "status 503"},
		"error page":           {handler: answer(200, "<h1>Oops</h1>"), contains: "ok", reason: `status 200, but the body does not contain "ok": "<h1>Oops</h1>"`},
		"redirect":             {handler: redirect("/login"), reason: "status 302 (redirects are not followed): Location /login"},
		"redirect with secret": {handler: redirect("http://me:pass@h/?next=pass"), reason: "Location http://xxxxx@h/?xxxxx"},
		"redirect to garbage":  {handler: redirect("http://me:pass@h:bad/"), reason: "not a URL (redirects are not followed)"},
		"terminal bytes":       {handler: answer(500, "\x1b[2J\x07\u202e"), reason: `status 500: "\x1b[2J\a\u202e"`},
		"long page":            {handler: answer(500, strings.Repeat("é", 500)), reason: `status 500: "` + strings.Repeat("é", 40) + `"...`},
		"text comes too late":  {handler: answer(200, strings.Repeat("x", most)+"ok"), contains: "ok", reason: `first 64 KiB of the body does not contain "ok"`},
		"body cut off":         {handler: cutOffBody, reason: "status 200, but the body was cut off after 3 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := quick()
			c.Contains = tt.contains
			v := ask(t, c, serve(t, tt.handler))
			expect(t, v, tt.healthy, tt.reason)
			if strings.Contains(v.String(), "pass") {
				t.Errorf("shows a password: %s", v)
			}
		})
	}
}

func cutOffBody(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, "abc")
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestNoHTTP(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handle func(net.Conn)
		reason string
	}{
		"closes at once":     {func(net.Conn) {}, "connection closed without an answer"},
		"reads, then closes": {readRequest, "connection closed without an answer"},
		"ssh banner":         {func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n"); untilClosed(c) }, `not HTTP: malformed HTTP response "SSH-2.0-OpenSSH_9.2p1"`},
		"speaks, and closes": {func(c net.Conn) { io.WriteString(c, "220 smtp\r\n") }, ""},
		"header bomb":        {func(c net.Conn) { readRequest(c); io.WriteString(c, "HTTP/1.1 200 OK\r\n"); repeat(c, "X-A: b\r\n") }, "headers larger than 64 KiB"},
		"one endless header": {func(c net.Conn) { readRequest(c); repeat(c, "HTTP/1.1 200 OK ") }, "headers larger than 64 KiB"},
		"endless 1xx":        {func(c net.Conn) { readRequest(c); repeat(c, "HTTP/1.1 103 Early Hints\r\n\r\n") }, "headers larger than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, ask(t, quick(), speak(t, tt.handle)), false, tt.reason)
		})
	}
}

func TestInfiniteBody(t *testing.T) {
	t.Parallel()
	b := speak(t, func(c net.Conn) { readRequest(c); io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); repeat(c, "more ") })
	c := quick()
	c.Timeout = time.Minute
	expect(t, ask(t, c, b), true, "status 200")
	page, err := Asker{}.Get(t.Context(), MustParseURL("http://"+b.Address), "", time.Minute)
	if err != nil || len(page.Body) != most {
		t.Errorf("Get: %d bytes, %v; want %d", len(page.Body), err, most)
	}
}

// The bound holds for an attempt whole, wherever it is that the backend stalls.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handle func(net.Conn)
		reason string
	}{
		"silent":          {untilClosed, "no answer within 1s"},
		"dripping header": {func(c net.Conn) { drip(c, "HTTP/1.1 200 OK") }, "no answer within 1s"},
		"dripping 1xx":    {func(c net.Conn) { drip(c, "HTTP/1.1 103 Early Hints\r\n\r\n") }, "no answer within 1s"},
		"dripping body":   {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); drip(c, "more") }, "status 200, but the body was not complete within 1s"},
		"dripping 503":    {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 503 No\r\n\r\n"); drip(c, "more") }, `status 503: "more`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := quick()
			c.Timeout, c.Attempts = time.Second, 2
			v := ask(t, c, speak(t, tt.handle))
			expect(t, v, false, tt.reason)
			if v.Attempts != 2 || v.Took < 2*c.Timeout { // without a limit it would take for ever
				t.Errorf("%d attempts took %s, want 2 in about 2s", v.Attempts, v.Took)
			}
		})
	}
}

// A server that speaks before it is asked makes net/http use the global
// logger, if it is met too early. Not parallel: the logger is everyone's.
func TestFirstWordIsNotLogged(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed)
	defer log.SetOutput(os.Stderr)
	b := speak(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n"); untilClosed(c) })
	c := quick()
	c.Attempts, c.Interval = 1000, 0
	expect(t, ask(t, c, b), false, "not HTTP")
	if printed.Len() > 0 {
		t.Errorf("printed: %s", printed.String())
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, kind := range []string{TypeHTTP, TypeTCP} {
		c := quick()
		c.Type = kind
		expect(t, ask(t, c, backendAt(l.Addr())), false, "connection refused")
	}
}

func TestUnknownName(t *testing.T) {
	t.Parallel()
	v := ask(t, quick(), Backend{Name: "app-green:8080", Network: "tcp", Address: "app-green.invalid:8080"})
	expect(t, v, false, "")
	if !strings.Contains(v.Reason, "name app-green.invalid does not resolve") && !strings.Contains(v.Reason, "no answer within") {
		t.Errorf("reason: %s", v.Reason)
	}
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	b := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= 3 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(503)
		}
	})
	c := quick()
	c.Attempts = 4
	v := ask(t, c, b)
	expect(t, v, true, "status 200")
	if v.Attempts != 4 {
		t.Errorf("attempts = %d, want 4", v.Attempts)
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Attempts, c.Interval = 4, 50*time.Millisecond
	began := time.Now()
	for range 3 {
		time.Sleep(c.Interval)
	}
	pauses := time.Since(began) // as long as they are on this machine
	if v := ask(t, c, serve(t, answer(429, ""))); v.Took < 150*time.Millisecond || v.Took > 5*pauses {
		t.Errorf("3 pauses of 50ms took %s, want about %s", v.Took, pauses)
	}
}

// Each letter of answers is one: + good, - bad.
func TestPasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answers                   string
		attempts, passes, awaited int
		healthy                   bool
		reason                    string
	}{
		{"+++", 1, 3, 3, true, "status 200"},
		{"-+++", 2, 3, 4, true, "status 200"},
		{"+-++", 2, 2, 4, true, "status 200"},
		{"+-+-+-", 3, 2, 6, false, `status 500: "no" (there were good answers in between, but never 2 in a row)`},
		{"---", 3, 2, 3, false, `status 500: "no"`},
		{"++-", 1, 3, 3, false, "never 3 in a row"},
	} {
		t.Run(fmt.Sprintf("%s %d of %d", tt.answers, tt.passes, tt.attempts), func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			b := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if n := int(asked.Add(1)); n > len(tt.answers) || tt.answers[n-1] == '-' {
					answer(500, "no")(w, nil)
				}
			})
			c := quick()
			c.Attempts, c.Passes = tt.attempts, tt.passes
			v := ask(t, c, b)
			expect(t, v, tt.healthy, tt.reason)
			if v.Attempts != tt.awaited || int(asked.Load()) != tt.awaited {
				t.Errorf("attempts = %d, asked %d times, want %d", v.Attempts, asked.Load(), tt.awaited)
			}
		})
	}
}
