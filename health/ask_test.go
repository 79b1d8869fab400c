package health

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// Each backend answers only once all are being asked.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	const backends = 8
	var barrier sync.WaitGroup
	barrier.Add(backends)
	var all []Backend
	for i := range backends {
		all = append(all, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			barrier.Done()
			barrier.Wait()
			w.WriteHeader(200 + 100*(i%2))
		}))
	}
	verdicts := Asker{}.Ask(t.Context(), quick(), all)
	for i, v := range verdicts {
		if v.Backend != all[i].Name || v.Healthy != (i%2 == 0) {
			t.Errorf("verdict %d is about %s, healthy %v; want %s", i, v.Backend, v.Healthy, all[i].Name)
		}
	}
	if Healthy(verdicts) || !Healthy(verdicts[:1]) || Healthy(nil) {
		t.Error("Healthy: want all good, and at least one")
	}
}

// Under one Ask each attempt has its own connection, and dials the backend itself.
func TestFreshConnections(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	b := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen[r.RemoteAddr] = true })
	c := quick()
	c.Passes = 5
	expect(t, ask(t, c, b), true, "status 200")
	if len(seen) != 5 {
		t.Errorf("%d connections, want 5", len(seen))
	}
}

// The name is a foreign one: for loopback net/http asks no proxy anyhow. A
// proxy is sent the whole URL, a backend only the path.
func TestProxyIsNotAsked(t *testing.T) {
	t.Parallel()
	const name = "app.invalid:80"
	var uri string
	b := serve(t, func(_ http.ResponseWriter, r *http.Request) { uri = r.RequestURI })
	b.Name = name
	expect(t, ask(t, quick(), b), true, "status 200")
	if uri != "/healthz" {
		t.Errorf("asked for %s as of a proxy", uri)
	}
	expect(t, ask(t, quick(), Backend{Name: name, Network: "tcp", Address: name}), false, "")
	if page, err := (Asker{}).Get(t.Context(), MustParseURL("http://"+name), "", time.Second); err == nil {
		t.Errorf("Get: %s", page.Body)
	}
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	type sent struct{ URI, Host, Agent, Auth, Encoding string }
	var got sent
	b := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = sent{r.RequestURI, r.Host, r.UserAgent(), r.Header.Get("Authorization"), r.Header.Get("Accept-Encoding")}
	})
	withURL := func(u string) Backend { return Backend{Name: "blue", URL: MustParseURL(u)} }
	for name, tt := range map[string]struct {
		set     func(*Check)
		backend Backend
		want    sent
	}{
		"defaults": {func(*Check) {}, b, sent{URI: "/healthz", Host: b.Name, Agent: "bgswitch"}},
		"host":     {func(c *Check) { c.Host = "www.example.com" }, b, sent{URI: "/healthz", Host: "www.example.com", Agent: "bgswitch"}},
		"query":    {func(c *Check) { c.Path = "/a%2Fb?full=1" }, b, sent{URI: "/a%2Fb?full=1", Host: b.Name, Agent: "bgswitch"}},
		"headers": {func(c *Check) { c.Headers = map[string]string{"user-agent": "me", "authorization": "Bearer x"} }, b,
			sent{URI: "/healthz", Host: b.Name, Agent: "me", Auth: "Bearer x"}},
		"url with a path":   {func(*Check) {}, withURL("http://" + b.Address + "/ready?x=1"), sent{URI: "/ready?x=1", Host: b.Address, Agent: "bgswitch"}},
		"url without":       {func(*Check) {}, withURL("http://" + b.Address), sent{URI: "/healthz", Host: b.Address, Agent: "bgswitch"}},
		"url with a slash":  {func(*Check) {}, withURL("http://" + b.Address + "/"), sent{URI: "/healthz", Host: b.Address, Agent: "bgswitch"}},
		"url with a query":  {func(*Check) {}, withURL("http://" + b.Address + "/?x=1"), sent{URI: "/?x=1", Host: b.Address, Agent: "bgswitch"}},
		"url with password": {func(*Check) {}, withURL("http://me:pw@" + b.Address), sent{URI: "/healthz", Host: b.Address, Agent: "bgswitch", Auth: "Basic bWU6cHc="}},
	} {
		t.Run(name, func(t *testing.T) {
			c := quick()
			tt.set(&c)
			expect(t, ask(t, c, tt.backend), true, "status 200")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var host string
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { host = r.Host })}}
	s.Start()
	b := Backend{Name: "unix:" + path, Network: "unix", Address: path}
	v := ask(t, quick(), b)
	expect(t, v, true, "status 200")
	if want := "GET http://unix:" + path + ":/healthz"; v.Asked != want || host != "localhost" {
		t.Errorf("asked %s, want %s; Host %q", v.Asked, want, host)
	}
	s.Close()
	expect(t, ask(t, quick(), b), false, "no such file or directory")
}

