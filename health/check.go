package health

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
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

// Validate finds the settings that cannot be used, as Mistakes. It reads no files.
func (c Check) Validate() error {
	var m Mistakes
	m.Add(oneOf(c.Type, TypeHTTP, TypeTCP), "type")
	m.Add(oneOf(c.Scheme, "http", "https"), "scheme")
	m.Add(validatePath(c.Path), "path")
	m.Add(ValidateHost(c.Host), "host")
	m.Add(c.validateHeaders(), "headers")
	m.Add(c.Status.validate(), "status")
	m.Add(c.validateTCP())
	m.Add(between(c.Timeout, time.Millisecond, 5*time.Minute, Short), "timeout")
	m.Add(between(c.Attempts, 1, 1000, count), "attempts")
	m.Add(between(c.Interval, 0, 5*time.Minute, Short), "interval")
	m.Add(between(c.Passes, 1, 100, count), "passes")
	if c.CAFile != "" && c.Insecure {
		m.Add(errors.New("not allowed together with a CA file; use only one of the two"), "insecure")
	}
	return m.Found()
}

func validatePath(path string) error {
	if _, err := url.ParseRequestURI(path); err != nil || path[0] != '/' || strings.Contains(path, "#") {
		shown, _, _ := strings.Cut(path, "?") // a query may hold a key
		return fmt.Errorf("%q is not allowed; use a path that begins with /, without #", shown)
	}
	return nil
}

// validateTCP refuses what would silently not be looked at.
func (c Check) validateTCP() error {
	var m Mistakes
	if c.Type == TypeTCP && c.Contains != "" {
		m.Add(errors.New("a tcp check reads no answer; use type http"), "contains")
	}
	if c.Type == TypeTCP && len(c.Headers) > 0 {
		m.Add(errors.New("a tcp check sends no headers; use type http"), "headers")
	}
	return m.Found()
}

// ValidateHost tells whether something may be a Host header.
func ValidateHost(host string) error {
	if strings.ContainsFunc(host, outsideHost) {
		return fmt.Errorf("%q is not allowed; use a name or address, with a port or without", host)
	}
	return nil
}

// outsideHost finds what net/http would cut off or refuse in a Host header.
func outsideHost(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`/\?#@"<>`, r)
}

// validateHeaders: a Host would need the TLS server name to go with it.
func (c Check) validateHeaders() error {
	var m Mistakes
	for name := range c.Headers {
		if strings.EqualFold(name, "Host") {
			m = append(m, Mistake{[]string{name}, errors.New("headers: Host is not allowed here; set host instead")})
		}
	}
	m.Add(ValidateHeaders(c.Headers))
	return m.Found()
}

// ValidateHeaders finds the headers that cannot be sent, as Mistakes at their
// names.
func ValidateHeaders(headers map[string]string) error {
	var m Mistakes
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if err := ValidateHeader(name, headers[name]); err != nil {
			m = append(m, Mistake{[]string{name}, fmt.Errorf("headers: %w", err)})
		}
	}
	return m.Found()
}

// ValidateHeader tells whether one header can be sent. Its error repeats no
// value, and nothing of a line that was taken for a name.
func ValidateHeader(name, value string) error {
	switch {
	case !isToken(name):
		return errors.New("that is not the name of a header; use letters, digits and dashes")
	case ownHeader(name):
		return fmt.Errorf("%s is not allowed, each attempt sets it itself", name)
	case strings.ContainsFunc(value, outsideValue):
		return fmt.Errorf("the value of %s contains a control byte; use printable text", name)
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

func oneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%q is not allowed; use %s", value, strings.Join(allowed, " or "))
}

func between[T cmp.Ordered](value, low, high T, show func(T) string) error {
	if value < low || value > high {
		return fmt.Errorf("%s is not allowed; use %s to %s", show(value), show(low), show(high))
	}
	return nil
}

func count(n int) string { return fmt.Sprint(n) }
