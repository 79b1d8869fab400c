// Package sockets reads which connections a process has, from the tables of the
// kernel: those of its network namespace, which need not be ours. It opens no
// connection, and whoever may look into a process may read them.
package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Inode names a socket among all of the kernel's, as long as it is open.
type Inode uint64

// Held are the sockets that a process has open. Only who may look into the
// process is told (proc_pid_fd(5)); the error says so.
func Held(pid int) ([]Inode, error) {
	path := fmt.Sprintf("/proc/%d/fd", pid)
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var held []Inode
	for _, name := range names {
		target, err := os.Readlink(path + "/" + name)
		if err != nil {
			continue // it was closed meanwhile
		}
		if number, is := strings.CutPrefix(target, "socket:["); is {
			inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s/%s leads to %q", path, name, target)
			}
			held = append(held, Inode(inode))
		}
	}
	return held, nil
}

// End is where a connection leads.
type End struct {
	Address netip.AddrPort // the zero value for a unix socket
	Unix    *File          // nil for any other
}

// File is what a unix socket is bound to. Its path is that of whoever bound it,
// and another process may see the same file elsewhere.
type File struct {
	Path       string // empty: it has none
	Inode      uint32 // of the file, the lower half
	OutOfSight bool   // it belongs to another network namespace: nothing is known of it
}

// Connections are where the sockets of some processes lead that are connected,
// or about to be. The processes share the network namespace of the first.
// Unix sockets are looked for only where that is asked.
func Connections(pids []int, andUnix bool) (map[int][]End, error) {
	found, holders := map[int][]End{}, map[Inode]int{}
	for _, pid := range pids {
		held, err := Held(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return nil, err
		}
		for _, inode := range held {
			holders[inode] = pid
		}
	}
	if len(holders) == 0 {
		return found, nil
	}
	add := func(inode Inode, end End) {
		if pid, ours := holders[inode]; ours {
			found[pid] = append(found[pid], end)
		}
	}
	if err := connectionsTCP(pids[0], add); err != nil || !andUnix {
		return found, err
	}
	return found, connectionsUnix(pids[0], add)
}
