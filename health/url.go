package health

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// URL is an http or https one to ask; the zero value is none. What may be a
// key in it, its user and its query, is sent and shown nowhere: not by fmt, not
// in JSON, not in a log.
type URL struct{ whole *url.URL }

// ParseURL reads one; a fragment, which is never sent, is a mistake. The error
// does not repeat the text, as the one of net/url does, password and all.
func ParseURL(text string) (URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || strings.Contains(text, "#") || u.Scheme != "http" && u.Scheme != "https" || !isPort(u.Port()) {
		return URL{}, errors.New("bgswitch cannot ask that; use http://host:port/path or https://host:port/path")
	}
	return URL{u}, nil
}

// ParseBackendURL reads a URL that stands for a backend: besides those of
// ParseURL, tcp://host:port, which is asked for no more than a connection.
func ParseBackendURL(text string) (URL, error) {
	u, err := url.Parse(text)
	if err == nil && u.Scheme == TypeTCP && u.Hostname() != "" && u.Port() != "" && isPort(u.Port()) && text == "tcp://"+u.Host {
		return URL{u}, nil
	}
	known, err := ParseURL(text)
	if err != nil {
		err = errors.New(err.Error() + " or tcp://host:port")
	}
	return known, err
}

// IsTCP says that no more than a connection is asked for.
func (u URL) IsTCP() bool { return !u.IsZero() && u.whole.Scheme == TypeTCP }

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && port > 0
}

// MustParseURL is ParseURL for a text that is known to be one.
func MustParseURL(text string) URL {
	u, err := ParseURL(text)
	if err != nil {
		panic(err)
	}
	return u
}

// IsZero says that there is none.
func (u URL) IsZero() bool { return u.whole == nil }

// Secret is the whole of it, to be asked and never shown.
func (u URL) Secret() string {
	if u.IsZero() {
		return ""
	}
	return u.whole.String()
}

// Beside is what another URL asks for, at the host of this one.
func (u URL) Beside(other URL) URL {
	if u.IsZero() || other.IsZero() {
		return u
	}
	moved := *u.whole
	moved.Path, moved.RawPath, moved.RawQuery = other.whole.Path, other.whole.RawPath, other.whole.RawQuery
	return URL{&moved}
}

// Request is the path and the query, to be asked and never shown.
func (u URL) Request() string {
	if u.IsZero() {
		return ""
	}
	return u.whole.RequestURI()
}

// String is what may be shown of it.
func (u URL) String() string {
	if u.IsZero() {
		return ""
	}
	return shown(*u.whole).String()
}

// Format writes what may be shown, whatever the verb.
func (u URL) Format(f fmt.State, verb rune) { fmt.Fprintf(f, fmt.FormatString(f, verb), u.String()) }

// MarshalText gives what may be shown.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Host is the host and its port: all that may be shown where the path is a key, too.
func (u URL) Host() string {
	if u.IsZero() {
		return ""
	}
	return u.whole.Host
}

// Place is a URL that says where, and nothing of what may be a key: its path is hidden, too.
func (u URL) Place() string {
	if u.IsZero() {
		return ""
	}
	place := shown(*u.whole)
	if place.RawQuery = ""; strings.Trim(place.Path, "/") != "" {
		place.Path, place.RawPath = "/"+Hidden, ""
	}
	return place.String()
}

// ShownPath is what may be shown of a Check's path.
func ShownPath(path string) string {
	before, _, queried := strings.Cut(path, "?")
	if queried {
		before += "?" + Hidden
	}
	return before
}

// Address is the host and the port that is connected to.
func (u URL) Address() string {
	if u.IsZero() {
		return ""
	}
	return u.place("").address
}

// Below is the URL with one more part of its path.
func (u URL) Below(part string) URL { return URL{u.whole.JoinPath(part)} }

// Why says in an operator's words why asking the URL failed, and repeats
// neither its path nor a header's value.
func (u URL) Why(err error, timeout time.Duration, headers map[string]string) string {
	secret := secretsOf(headers, u.whole).and(u.whole.Path, u.whole.EscapedPath())
	return words(err, timeout, secret)
}

// Hidden stands where something is that is shown nowhere.
const Hidden = "xxxxx"

// shown hides the user name too: a token may stand there alone.
func shown(u url.URL) *url.URL {
	if u.User != nil {
		u.User = url.User(Hidden)
	}
	if u.RawQuery != "" {
		u.RawQuery = Hidden
	}
	u.Fragment, u.RawFragment = "", ""
	return &u
}

// place is where the URL is to be asked; host, where it is set, is what is asked for there.
func (u URL) place(host string) place {
	port := cmp.Or(u.whole.Port(), map[string]string{"http": "80", "https": "443"}[u.whole.Scheme])
	return place{url: u.whole, host: cmp.Or(host, u.whole.Host), network: "tcp", address: net.JoinHostPort(u.whole.Hostname(), port)}
}
