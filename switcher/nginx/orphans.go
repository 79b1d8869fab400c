package nginx

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// ErrOrphans: a master was killed and its workers were not, so that they share
// the connections with those of the nginx that was started since.
var ErrOrphans = errors.New("workers of an nginx that has ended still take connections")

// OrphansError is an ErrOrphans that names them.
type OrphansError struct{ PIDs []int }

func (e *OrphansError) Error() string { return fmt.Sprintf("%s: processes %v", ErrOrphans, e.PIDs) }

// Unwrap makes it an ErrOrphans.
func (e *OrphansError) Unwrap() error { return ErrOrphans }

// Orphans are the workers without a master that listen where the master does.
// An ordinary user may not look at another user's sockets: then there are none.
func (n *Nginx) Orphans(m *Master, census Processes) []int {
	orphans := n.orphans(census)
	if len(orphans) == 0 {
		return nil
	}
	var beside []int
	ours := listenersOf(m.PID)
	for _, p := range orphans {
		if sameNetwork(p.id.pid, m.PID) && shared(ours, listenersOf(p.id.pid)) {
			beside = append(beside, p.id.pid)
		}
	}
	return beside
}

func sameNetwork(one, other int) bool {
	return namespace(strconv.Itoa(one), "net") == namespace(strconv.Itoa(other), "net")
}

// orphans are workers of our nginx whose master has ended: they belong to init,
// or to whoever takes its place (prctl(2), PR_SET_CHILD_SUBREAPER).
func (n *Nginx) orphans(census Processes) []process {
	var orphans []process
	for _, p := range census {
		if !p.serving() {
			continue
		}
		parent, err := readProcess(p.parent)
		if err == nil && strings.HasPrefix(parent.title, masterTitle) || err != nil && !ended(p.parent, err) {
			continue
		}
		if _, err := n.isOurs(p); err == nil {
			orphans = append(orphans, p)
		}
	}
	return orphans
}

// listener is a socket that takes connections; one of a path has no port.
type listener struct {
	inode uint64
	ip    net.IP
	port  uint64
}

// shared says whether some connection could come to either: on the very same
// socket, or on one of the same port, and of the same address or of all.
func shared(some, others []listener) bool {
	for _, a := range some {
		for _, b := range others {
			everywhere := a.ip.IsUnspecified() || b.ip.IsUnspecified()
			if a.inode == b.inode || a.port != 0 && a.port == b.port && (everywhere || a.ip.Equal(b.ip)) {
				return true
			}
		}
	}
	return false
}

// listenersOf are the sockets on which a process takes connections; none where
// it may not be looked into.
func listenersOf(pid int) []listener {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return nil
	}
	targets, err := proc.FileDescriptorTargets()
	if err != nil {
		return nil
	}
	held := map[uint64]bool{}
	for _, target := range targets {
		var inode uint64
		if _, err := fmt.Sscanf(target, "socket:[%d]", &inode); err == nil {
			held[inode] = true
		}
	}
	var found []listener
	for _, l := range listeners(pid) {
		if held[l.inode] {
			found = append(found, l)
		}
	}
	return found
}

// What the kernel writes of a socket that listens: TCP_LISTEN of
// include/net/tcp_states.h, __SO_ACCEPTCON of include/uapi/linux/net.h.
const (
	tcpListen  = 10
	acceptConn = 1 << 16
)

// listeners are all of a process's network namespace (proc_pid_net(5)).
func listeners(pid int) []listener {
	fs, err := procfs.NewFS(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return nil
	}
	var found []listener
	tcp4, _ := fs.NetTCP()
	tcp6, _ := fs.NetTCP6() // none without IPv6
	for _, table := range []procfs.NetTCP{tcp4, tcp6} {
		for _, line := range table {
			if line.St == tcpListen {
				found = append(found, listener{line.Inode, line.LocalAddr, line.LocalPort})
			}
		}
	}
	if paths, err := fs.NetUNIX(); err == nil {
		for _, row := range paths.Rows {
			if row.Flags&acceptConn != 0 {
				found = append(found, listener{inode: row.Inode})
			}
		}
	}
	return found
}