// A tcp check is content with a port that is mute.
func TestTCP(t *testing.T) {
	t.Parallel()
	b := speak(t, untilClosed)
	c := quick()
	c.Type, c.Status = TypeTCP, StatusRanges{{500, 599}}
	for _, b := range []Backend{b, {URL: MustParseURL("http://" + b.Address)}} {
		v := ask(t, c, b)
		expect(t, v, true, "connected")
		if want := "connection to " + b.Address + b.URL.Host(); v.Asked != want {
			t.Errorf("asked %s, want %s", v.Asked, want)
		}
	}
	one, err := ParseBackendURL("tcp://" + b.Address)
	if err != nil {
		t.Fatal(err)
	}
	c.Type = TypeHTTP // and the URL says otherwise
	expect(t, ask(t, c, Backend{URL: one}), true, "connected")
	c.Contains = "ok"
	expect(t, ask(t, c, Backend{URL: one}), false, "a tcp check reads no answer")
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(stop func()) http.HandlerFunc{
		"while asking": func(stop func()) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { stop(); <-r.Context().Done() }
		},
		"in a body": func(stop func()) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.(http.Flusher).Flush()
				stop()
				<-r.Context().Done()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			c := quick()
			c.Attempts, c.Interval, c.Timeout = 1000, time.Minute, time.Minute
			v := Asker{}.Ask(ctx, c, []Backend{serve(t, handler(stop))})[0]
			if v.Healthy || v.Reason != "interrupted" || v.Attempts != 1 {
				t.Errorf("want 1 attempt, interrupted: %s", v)
			}
		})
	}
}

// The log tells when the pause between two attempts is about to begin.
func TestInterruptedInThePause(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := zerolog.New(writerFunc(func([]byte) { stop() }))
	c := quick()
	c.Attempts, c.Interval = 2, time.Minute
	v := Asker{Log: log}.Ask(ctx, c, []Backend{serve(t, answer(503, "db down"))})[0]
	expect(t, v, false, `interrupted; the last answer was: status 503: "db down"`)
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func TestOutOfTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := quick()
	c.Timeout, c.Attempts = time.Minute, 3
	v := Asker{}.Ask(ctx, c, []Backend{speak(t, untilClosed)})[0]
	expect(t, v, false, "interrupted: out of time")
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const secret, user, password, key = "s3cr3t-token", "someone", "pa55word", "k3y of a query"
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	said := secret + " " + user + " " + password + " " + key + " " + url.QueryEscape(key) + " " + basic
	hidden := []string{user, password, "k3y", basic}
	var log bytes.Buffer
	asker := Asker{Log: zerolog.New(zerolog.SyncWriter(&log))}
	echo := speak(t, func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("-", 40)+said+"\r\n\r\n")
	})
	for _, b := range []Backend{
		serve(t, answer(500, said)),
		serve(t, answer(500, strings.Repeat("-", 75)+secret)), // cut in the middle
		serve(t, answer(200, said)),
		serve(t, redirect("/?"+said)),
		echo,
		{Name: "closed", Network: "tcp", Address: "127.0.0.1:1"},
	} {
		c := quick()
		c.Contains = "fine"
		c.Headers = map[string]string{"Authorization": "Bearer " + secret}
		b.URL = MustParseURL("http://" + user + ":" + password + "@" + b.Address + "/?token=" + url.QueryEscape(key))
		v := asker.Ask(t.Context(), c, []Backend{b})[0]
		expect(t, v, false, "")
		page, err := asker.Get(t.Context(), b.URL, "", time.Second)
		noSecret(t, v.String(), append(hidden, secret[:5])...)
		noSecret(t, errText(err), hidden...)
		noSecret(t, page.Quoted(), hidden...)
	}
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}
	// Get was given no header: to it, the token is a word like another.
	for line := range strings.Lines(log.String()) {
		noSecret(t, line, hidden...)
		if strings.Contains(line, `"attempt"`) {
			noSecret(t, line, secret[:5])
		}
	}
}

func noSecret(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(text, word) {
			t.Errorf("shows %s: %s", word, text)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestNotValid(t *testing.T) {
	t.Parallel()
	b := Backend{Name: "blue", Network: "tcp", Address: "127.0.0.1:1"}
	v := ask(t, Check{}, b)
	expect(t, v, false, "type: ")
	v = ask(t, quick(), Backend{Name: "blue"})
	expect(t, v, false, "network: ")
	if want := `unhealthy: nothing: network: "" is not allowed; use tcp or unix`; v.String() != want {
		t.Errorf("got %s, want %s", v, want)
	}
}
