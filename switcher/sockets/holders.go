package sockets

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
)

// Holders are the processes that have a socket open on which connections to an
// address arrive, in the network of a process; 0: ours. None where the address is
// not of this host, or belongs to what may not be looked into.
func Holders(of int, address netip.AddrPort) ([]int, error) {
	if of == 0 {
		of = os.Getpid()
	}
	here, err := isHere(of, address.Addr())
	if err != nil || !here {
		return nil, err
	}
	var inodes []Inode
	for _, table := range tables {
		err = rows(of, table, func(row []string) error {
			if len(row) < 10 || row[3] != stateListen {
				return nil
			}
			at, err := parseAddress(row[1])
			if err == nil && at.Port() == address.Port() && (at.Addr().IsUnspecified() || at.Addr() == address.Addr()) {
				inode, _ := strconv.ParseUint(row[9], 10, 64)
				inodes = append(inodes, Inode(inode))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return holding(inodes)
}

// isHere says whether an address is one of the network's own: any other may have a
// listener of the same port there.
func isHere(of int, address netip.Addr) (here bool, err error) {
	if address.IsLoopback() {
		return true, nil
	}
	err = InNetworkOf(of, func() error {
		own, err := net.InterfaceAddrs()
		here = slices.ContainsFunc(own, func(a net.Addr) bool {
			prefix, err := netip.ParsePrefix(a.String())
			return err == nil && prefix.Addr().Unmap() == address
		})
		return err
	})
	return here, err
}

func holding(inodes []Inode) (pids []int, err error) {
	if len(inodes) == 0 {
		return nil, nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		held, err := Held(pid)
		if err == nil && slices.ContainsFunc(held, func(inode Inode) bool { return slices.Contains(inodes, inode) }) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
