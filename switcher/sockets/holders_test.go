package sockets

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
)

// Who listens on an address is found; of an address that is elsewhere, nobody is.
func TestHolders(t *testing.T) {
	t.Parallel()
	everywhere := listen(t, "tcp", ":0").Addr().(*net.TCPAddr).AddrPort()
	here := listen(t, "tcp4", "127.0.0.1:0").Addr().(*net.TCPAddr).AddrPort()
	for address, want := range map[netip.AddrPort]bool{
		here: true,
		netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), everywhere.Port()): true,
		netip.AddrPortFrom(netip.MustParseAddr("127.0.0.7"), here.Port()):       false,
		netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), everywhere.Port()): false,
	} {
		pids, err := Holders(0, address)
		if err != nil || slices.Contains(pids, os.Getpid()) != want {
			t.Errorf("%s: held by %v, %v, want by us: %v", address, pids, err, want)
		}
	}
}
