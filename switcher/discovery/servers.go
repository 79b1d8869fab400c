package discovery

import (
	"fmt"
	"net"
	"strings"

	"bgswitch/nginxconf"
)

// byServers: the server lines of an upstream are what is switched.
func (f *finder) byServers(p *nginxconf.Said, u *upstream) {
	var live, backups, downs []*nginxconf.Said
	for _, s := range u.servers {
		switch {
		case s.File != u.servers[0].File:
			f.doubt(s, "write all servers into one file", "upstream %s has servers in several files", u.name)
			return
		case marked(s, "down"):
			downs = append(downs, s)
		case marked(s, "backup"):
			backups = append(backups, s)
		default:
			live = append(live, s)
		}
	}
	switch {
	case len(live) == 0:
	case len(downs) > 0:
		f.down(live, downs)
	case len(backups) > 0:
		f.backup(p, u, live, backups)
	case len(live) > 1 && f.bothColors(u, live):
	default:
		f.servers(p, u, live)
	}
}

func values(servers []*nginxconf.Said) (all []string) {
	for _, s := range servers {
		all = append(all, s.Words[1])
	}
	return all
}

// servers: one server line, or several of one copy.
func (f *finder) servers(p *nginxconf.Said, u *upstream, live []*nginxconf.Said) {
	selector := "server in upstream " + u.name
	comments := around(f.tree, u.Said)
	if live[0].File != u.File {
		selector, comments = "server", f.tree.Comments[live[0].File]
	}
	f.place(p, live[0], selector, func(one *Place) {
		one.Live, one.Upstream = values(live), u.name
		f.seek(one, comments, valueOf("server", 1))
	})
}

// backup: both copies stand there, and one is marked. Two hosts of which one stands
// by for the other are no two copies.
func (f *finder) backup(p *nginxconf.Said, u *upstream, live, backups []*nginxconf.Said) {
	if len(live) != len(backups) || live[0].File != u.File {
		return
	}
	one := &Place{Live: values(live)}
	said := one.byComment(around(f.tree, u.Said)) || one.byTwin(f.has)
	if said && one.Idle[0] != backups[0].Words[1] || !said && !neighbors(live[0].Words[1], backups[0].Words[1]) {
		return
	}
	f.place(p, live[0], "backup in upstream "+u.name, func(place *Place) {
		place.Live, place.Idle, place.Upstream = values(live), values(backups), u.name
		place.LiveIs, place.Sure, place.Why = one.LiveIs, said, fmt.Sprintf("marked backup in line %d", backups[0].Line)
	})
}

// neighbors says that two addresses are two ports of one host, or two sockets of
// one folder.
func neighbors(one, other string) bool {
	a, _, errA := net.SplitHostPort(one)
	b, _, errB := net.SplitHostPort(other)
	return errA == nil && errB == nil && a == b || strings.HasPrefix(one, "unix:") && strings.HasPrefix(other, "unix:")
}

func (f *finder) down(live, downs []*nginxconf.Said) {
	for _, s := range downs {
		if one, other := live[0].Words[1], s.Words[1]; twin(one) == other || neighbors(one, other) {
			f.doubt(s, "write `backup` in the place of `down`, and that flag is what moves; or remove the line, and the address does", "server %s is marked down", other)
		}
	}
}

// bothColors says that traffic goes to both: that is no place to switch.
func (f *finder) bothColors(u *upstream, live []*nginxconf.Said) bool {
	colors := map[nginxconf.Color]bool{}
	for _, s := range live {
		colors[colorOf(s.Words[1])] = true
	}
	if says := named(texts(around(f.tree, u.Said))); says != nil {
		for _, s := range live {
			for color, value := range says {
				colors[color] = colors[color] || completed(value, s.Words[1]) == s.Words[1]
			}
		}
	}
	both := colors[nginxconf.Blue] && colors[nginxconf.Green]
	if both {
		f.doubt(live[0], "keep one server line, or mark the idle one `backup`", "upstream %s sends traffic to both colors", u.name)
	}
	return both
}

func texts(comments []nginxconf.Comment) string {
	var all []string
	for _, c := range comments {
		all = append(all, c.Text)
	}
	return strings.Join(all, "\n")
}
