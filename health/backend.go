package health

import (
	"cmp"
	"fmt"
	"net/url"
)

// Backend is one server of a color.
type Backend struct {
	Name    string // as nginx writes it
	Network string // "tcp" or "unix"
	Address string // to dial: host:port, or the path of a socket
	// URL is asked instead where it is set. Where it has no path of its own
	// but /, and no query, the path of the Check is added.
	URL URL
}

// Validate tells whether the backend can be asked at all.
func (b Backend) Validate() error {
	if !b.URL.IsZero() {
		return nil
	}
	if b.Network != "tcp" && b.Network != "unix" {
		return fmt.Errorf("network: %q is not allowed; use tcp or unix", b.Network)
	}
	if b.Address == "" {
		return fmt.Errorf("address: none given; use host:port or the path of a socket")
	}
	return nil
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
	if !b.URL.IsZero() {
		return b.URL.orPath(path).place(c.Host), nil
	}
	host := cmp.Or(b.Name, b.Address)
	if b.Network == "unix" {
		host = "localhost" // what nginx sends there: ngx_http_proxy_set_vars
	}
	path.Scheme, path.Host = c.Scheme, host
	return place{url: path, host: cmp.Or(c.Host, host), network: b.Network, address: b.Address}, nil
}

// orPath is the URL, with a path where it has none of its own.
func (u URL) orPath(path *url.URL) URL {
	if u.whole.Path != "" && u.whole.Path != "/" || u.whole.RawQuery != "" {
		return u
	}
	full := *u.whole
	full.Path, full.RawPath, full.RawQuery = path.Path, path.RawPath, path.RawQuery
	return URL{&full}
}

// serverName is the host without its port: what TLS asks for and verifies.
func (p place) serverName() string {
	return (&url.URL{Host: p.host}).Hostname()
}

// String is the place as an operator would type it, a socket as nginx writes it, and nothing secret.
func (p place) String() string {
	u := shown(*p.url)
	if p.network == "unix" {
		return u.Scheme + "://unix:" + p.address + ":" + u.RequestURI()
	}
	return u.String()
}
