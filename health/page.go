package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Page is one answer, whatever its status.
type Page struct {
	Status int
	Header http.Header
	Body   []byte        // its first 64 KiB
	Took   time.Duration // from the dialing to the end of the body
	Nobody bool          // no connection was made: there was nobody to ask

	secrets secrets
}

// Quoted is the beginning of the body as it may be shown: quoted, without what
// of the question is secret.
func (p Page) Quoted() string {
	return quoted(p.secrets.hide(string(bytes.TrimSpace(p.Body))))
}

// Get asks u once, on a fresh connection, within timeout and without
// following redirects. host, where it is set, is the Host header and the TLS
// server name. The error is in the words of a Verdict, and does not name u; it is
// never about the status.
func (a Asker) Get(ctx context.Context, u URL, host string, timeout time.Duration) (Page, error) {
	if u.IsZero() {
		return Page{}, errors.New("cannot ask: no url is given")
	}
	if timeout <= 0 {
		return Page{}, fmt.Errorf("cannot ask: timeout: %s is not allowed; use more than 0", Short(timeout))
	}
	p := u.place(host)
	page, err := get(client(p, timeout, &tls.Config{}), request(ctx, p, nil))
	page.secrets = secretsOf(nil, u.whole)
	if err != nil {
		err = errors.New(failure(ctx, err, page, timeout))
	}
	a.Log.Debug().Stringer("asked", p).Int("status", page.Status).Err(err).Str("took", Short(page.Took)).Msg("asked")
	return page, err
}

func get(c *http.Client, r *http.Request) (Page, error) {
	begun := time.Now()
	resp, err := c.Do(r)
	return read(resp, err, begun)
}

// read takes an answer in and closes it. Where the body fails, the page holds
// what had come until then.
func read(resp *http.Response, err error, begun time.Time) (Page, error) {
	if err != nil {
		var op *net.OpError
		return Page{Took: time.Since(begun), Nobody: errors.As(err, &op) && op.Op == "dial"}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	return Page{Status: resp.StatusCode, Header: resp.Header, Body: body, Took: time.Since(begun)}, err
}

// failure is why a page did not come whole, in words.
func failure(ctx context.Context, err error, page Page, timeout time.Duration) string {
	if ctx.Err() != nil {
		return interruption(ctx)
	}
	if page.Status != 0 {
		return cutOff(err, page, timeout)
	}
	return words(err, timeout, page.secrets)
}
