package nginx

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"bgswitch/switcher/root"
)

// ErrOrphans: a master was killed and its workers were not, so that they share
// the connections with those of the nginx that was started since.
var ErrOrphans = errors.New("workers of an nginx that has ended still take connections")

// OrphansError is an ErrOrphans that names them.
type OrphansError struct{ PIDs []int }

func (e *OrphansError) Error() string { return fmt.Sprintf("%s: processes %v", ErrOrphans, e.PIDs) }

// Unwrap makes it an ErrOrphans.
func (e *OrphansError) Unwrap() error { return ErrOrphans }

// Orphans are the workers without a master that listen where the master does,
// and run as its workers may: nobody else's could share its sockets or, with
// reuseport, its port (inet_csk_get_port in the kernel's
// net/ipv4/inet_connection_sock.c). An ordinary user may not look at another user's sockets: then there are none.
func (n *Nginx) Orphans(m *Master, census Processes) []int {
	orphans := n.orphans(census, func(user int) bool {
		workers := m.workerUser()
		return user == m.user || workers != nil && user == int(workers.Uid)
	})
	if len(orphans) == 0 {
		return nil
	}
	var beside []int
	ours := listenersOf(m.PID)
	for _, p := range orphans {
		if sameNamespace(p.id.pid, m.PID, "net") && shared(ours, listenersOf(p.id.pid)) {
			beside = append(beside, p.id.pid)
		}
	}
	return beside
}

func sameNamespace(one, other int, kind string) bool {
	return root.Namespace(strconv.Itoa(one), kind) == root.Namespace(strconv.Itoa(other), kind)
}

// orphans are workers of our nginx whose master has ended: they belong to init,
// or to whoever takes its place (prctl(2), PR_SET_CHILD_SUBREAPER). Their user
// is a master's who counts, or that of its workers.
func (n *Nginx) orphans(census Processes, mayRun func(user int) bool) []process {
	var orphans []process
	for _, p := range census {
		if !p.serving() {
			continue
		}
		parent, err := readProcess(p.parent)
		if err == nil && strings.HasPrefix(parent.title, masterTitle) || err != nil && !ended(p.parent, err) {
			continue
		}
		if _, err := n.isOurs(p); err == nil && n.mayServe(p, mayRun) {
			orphans = append(orphans, p)
		}
	}
	return orphans
}

// listener is a socket that takes connections, as the kernel writes it: the
// address in hex, the port behind a colon; one of a path has neither.
type listener struct{ inode, address, port string }

func (l listener) everywhere() bool { return strings.Trim(l.address, "0") == "" }

// shared says whether some connection could come to either: on the very same
// socket, or on one of the same port, and of the same address or of all.
func shared(some, others []listener) bool {
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

// listenersOf are the sockets on which a process takes connections; none where
// it may not be looked into.
func listenersOf(pid int) []listener {
	folder := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	held := map[string]bool{}
	for _, entry := range entries {
		target, _ := os.Readlink(folder + entry.Name())
		if inode, is := strings.CutPrefix(target, "socket:["); is {
			held[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return slices.DeleteFunc(listeners(pid), func(l listener) bool { return !held[l.inode] })
}

// What the kernel writes of a socket that listens: TCP_LISTEN of
// include/net/tcp_states.h, __SO_ACCEPTCON of include/uapi/linux/net.h.
const (
	tcpListen  = "0A"
	acceptConn = "00010000"
)

// listeners are all of a process's network namespace (proc_pid_net(5)); there
// is no table of IPv6 without IPv6.
func listeners(pid int) []listener {
	var found []listener
	for _, table := range []string{"tcp", "tcp6"} {
		for _, row := range rows(pid, table) {
			if len(row) > 9 && row[3] == tcpListen {
				address, port, _ := strings.Cut(row[1], ":")
				found = append(found, listener{row[9], address, port})
			}
		}
	}
	for _, row := range rows(pid, "unix") {
		if len(row) > 6 && row[3] == acceptConn {
			found = append(found, listener{inode: row[6]})
		}
	}
	return found
}

func rows(pid int, table string) (list [][]string) {
	text, _ := readProc(fmt.Sprintf("/proc/%d/net/%s", pid, table))
	for line := range strings.Lines(string(text)) {
		list = append(list, strings.Fields(line))
	}
	return list
}
