package health

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The two kinds of Check.
const (
	TypeHTTP = "http" // a GET whose answer is judged
	TypeTCP  = "tcp"  // a connection that is accepted, and closed again
)

// Check is what to ask a backend, and which answers are good.
type Check struct {
	Type    string            // TypeHTTP or TypeTCP
	Scheme  string            // http or https
	Path    string            // begins with a slash; may hold a query
	Host    string            // Host header and TLS server name; empty: the address as nginx writes it
	Headers map[string]string // values are secret: they are sent, and shown nowhere
	Status  StatusRanges
	// Contains is a text the first 64 KiB of the body must hold; empty: any body will do.
	Contains string
	// Timeout bounds one attempt whole: name, connection, TLS, headers and body.
	Timeout time.Duration
	// Attempts is how many bad answers make the verdict unhealthy. Good answers use up none.
	Attempts int
	Interval time.Duration // between two attempts
	// Passes is how many good answers in a row make the verdict healthy. A bad answer begins the row anew.
	Passes   int
	CAFile   string // PEM file of the only authorities to trust; empty: the system's
	Insecure bool   // take any certificate
}

// Defaults is the Check of someone who set nothing.
func Defaults() Check {
	return Check{
		Type:     TypeHTTP,
		Scheme:   "http",
		Path:     "/",
		Status:   StatusRanges{{200, 299}},
		Timeout:  2 * time.Second,
		Attempts: 3,
		Interval: 200 * time.Millisecond,
		Passes:   1,
	}
}

// Validate names the first setting that cannot be used, and what is allowed there. It reads no files.
func (c Check) Validate() error {
	return cmp.Or(
		oneOf("type", c.Type, TypeHTTP, TypeTCP),
		oneOf("scheme", c.Scheme, "http", "https"),
		c.validatePath(),
		validateHost(c.Host),
		validateHeaders(c.Headers),
		c.Status.validate(),
		c.validateTCP(),
		between("timeout", c.Timeout, time.Millisecond, 5*time.Minute, Short),
		between("attempts", c.Attempts, 1, 1000, count),
		between("interval", c.Interval, 0, 5*time.Minute, Short),
		between("passes", c.Passes, 1, 100, count),
		c.validateTLS(),
	)
}

func (c Check) validatePath() error {
	if _, err := url.ParseRequestURI(c.Path); err != nil || c.Path[0] != '/' || strings.Contains(c.Path, "#") {
		shown, _, _ := strings.Cut(c.Path, "?") // a query may hold a key
		return fmt.Errorf("path: %q is not allowed, want a path that begins with /, without #", shown)
	}
	return nil
}

// validateTCP refuses what would silently not be looked at.
func (c Check) validateTCP() error {
	switch {
	case c.Type != TypeTCP:
		return nil
	case c.Contains != "":
		return fmt.Errorf("contains: a tcp check reads no answer, want type http")
	case len(c.Headers) > 0:
		return fmt.Errorf("headers: a tcp check sends none, want type http")
	}
	return nil
}

func (c Check) validateTLS() error {
	if c.CAFile != "" && c.Insecure {
		return fmt.Errorf("insecure: not allowed beside a CA file, want one of the two")
	}
	return nil
}

func validateHost(host string) error {
	if strings.ContainsFunc(host, outsideHost) {
		return fmt.Errorf("host: %q is not allowed, want a name or address, with a port or without", host)
	}
	return nil
}

// outsideHost finds what net/http would cut off or refuse in a Host header.
func outsideHost(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`/\?#@"<>`, r)
}

// IsHeader tells whether a header can be sent as it is.
func IsHeader(name, value string) bool {
	return isToken(name) && !strings.ContainsFunc(value, outsideValue)
}

func validateHeaders(headers map[string]string) error {
	for name, value := range headers {
		switch {
		case !isToken(name):
			return fmt.Errorf("headers: %q is not allowed, want a header name", name)
		case strings.EqualFold(name, "Host"):
			return fmt.Errorf("headers: Host is not allowed here, want it in host")
		case ownHeader(name):
			return fmt.Errorf("headers: %s is not allowed, each attempt sets it itself", name)
		case strings.ContainsFunc(value, outsideValue):
			return fmt.Errorf("headers: the value of %s holds a control byte, want printable text", name)
		}
	}
	return nil
}

// ownHeader tells the headers that frame a request (RFC 9112): another value would break the attempt.
func ownHeader(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

func outsideValue(r rune) bool {
	return r < ' ' && r != '\t' || r == 0x7f
}

// isToken tells a header name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func oneOf(field, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not allowed, want %s", field, value, strings.Join(allowed, " or "))
}

func between[T cmp.Ordered](field string, value, low, high T, show func(T) string) error {
	if value < low || value > high {
		return fmt.Errorf("%s: %s is not allowed, want %s to %s", field, show(value), show(low), show(high))
	}
	return nil
}

func count(n int) string { return fmt.Sprint(n) }
