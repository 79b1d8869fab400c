package discovery

import (
	"context"
	"net"
	"slices"
	"strings"

	"bgswitch/health"
	"bgswitch/nginxconf"
)

// Way is how to ask through nginx: a URL of this host, and the name of the server.
type Way struct{ URL, Host string }

// Ways are those that a place's servers have, by what they listen on: plain ones
// before those with TLS. published says which ports of this host lead to one of
// nginx's, where that is in a container.
func (t waysOf) Ways() (all []Way) {
	for _, tls := range []bool{false, true} {
		for _, p := range t.Place.Servers {
			for _, way := range t.ways(p, tls) {
				if !slices.Contains(all, way) {
					all = append(all, way)
				}
			}
		}
	}
	return all
}

// waysOf is a place in its tree.
type waysOf struct {
	Tree      *nginxconf.Tree
	Place     *Place
	Published func(port string) []string
}

// WaysOf finds them.
func WaysOf(t *nginxconf.Tree, p *Place, published func(port string) []string) []Way {
	return waysOf{t, p, published}.Ways()
}

func (t waysOf) ways(p *nginxconf.Said, tls bool) (all []Way) {
	server := p.In("server")
	if server == nil {
		return nil
	}
	host := plainName(t.Tree.Names(p))
	listens := 0
	for _, s := range t.Tree.Servers[server] {
		if s.Words[0] != "listen" || len(s.Words) < 2 {
			continue
		}
		listens++
		if slices.Contains(s.Words, "ssl") == tls {
			all = append(all, t.at(s.Words[1], host, pathOf(p), tls)...)
		}
	}
	if listens == 0 && !tls { // *:80, or *:8000 for who is not root (ngx_http_core_server)
		all = t.at("80", host, pathOf(p), false)
	}
	return all
}

func (t waysOf) at(listen, host, path string, tls bool) (all []Way) {
	scheme, usual := "http", "80"
	if tls {
		scheme, usual = "https", "443"
	}
	address, port := listenedOn(listen)
	if address == "" {
		return nil
	}
	for _, port := range append([]string{port}, t.Published(port)...) {
		at := net.JoinHostPort(address, port)
		if port == usual {
			at = strings.TrimSuffix(at, ":"+port)
		}
		all = append(all, Way{scheme + "://" + at + path, host})
	}
	return all
}

// listenedOn is an address by which this host reaches what nginx listens on; empty
// for a socket.
func listenedOn(listen string) (address, port string) {
	if strings.HasPrefix(listen, "unix:") {
		return "", ""
	}
	address, port, err := net.SplitHostPort(listen)
	switch {
	case err == nil:
	case isPort(listen) || listen == "80":
		address, port = "*", listen
	default:
		address, port = strings.Trim(listen, "[]"), "80"
	}
	switch address {
	case "*", "", "0.0.0.0":
		return "127.0.0.1", port
	case "::":
		return "::1", port
	}
	return address, port
}

// plainName is the first server name that a visitor could type.
func plainName(names []string) string {
	for _, name := range names {
		if name != "_" && name != "localhost" && !strings.ContainsAny(name, "*~^$\"'") && health.ValidateHost(name) == nil {
			return name
		}
	}
	return ""
}

// pathOf is a path that the location of a statement serves.
func pathOf(p *nginxconf.Said) string {
	location := p.In("location")
	if location == nil {
		return "/"
	}
	switch words := location.Words[1:]; {
	case len(words) == 1 && strings.HasPrefix(words[0], "/"):
		return words[0]
	case len(words) == 2 && (words[0] == "=" || words[0] == "^~"):
		return words[1]
	}
	return "/"
}

// Seen is the first of the ways by which each answer carries the live color's mark,
// and none the idle one's.
func Seen(ctx context.Context, asker health.Asker, ways []Way, carries func(health.Page) nginxconf.Color, live nginxconf.Color) (Way, bool) {
	for _, way := range ways {
		url, err := health.ParseURL(way.URL)
		if err != nil {
			continue
		}
		good := 0
		for range asked {
			page, err := asker.Get(ctx, url, way.Host, askTimeout)
			if err != nil || carries(page) != live {
				break
			}
			good++
		}
		if good == asked {
			return way, true
		}
	}
	return Way{}, false
}
