package sockets

import (
	"slices"
	"strconv"
	"strings"
)

// Listener is a socket that takes connections, as the kernel writes it: the
// address in hex, the port behind a colon; one of a path has neither.
type Listener struct {
	inode         Inode
	address, port string
}

func (l Listener) everywhere() bool { return strings.Trim(l.address, "0") == "" }

// Shared says whether some connection could come to either: on the very same
// socket, or on one of the same port, and of the same address or of all.
func Shared(some, others []Listener) bool {
	for _, a := range some {
		for _, b := range others {
			samePort := a.port != "" && a.port == b.port
			if a.inode == b.inode || samePort && (a.everywhere() || b.everywhere() || a.address == b.address) {
				return true
			}
		}
	}
	return false
}

// Listeners are the sockets on which a process takes connections; none where it
// may not be looked into.
func Listeners(pid int) (found []Listener) {
	held, err := Held(pid)
	if err != nil {
		return nil
	}
	add := func(inode, address string) error {
		number, _ := strconv.ParseUint(inode, 10, 64)
		if slices.Contains(held, Inode(number)) {
			at, port, _ := strings.Cut(address, ":")
			found = append(found, Listener{Inode(number), at, port})
		}
		return nil
	}
	for _, table := range tables {
		_ = rows(pid, table, func(row []string) error {
			if len(row) < 10 || row[3] != stateListen {
				return nil
			}
			return add(row[9], row[1])
		})
	}
	_ = rows(pid, "unix", func(row []string) error {
		if len(row) < 7 || row[3] != acceptConn {
			return nil
		}
		return add(row[6], "")
	})
	return found
}
