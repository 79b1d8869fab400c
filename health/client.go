package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// most bounds what is read of one answer, headers and body each, in bytes: a
// broken backend may never stop sending.
const most = 64 << 10

// client asks one place. Every request has a connection of its own, none goes
// through a proxy ($HTTP_PROXY answers for anyone), no redirect is followed (a
// login page is not a healthy answer), and the timeout spans the body too.
func client(p place, timeout time.Duration, trust *tls.Config) *http.Client {
	return &http.Client{
		Transport:     transport(p, trust),
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport speaks HTTP/1.1 only, as nginx does to its backends.
func transport(p place, trust *tls.Config) *http.Transport {
	trust = trust.Clone()
	trust.ServerName = p.serverName()
	return &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dialPlain(ctx) },
		DialTLSContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dialTLS(ctx, trust) },
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: most,
	}
}

// trustOf is which certificates a Check takes.
func trustOf(c Check) (*tls.Config, error) {
	trust := &tls.Config{InsecureSkipVerify: c.Insecure}
	if c.CAFile == "" {
		return trust, nil
	}
	pem, err := readCA(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CA file: %s: %w", c.CAFile, err)
	}
	trust.RootCAs = x509.NewCertPool()
	if !trust.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot read the CA file: %s: there is no certificate in it", c.CAFile)
	}
	return trust, nil
}

// caLimit is in bytes; a system's whole store takes a quarter of it.
const caLimit = 1 << 20

// readCA never waits, and reads no device that never ends.
func readCA(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return nil, pathErr.Err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > caLimit {
		return nil, errors.Join(err, errors.New("it is not a regular file of at most 1 MiB"))
	}
	return io.ReadAll(io.LimitReader(file, caLimit))
}

// UserAgent is that of every question.
const UserAgent = "bgswitch"

// request is a GET that says who asks, unless a header says otherwise.
func request(ctx context.Context, p place, headers map[string]string) *http.Request {
	r := &http.Request{Method: http.MethodGet, URL: p.url, Host: p.host, Header: http.Header{}}
	r.Header.Set("User-Agent", UserAgent)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return r.WithContext(ctx)
}
