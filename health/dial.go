package health

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

func (p place) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, p.network, p.address)
}

func (p place) dialPlain(ctx context.Context) (net.Conn, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	return tapped(ctx, newPatient(conn)), nil
}

func (p place) dialTLS(ctx context.Context, trust *tls.Config) (net.Conn, error) {
	plain, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, trust)
	if err := conn.HandshakeContext(ctx); err != nil {
		plain.Close()
		return nil, err
	}
	return tapped(ctx, newPatient(conn)), nil
}

// patient reads nothing before it has begun to write. A server that speaks
// first (ssh, smtp) would otherwise meet net/http before it expects an answer,
// and persistConn.readLoopPeekFailLocked prints what it said through the
// global log package.
type patient struct {
	net.Conn
	once   sync.Once
	spoken chan struct{}
}

func newPatient(conn net.Conn) *patient {
	return &patient{Conn: conn, spoken: make(chan struct{})}
}

func (c *patient) speak() { c.once.Do(func() { close(c.spoken) }) }

func (c *patient) Read(b []byte) (int, error) {
	<-c.spoken
	return c.Conn.Read(b)
}

func (c *patient) Write(b []byte) (int, error) {
	c.speak()
	return c.Conn.Write(b)
}

// Close lets a waiting Read go.
func (c *patient) Close() error {
	c.speak()
	return c.Conn.Close()
}

// connector makes a tcp check a round trip that ends when the connection stands.
type connector struct{ place }

func (c connector) RoundTrip(r *http.Request) (*http.Response, error) {
	conn, err := c.dial(r.Context())
	if err != nil {
		return nil, err
	}
	tapped(r.Context(), conn).Close()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}
