package health

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
)

// Backend is one server of a color.
type Backend struct {
	Name    string // as nginx writes it
	Network string // "tcp" or "unix"
	Address string // to dial: host:port, or the path of a socket
	// URL, an http or https one, is asked instead where it is set. Where it
	// has no path of its own, the path of the Check is added. A user name and
	// password in it are sent, and shown nowhere.
	URL string
}

// Validate tells whether the backend can be asked at all. Its error never repeats the URL.
func (b Backend) Validate() error {
	if b.URL != "" {
		_, err := b.parseURL()
		return err
	}
	if b.Network != "tcp" && b.Network != "unix" {
		return fmt.Errorf("network: %q is not allowed, want tcp or unix", b.Network)
	}
	if b.Address == "" {
		return fmt.Errorf("address: none given, want host:port or the path of a socket")
	}
	return nil
}

// parseURL keeps the parser's own error back: it quotes the URL, password and all.
func (b Backend) parseURL() (*url.URL, error) {
	u, err := url.Parse(b.URL)
	if err != nil || u.Hostname() == "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("url: not one that can be asked, want http://host:port/path or https://host:port/path")
	}
	return u, nil
}

// place is where one question goes: what the request line and the Host header
// say, and what is dialed.
type place struct {
	url              *url.URL
	host             string
	network, address string
}

// placeOf needs a valid Check and a valid Backend.
func placeOf(c Check, b Backend) (place, error) {
	path, err := url.ParseRequestURI(c.Path)
	if err != nil {
		return place{}, err
	}
	if b.URL != "" {
		return b.placeOfURL(c, path)
	}
	host := cmp.Or(b.Name, b.Address)
	if b.Network == "unix" {
		host = "localhost" // what nginx sends there: ngx_http_proxy_set_vars
	}
	path.Scheme, path.Host = c.Scheme, host
	return place{url: path, host: cmp.Or(c.Host, host), network: b.Network, address: b.Address}, nil
}

func (b Backend) placeOfURL(c Check, path *url.URL) (place, error) {
	u, err := b.parseURL()
	if err != nil {
		return place{}, err
	}
	if u.Path == "" && u.RawQuery == "" {
		u.Path, u.RawPath, u.RawQuery = path.Path, path.RawPath, path.RawQuery
	}
	return placeOfURL(u, c.Host), nil
}

func placeOfURL(u *url.URL, host string) place {
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return place{url: u, host: cmp.Or(host, u.Host), network: "tcp", address: net.JoinHostPort(u.Hostname(), port)}
}

// serverName is the host without its port: what TLS asks for and verifies.
func (p place) serverName() string {
	return (&url.URL{Host: p.host}).Hostname()
}

// String is the place as an operator would type it, a socket as nginx writes it, and nothing secret.
func (p place) String() string {
	if p.network == "unix" {
		return p.url.Scheme + "://unix:" + p.address + ":" + p.url.RequestURI()
	}
	shown := *p.url
	hideUser(&shown)
	return shown.String()
}

// hideUser hides the user name too: a token may stand there alone.
func hideUser(u *url.URL) {
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
}
