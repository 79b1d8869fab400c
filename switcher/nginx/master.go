package nginx

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Why there is no master that could be signalled.
var (
	// ErrNotRunning: nothing runs that could be this configuration's master.
	ErrNotRunning = errors.New("nginx is not running")
	// ErrNotProved: something runs, but it is not proved to be this
	// configuration's only master; it must not be signalled.
	ErrNotProved = errors.New("not proved to be the master of this configuration")
	// ErrPIDMoved: a master of this configuration runs, and the pid file that
	// the configuration names does not lead to it.
	ErrPIDMoved = errors.New("the pid file does not lead to the running nginx")
	// ErrNotPermitted: the master is proved, and not ours to signal.
	ErrNotPermitted = errors.New("not permitted to signal nginx")
)

// Master is the proved master process of one configuration. It is held by a
// pidfd until Close.
type Master struct {
	PID     int
	id      processID
	handle  handle
	globals string // the -g of its command line
	pidFile string
}

// Close lets go of the process.
func (m *Master) Close() { m.handle.close() }

// Master finds the master and makes sure that it is the only one: FindMaster
// and Only.
func (n *Nginx) Master() (*Master, error) {
	m, err := n.FindMaster()
	if err != nil {
		return nil, err
	}
	if err := n.Only(m); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// FindMaster finds the master by the pid file that the configuration names and
// proves it: its title, its -c and -p, its state, its pid namespace, and no
// binary upgrade under way. The error wraps ErrNotRunning, ErrNotProved or
// ErrPIDMoved; nothing is signalled.
func (n *Nginx) FindMaster() (*Master, error) {
	pidFile, err := n.PIDPath()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	if _, err := os.Stat(pidFile + ".oldbin"); err == nil {
		return nil, fmt.Errorf("%w: a binary upgrade is under way (%s.oldbin is there): two masters would each reload for themselves", ErrNotProved, pidFile)
	}
	m, err := n.byPIDFile(pidFile)
	if errors.Is(err, ErrNotRunning) {
		return nil, n.explain(pidFile, err)
	}
	return m, err
}

func (n *Nginx) byPIDFile(pidFile string) (*Master, error) {
	pid, err := readPIDFile(pidFile)
	if err != nil {
		return nil, err
	}
	return n.proveMaster(pid, pidFile)
}

func readPIDFile(path string) (int, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("%w: there is no pid file %s", ErrNotRunning, path)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	text = bytes.TrimSpace(text[:min(len(text), 64)])
	if len(text) == 0 {
		return 0, fmt.Errorf("%w: the pid file %s is empty (`nginx -t` creates it so where none is)", ErrNotRunning, path)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("%w: the pid file %s holds %q, which is no pid", ErrNotProved, path, text)
	}
	return pid, nil
}

// proveMaster holds the process first and looks at it then, so that what was
// looked at is what a signal will reach.
func (n *Nginx) proveMaster(pid int, pidFile string) (*Master, error) {
	p, err := readProcess(pid)
	if gone(err) {
		return nil, fmt.Errorf("%w: the pid file %s names process %d, which does not exist", ErrNotRunning, pidFile, pid)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	held, err := hold(p.id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	if err := n.look(p, pidFile); err != nil {
		held.close()
		return nil, err
	}
	line := n.parseTitle(p.title, viewOf(pid))
	return &Master{PID: pid, id: p.id, handle: held, globals: line.globals, pidFile: pidFile}, nil
}

// look is what one process has to show to be this configuration's master.
func (n *Nginx) look(p process, pidFile string) error {
	switch {
	case p.dead():
		return fmt.Errorf("%w: the pid file %s names process %d, which has ended and waits for its parent; orphaned workers may still serve", ErrNotRunning, pidFile, p.id.pid)
	case !strings.HasPrefix(p.title, masterTitle):
		return fmt.Errorf("%w: the pid file %s names process %d, which is %q", ErrNotProved, pidFile, p.id.pid, firstWords(p.title))
	case p.state == "T" || p.state == "t":
		return fmt.Errorf("%w: the master, process %d, is stopped and would not act on a signal: `kill -CONT %d` lets it go on", ErrNotProved, p.id.pid, p.id.pid)
	case !samePIDNamespace(p.id.pid):
		return fmt.Errorf("%w: process %d runs in another pid namespace (a container)", ErrNotProved, p.id.pid)
	}
	return n.sameConfiguration(p)
}

// sameConfiguration compares files, not paths: the process may have been
// started with another name of the same one.
func (n *Nginx) sameConfiguration(p process) error {
	ours, err := n.ConfPath()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	theirs, seen := n.confOf(p), viewOf(p.id.pid)
	same, err := sameFile(seen.at(theirs), ours)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: process %d runs with %s: %w", ErrNotProved, p.id.pid, theirs, err)
	case !same:
		return fmt.Errorf("%w: process %d runs with %s, not with %s", ErrNotProved, p.id.pid, theirs, ours)
	}
	return nil
}

// confOf is the main configuration file that a master's command line names,
// as the master would name it.
func (n *Nginx) confOf(p process) string {
	line := n.parseTitle(p.title, viewOf(p.id.pid))
	return n.below(line.prefix, line.conf)
}

// below is a main configuration file as a -p and a -c mean it; where they are
// empty, as the binary was built (ngx_process_options in src/core/nginx.c).
func (n *Nginx) below(prefix, conf string) string {
	if filepath.IsAbs(conf) {
		return conf
	}
	if conf == "" || prefix == "" {
		built, _ := n.paths()
		conf, prefix = cmp.Or(conf, built.conf), cmp.Or(prefix, built.prefix)
	}
	if filepath.IsAbs(conf) {
		return conf
	}
	return prefix + "/" + conf
}

// sameFile says whether two paths lead to one file, by device and inode.
func sameFile(one, other string) (bool, error) {
	a, err := os.Stat(one)
	if err != nil {
		return false, err
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b), err
}

// Only looks for a second master of the same configuration: a reload of one of
// two splits the traffic for good. The error wraps ErrNotProved.
func (n *Nginx) Only(m *Master) error {
	masters, err := n.masters(m.pidFile)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	for _, p := range masters {
		if p.id != m.id && p.parent != m.PID {
			return fmt.Errorf("%w: two masters run with this configuration, processes %d and %d", ErrNotProved, m.PID, p.id.pid)
		}
	}
	return nil
}

// explain looks around where the pid file leads to nothing: its path may have
// been changed since nginx started, or the master may have died and left its
// workers, which go on serving what they had.
func (n *Nginx) explain(pidFile string, cause error) error {
	masters, err := n.masters(pidFile)
	if err != nil {
		return cause
	}
	if len(masters) > 0 {
		why := strings.TrimPrefix(cause.Error(), ErrNotRunning.Error()+": ")
		return fmt.Errorf("%w: process %d runs with this configuration, but %s", ErrPIDMoved, masters[0].id.pid, why)
	}
	if orphans := orphanedWorkers(); len(orphans) > 0 {
		return fmt.Errorf("%w; workers without a master still serve what they had: processes %v", cause, orphans)
	}
	return cause
}

// masters lists the processes that show all that a master of this
// configuration has to show. A worker that has not set its title yet does, too.
func (n *Nginx) masters(pidFile string) ([]process, error) {
	all, err := titled(masterTitle)
	if err != nil {
		return nil, err
	}
	var found []process
	for _, p := range all {
		if n.look(p, pidFile) == nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// Permitted says whether this process may signal the master; nothing is sent.
// The error wraps ErrNotPermitted, or ErrNotRunning where it has ended.
func (m *Master) Permitted() error {
	err := m.handle.signal(unix.Signal(0))
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: process %d has ended", ErrNotRunning, m.PID)
	}
	if err != nil {
		return fmt.Errorf("%w: process %d: %w", ErrNotPermitted, m.PID, err)
	}
	return nil
}

// AnyMasters are the pids of every nginx master there is, whatever its
// configuration or pid namespace.
func AnyMasters() []int {
	all, err := titled(masterTitle)
	if err != nil {
		return nil
	}
	var pids []int
	for _, p := range all {
		pids = append(pids, p.id.pid)
	}
	return pids
}
