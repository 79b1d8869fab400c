package nginx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bgswitch/switcher/root"
	"bgswitch/switcher/sockets"
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
	orphans := n.orphans(census, m.runs, process.serving)
	if len(orphans) == 0 {
		return nil
	}
	var beside []int
	ours := sockets.Listeners(m.PID)
	for _, p := range orphans {
		if sameNamespace(p.id.pid, m.PID, "net") && sockets.Shared(ours, sockets.Listeners(p.id.pid)) {
			beside = append(beside, p.id.pid)
		}
	}
	return beside
}

func sameNamespace(one, other int, kind string) bool {
	return root.Namespace(strconv.Itoa(one), kind) == root.Namespace(strconv.Itoa(other), kind)
}

// runs says whether the master or its workers run as a user.
func (m *Master) runs(user int) bool {
	workers := m.workerUser()
	return user == m.user || workers != nil && user == int(workers.Uid)
}

// orphans are workers of our nginx whose master has ended: they belong to init,
// or to whoever takes its place (prctl(2), PR_SET_CHILD_SUBREAPER). Their user
// is a master's who counts, or that of its workers.
func (n *Nginx) orphans(census Processes, mayRun func(user int) bool, is func(process) bool) []process {
	var orphans []process
	for _, p := range census {
		if !is(p) {
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
