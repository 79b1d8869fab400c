package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher/nginx"
)

// Look is an nginx that runs, and what its configuration decides.
type Look struct {
	nginx.Running
	Found
	Tree *nginxconf.Tree
	Conf string // the main configuration file, as nginx opened it
}

// LookAt has nginx read its configuration, as its own test does, and looks for what
// decides in there. The error is that of the test.
func LookAt(ctx context.Context, r nginx.Running) (*Look, error) {
	tested, err := r.TestAsIs(ctx, r.Master)
	if err != nil {
		return nil, err
	}
	if tested.Dump == nil {
		return nil, errors.New("nginx's test did not print the configuration (`nginx -T`)")
	}
	tree := nginxconf.ReadTree(tested.Dump.Sources())
	return &Look{Running: r, Found: Find(tree, tested.Dump.Root()), Tree: tree, Conf: tested.Dump.Main()}, nil
}

// Asks asks from where this nginx asks.
func (l *Look) Asks(asker health.Asker) Asks {
	asker.Transcribe = true
	return func(ctx context.Context, check health.Check, backends []health.Backend) []health.Verdict {
		return l.Master.Ask(ctx, asker, check, backends)
	}
}

// Where says which nginx it is.
func (l *Look) Where() string {
	if l.Within != nil {
		return fmt.Sprintf("master %d in %s, %s", l.Master.PID, l.Within, l.Conf)
	}
	return fmt.Sprintf("master %d, %s", l.Master.PID, l.Conf)
}

// Has says whether the configuration passes to an address, by whatever spelling of
// this host.
func (l *Look) Has(address string) bool {
	host, port, _ := net.SplitHostPort(address)
	local := []string{"127.0.0.1", "localhost", "[::1]", "::1"}
	return slices.ContainsFunc(l.Tree.Said, func(s *nginxconf.Said) bool {
		if s.Block || len(s.Words) < 2 {
			return false
		}
		h, p, err := net.SplitHostPort(nginxconf.HostIn(s.Words[len(s.Words)-1]))
		if s.Words[0] == "server" {
			h, p, err = net.SplitHostPort(s.Words[1])
		}
		return err == nil && p == port && (h == host || slices.Contains(local, h) && slices.Contains(local, host))
	})
}

// Given makes places of what somebody says: the values of one color, or of both, in
// the places that hold one of them now, or any other one.
func (l *Look) Given(said map[nginxconf.Color][]string) (places []*Place) {
	for _, p := range slices.Concat(l.Places, l.Bare) {
		for color, values := range said {
			other := said[color.Other()]
			is := slices.Equal(p.Live, values)
			if !is && (len(other) > 0 || slices.Equal(p.Idle, p.Live) || len(values) != len(p.Live)) {
				continue
			}
			one := *p
			one.Sure, one.Why = true, "as you said"
			switch {
			case is && len(other) > 0:
				one.LiveIs, one.Idle = color, other
			case is && p.Known():
				one.LiveIs = color
			case !is:
				one.LiveIs, one.Idle = color.Other(), values
			default:
				continue
			}
			if doubt := one.misfit(l.Tree.Text(one.File)); doubt != nil {
				l.Doubts = append(l.Doubts, *doubt)
			} else {
				places = append(places, &one)
			}
			break
		}
	}
	return places
}
