package switcher

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"bgswitch/switcher/root"
	"bgswitch/switcher/sockets"
)

const (
	lookUpLimit   = 2 * time.Second // how long a name is looked for
	resolverLimit = 1 << 20         // of a file that says where names are found, in bytes
)

// lookUp finds the addresses of a name as a process finds them: in its own hosts
// file, and from the name server in its own network.
func lookUp(ctx context.Context, pid int, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpLimit)
	defer cancel()
	from := root.Of(pid)
	if from.Ours() && !root.Differs(pid, "net") {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	hosts, _ := from.Read("/etc/hosts", resolverLimit)
	if found := inHosts(hosts, host); len(found) > 0 {
		return found, nil
	}
	servers, err := from.Read("/etc/resolv.conf", resolverLimit)
	if err != nil {
		return nil, err
	}
	there := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialFrom(ctx, pid, network, nameServer(servers))
	}}
	return there.LookupNetIP(ctx, "ip", host)
}

// inHosts reads hosts(5).
func inHosts(hosts []byte, host string) (found []netip.Addr) {
	for line := range strings.Lines(string(hosts)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		for i, name := range fields {
			if address, err := netip.ParseAddr(fields[0]); i > 0 && err == nil && strings.EqualFold(name, host) {
				found = append(found, address)
			}
		}
	}
	return found
}

// nameServer is the first one of resolv.conf(5).
func nameServer(conf []byte) string {
	for line := range strings.Lines(string(conf)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "nameserver" {
			return net.JoinHostPort(fields[1], "53")
		}
	}
	return "127.0.0.1:53"
}

// dialFrom connects from the network of a process.
func dialFrom(ctx context.Context, pid int, network, address string) (conn net.Conn, err error) {
	err = sockets.InNetworkOf(pid, func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
