package switcher

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"bgswitch/nginxconf"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/root"
	"bgswitch/switcher/sockets"
)

// backend is a server of a color as connections lead to it.
type backend struct {
	name      string           // as nginx writes it
	addresses []netip.AddrPort // a name may have several
	path      string           // of a unix socket
	inode     uint32           // of that, where it can be seen
}

// leads says whether a connection leads to the backend. Who bound a unix socket
// may see it by another path than nginx does, and in a network of his own nothing
// tells which it is: unseen says whether it counts then.
func (b backend) leads(end sockets.End, unseen bool) bool {
	if end.Unix == nil {
		return slices.Contains(b.addresses, end.Address)
	}
	if b.path == "" {
		return false
	}
	return end.Unix.OutOfSight && unseen || end.Unix.Path == b.path || b.inode != 0 && end.Unix.Inode == b.inode
}

// backends are where the servers of a color are found by a worker of nginx's.
// Where a value is an upstream's name, what nginx read has its servers; dump is
// nil where that is not known.
func (s *Switcher) backends(ctx context.Context, color Color, worker int, dump func() *nginx.Dump) ([]backend, error) {
	var found []backend
	for _, address := range s.servers(color, dump) {
		if address == (nginxconf.Address{}) {
			return nil, fmt.Errorf("it is not known where the servers of %s listen", color)
		}
		b, err := locate(ctx, address, worker)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(other backend) bool { return other.name == b.name }) {
			found = append(found, b)
		}
	}
	return found, nil
}

// servers are the addresses of a color; the zero address stands for one that is
// not known.
func (s *Switcher) servers(color Color, dump func() *nginx.Dump) (all []nginxconf.Address) {
	for _, file := range s.Site.Files {
		if file.Whole != nil { // what stands in it is not looked into
			all = append(all, nginxconf.Address{})
		}
		for _, place := range file.Layout {
			for _, value := range place.Colors[color] {
				all = append(all, serversOf(value, place.Selector, dump)...)
			}
		}
	}
	return all
}

func serversOf(value nginxconf.Value, selector nginxconf.Selector, dump func() *nginx.Dump) []nginxconf.Address {
	if address, is := value.(nginxconf.Address); is && selector.Dials(value) {
		return []nginxconf.Address{address}
	}
	if servers := dump().Servers(value.String()); len(servers) > 0 {
		return servers
	}
	return []nginxconf.Address{{}}
}

// locate finds the addresses of a server, as a process finds them.
func locate(ctx context.Context, address nginxconf.Address, pid int) (backend, error) {
	b := backend{name: address.String()}
	network, at := address.Dial()
	if network == "unix" {
		b.path = at
		if info, err := root.Of(pid).Stat(at); err == nil {
			b.inode = uint32(info.Sys().(*syscall.Stat_t).Ino)
		}
		return b, nil
	}
	if literal, err := netip.ParseAddrPort(at); err == nil {
		b.addresses = []netip.AddrPort{netip.AddrPortFrom(literal.Addr().Unmap(), literal.Port())}
		return b, nil
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return b, err
	}
	ips, err := lookUp(ctx, pid, host)
	if err != nil {
		return b, fmt.Errorf("cannot find %s: %w", host, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	for _, ip := range ips {
		b.addresses = append(b.addresses, netip.AddrPortFrom(ip.Unmap(), uint16(number)))
	}
	return b, err
}
