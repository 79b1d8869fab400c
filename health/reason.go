package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// quotedLimit is how many bytes of an answer are shown.
const quotedLimit = 80

// words says in an operator's words why no answer came.
func words(err error, timeout time.Duration, secret secrets) string {
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		return "name " + plain(dns.Name) + " does not resolve"
	case isClosed(err):
		return "connection closed without an answer"
	case errors.As(err, &errno):
		return errno.Error()
	case isTimeout(err):
		return "no answer within " + Short(timeout)
	case isTLS(err):
		return "TLS: " + tlsWords(err, secret)
	}
	return libraryWords(err, secret)
}

// libraryWords translates the errors of net/http that have no type.
func libraryWords(err error, secret secrets) string {
	text := secret.hide(withoutURL(err).Error())
	switch {
	case strings.Contains(text, "response headers exceeded"):
		return "headers larger than 64 KiB"
	case strings.Contains(text, "malformed"):
		_, what, _ := strings.Cut(text, "malformed ")
		return "not HTTP: malformed " + plain(what)
	case strings.Contains(text, "HTTP response to HTTPS client"):
		return "TLS: the answer is plain HTTP"
	case strings.Contains(text, "failed to parse Location header"):
		return "a redirect to something that is not a URL (redirects are not followed)"
	}
	return plain(strings.TrimPrefix(text, "net/http: "))
}

// cutOff says why the body of an answer did not end.
func cutOff(err error, page Page, timeout time.Duration) string {
	if isTimeout(err) {
		return fmt.Sprintf("status %d, but the body was not complete within %s", page.Status, Short(timeout))
	}
	return fmt.Sprintf("status %d, but the body was cut off after %d bytes", page.Status, len(page.Body))
}

func interruption(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "interrupted: out of time"
	}
	return "interrupted"
}

// badStatus says what came instead of a good status.
func badStatus(page Page) string {
	text := fmt.Sprintf("status %d", page.Status)
	if location := page.Header.Get("Location"); location != "" && page.Status/100 == 3 {
		return text + " (redirects are not followed): Location " + plain(page.secrets.hide(shownLocation(location)))
	}
	if len(bytes.TrimSpace(page.Body)) > 0 {
		return text + ": " + page.Quoted()
	}
	return text
}

func missing(text string, page Page) string {
	where := "body"
	if len(page.Body) == most {
		where = "first 64 KiB of the body"
	}
	return fmt.Sprintf("status %d, but the %s does not contain %q: %s", page.Status, where, text, page.Quoted())
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTLS(err error) bool {
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &record) || errors.As(err, &verify) || errors.As(err, &alert) ||
		strings.Contains(err.Error(), "tls: ")
}

func tlsWords(err error, secret secrets) string {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "the certificate is signed by an authority that is not trusted"
	case errors.As(err, &verify):
		return plain(strings.TrimPrefix(verify.Err.Error(), "x509: "))
	case errors.As(err, &record):
		return "the answer is not TLS"
	}
	_, what, _ := strings.Cut(secret.hide(withoutURL(err).Error()), "tls: ")
	return plain(what)
}

// withoutURL drops the wrapping that repeats the URL.
func withoutURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

func shownLocation(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "that is not a URL"
	}
	return shown(*u).String()
}

// quoted is the beginning of a foreign text, quoted, with nothing in it that a terminal obeys.
func quoted(text string) string {
	if len(text) <= quotedLimit {
		return strconv.Quote(text)
	}
	return strconv.Quote(strings.ToValidUTF8(text[:quotedLimit], "")) + "..."
}

// plain is quoted without the quotes.
func plain(text string) string {
	if len(text) > quotedLimit {
		text = text[:quotedLimit] + "..."
	}
	q := strconv.Quote(text)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
