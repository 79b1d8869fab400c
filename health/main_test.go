package health

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(besideLiar{m}) }

// besideLiar runs the tests where the environment names a proxy that answers
// for everyone. net/http reads the environment once, so it is set before all tests.
type besideLiar struct{ *testing.M }

func (m besideLiar) Run() int {
	liar := httptest.NewServer(answer(200, "I am the proxy"))
	defer liar.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		os.Setenv(name, liar.URL)
	}
	return m.M.Run()
}

// quick is the defaults, without their patience.
func quick() Check {
	c := Defaults()
	c.Path = "/healthz"
	c.Attempts = 1
	c.Interval = time.Millisecond
	return c
}

func serve(t *testing.T, h http.HandlerFunc) Backend {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return backendAt(s.Listener.Addr())
}

func backendAt(a net.Addr) Backend {
	return Backend{Name: a.String(), Network: a.Network(), Address: a.String()}
}

// speak accepts connections and lets each be handled, without net/http between.
func speak(t *testing.T, handle func(net.Conn)) Backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); handle(conn) }()
		}
	}()
	return backendAt(l.Addr())
}

// untilClosed reads until the other side goes away.
func untilClosed(conn net.Conn) {
	var b [1 << 10]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			return
		}
	}
}

// readRequest reads to the blank line that ends a GET.
func readRequest(conn net.Conn) {
	var got []byte
	var b [1 << 10]byte
	for !bytes.Contains(got, []byte("\r\n\r\n")) {
		n, err := conn.Read(b[:])
		if err != nil {
			return
		}
		got = append(got, b[:n]...)
	}
}

// repeat writes text until the other side goes away.
func repeat(conn net.Conn, text string) {
	for {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
	}
}

// drip writes text a byte at a time until the other side goes away.
func drip(conn net.Conn, text string) {
	gone := make(chan struct{})
	go func() { untilClosed(conn); close(gone) }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-gone:
			return
		case <-tick.C:
			if _, err := conn.Write([]byte{text[i%len(text)]}); err != nil {
				return
			}
		}
	}
}

func ask(t *testing.T, c Check, b Backend) Verdict {
	t.Helper()
	return Asker{}.Ask(t.Context(), c, []Backend{b})[0]
}

func expect(t *testing.T, v Verdict, healthy bool, reason string) {
	t.Helper()
	if v.Healthy != healthy || !strings.Contains(v.Reason, reason) {
		t.Errorf("healthy = %v, want %v, with %q in: %s", v.Healthy, healthy, reason, v)
	}
}
