package health

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// heard asks with a transcript.
func heard(t *testing.T, c Check, b Backend) []Exchange {
	t.Helper()
	return Asker{Transcribe: true}.Ask(t.Context(), c, []Backend{b})[0].Exchanges
}

// Each attempt is told as it went: what was sent, what came, and what was made
// of it.
func TestTranscript(t *testing.T) {
	t.Parallel()
	request := func(b Backend) []string {
		return []string{"GET /healthz HTTP/1.1", "Host: " + b.Name, "User-Agent: bgswitch", "Connection: close"}
	}
	asked := 0
	moody := speak(t, func(c net.Conn) {
		readRequest(c)
		if asked++; asked == 1 {
			io.WriteString(c, "HTTP/1.1 503 Gone fishing\r\nx-odd:  as it came\r\nContent-Length: 7\r\n\r\ndb down")
			return
		}
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
	})
	banner := speak(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n"); untilClosed(c) })
	closed := speak(t, readRequest)
	nobody := Backend{Name: "closed", Network: "tcp", Address: "127.0.0.1:1"}
	for name, tt := range map[string]struct {
		backend Backend
		set     func(*Check)
		want    []Exchange
	}{
		"bad, then good": {moody, func(c *Check) { c.Attempts = 2 }, []Exchange{
			{Number: 1, Peer: moody.Name, Sent: request(moody), Body: "db down", Bytes: 7, Reason: `status 503: "db down"`,
				Came: []string{"HTTP/1.1 503 Gone fishing", "x-odd:  as it came", "Content-Length: 7"}},
			{Number: 2, Peer: moody.Name, Sent: request(moody), Body: "ok", Bytes: 2, Good: true, Reason: "status 200",
				Came: []string{"HTTP/1.1 103 Early Hints", "Link: </a>", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked"}},
		}},
		"no HTTP": {banner, func(*Check) {}, []Exchange{
			{Number: 1, Peer: banner.Name, Sent: request(banner), Body: "SSH-2.0-OpenSSH_9.2p1\r\n", Bytes: 23,
				Reason: `not HTTP: malformed HTTP response "SSH-2.0-OpenSSH_9.2p1"`},
		}},
		"no answer": {closed, func(*Check) {}, []Exchange{
			{Number: 1, Peer: closed.Name, Sent: request(closed), Reason: "connection closed without an answer"}}},
		"nobody":         {nobody, func(*Check) {}, []Exchange{{Number: 1, Reason: "connection refused"}}},
		"a connection":   {banner, func(c *Check) { c.Type = TypeTCP }, []Exchange{{Number: 1, Peer: banner.Name, Good: true, Reason: "connected"}}},
		"and nobody, so": {nobody, func(c *Check) { c.Type = TypeTCP }, []Exchange{{Number: 1, Reason: "connection refused"}}},
	} {
		c := quick()
		tt.set(&c)
		got := heard(t, c, tt.backend)
		if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Exchange{}, "Took"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, e := range got {
			if e.Took <= 0 {
				t.Errorf("%s: attempt %d took %s", name, e.Number, e.Took)
			}
		}
	}
	if v := (Asker{}).Ask(t.Context(), quick(), []Backend{closed}); v[0].Exchanges != nil {
		t.Errorf("%d exchanges that nobody asked for", len(v[0].Exchanges))
	}
}

// Whatever a backend sends, and however often it is asked, little of it is kept.
func TestTranscriptIsBounded(t *testing.T) {
	t.Parallel()
	c := quick()
	c.Attempts, c.Interval, c.Status = 1000, 0, StatusRanges{{500, 500}}
	got := heard(t, c, speak(t, func(c net.Conn) {
		readRequest(c)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Long: %s\r\n\r\n%s", strings.Repeat("h", 60<<10), strings.Repeat("b", 1<<20))
	}))
	if len(got) != exchangesKept || got[len(got)-1].Number != 1000 {
		t.Fatalf("%d exchanges, the last is attempt %d; want %d, and the last 1000", len(got), got[len(got)-1].Number, exchangesKept)
	}
	for _, e := range got {
		if size := len(strings.Join(e.Came, "")); size > headShown+100 || len(e.Body) != bodyShown || e.Bytes != most {
			t.Errorf("%d bytes of headers and %d of the body are kept, %d were read", size, len(e.Body), e.Bytes)
		}
	}
}

// Secrets are not in a transcript, neither as they are sent nor where a backend
// repeats them.
func TestTranscriptKeepsSecrets(t *testing.T) {
	t.Parallel()
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		w.Header().Set("X-Echo", r.Header.Get("X-Token"))
		w.Header().Set("Location", "/login?from="+r.URL.Query().Get("key"))
		w.WriteHeader(http.StatusFound)
		fmt.Fprintln(w, r.RequestURI, r.Header, name, password)
	})
	c := quick()
	c.Headers = map[string]string{"x-token": "s3cr3t-token", "X-Short": "1"}
	b.URL = MustParseURL("http://someone:pa55word@" + b.Address + "/?key=k3y-of-a-query")
	e := heard(t, c, b)[0]
	noSecret(t, fmt.Sprintf("%+v", e), "s3cr3t", "someone", "pa55word", "k3y-of", "c29tZW9uZTpw", "X-Short: 1")
	for _, want := range []string{"GET /?xxxxx HTTP/1.1", "Authorization: xxxxx", "X-Token: xxxxx", "X-Short: xxxxx", "User-Agent: bgswitch"} {
		if !strings.Contains(strings.Join(e.Sent, "\n")+"\n", want+"\n") {
			t.Errorf("no line %q is in %q", want, e.Sent)
		}
	}
	if !strings.Contains(strings.Join(e.Came, "\n"), "Location: /login?xxxxx") {
		t.Errorf("came: %q", e.Came)
	}
}
