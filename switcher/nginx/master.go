package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/inside"
	"bgswitch/switcher/ordinary"
	"bgswitch/switcher/root"

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
	// ErrNotHere: no nginx of this configuration is to be found on this host, so
	// that one in a container, say, may be meant. It stands beside one of those
	// above, and never where something runs that could be a master.
	ErrNotHere = errors.New("no nginx of this configuration runs on this host")
	// ErrNotPermitted: the master is proved, and not ours to signal.
	ErrNotPermitted = errors.New("not permitted to signal nginx")
)

// marked is an error that is another one, too, and does not say so.
type marked struct {
	error
	as error
}

func (m marked) Unwrap() []error { return []error{m.error, m.as} }

// MovedError is an ErrPIDMoved that names the master.
type MovedError struct {
	PID  int
	File string // that should hold it
	why  string
}

func (e *MovedError) Error() string {
	return fmt.Sprintf("%v: process %d runs with this configuration, but %s", ErrPIDMoved, e.PID, e.why)
}

// Unwrap makes it an ErrPIDMoved.
func (e *MovedError) Unwrap() error { return ErrPIDMoved }

// Master is the proved master process of one configuration. It is held by a
// pidfd until Close.
type Master struct {
	PID     int
	id      processID
	handle  handle
	user    int
	globals string // the -g of its command line
	pidFile string
	files   root.Root       // where its paths begin
	inside  *inside.Process // where it is elsewhere
	forked  bool            // it went to the background when it had read its files
	left    []processID     // old workers of one that has ended before it
}

// Close lets go of the process.
func (m *Master) Close() {
	m.handle.close()
	if m.inside != nil {
		_ = m.inside.Close()
	}
}

// Start is when the master began, in clock ticks (10 ms) since boot: with its
// pid it names the process, and no setting of the clock changes it.
func (m *Master) Start() uint64 { return m.id.start }

// FindMaster finds the master by the pid file that the configuration names and
// proves it: its title, its executable, its user, its root folder, its
// configuration, its namespaces, its state, and no binary upgrade under way.
// The error wraps ErrNotRunning, ErrNotProved or ErrPIDMoved, and ErrNotHere
// where that is so; nothing is signalled.
func (n *Nginx) FindMaster() (*Master, error) {
	if _, err := findBinary(n.Binary); err != nil {
		return nil, marked{fmt.Errorf("%w: %w", ErrNotProved, err), ErrNotHere}
	}
	pidFile, err := n.PIDPath()
	if err != nil {
		return nil, n.unreadable(err)
	}
	trusted := mayRun(pidFile)
	m, err := n.byPIDFile(pidFile, trusted)
	if err != nil {
		return n.lookAround(trusted, err)
	}
	return m, nil
}

// unreadable is for a pid file that cannot be told, because the configuration
// that names it cannot be read, or is not understood.
func (n *Nginx) unreadable(cause error) error {
	var path *fs.PathError
	conf, err := n.ConfPath()
	cause = fmt.Errorf("%w: %w", ErrNotProved, cause)
	if err != nil || !errors.As(cause, &path) || path.Path != conf {
		return cause
	}
	_, cause = n.lookAround(mayRun(conf), marked{cause, ErrNotHere})
	return cause
}

func (n *Nginx) byPIDFile(pidFile string, mayRun func(user int) bool) (*Master, error) {
	if _, err := os.Stat(pidFile + ".oldbin"); err == nil {
		return nil, upgrading(pidFile)
	}
	pid, err := readPIDFile(pidFile)
	if err != nil {
		return nil, err
	}
	return n.proveMaster(pid, pidFile, mayRun)
}

func readPIDFile(path string) (int, error) {
	text, err := ordinary.Read(path, confLimit)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("%w: there is no pid file %s", ErrNotRunning, path)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	text = bytes.TrimSpace(text[:min(len(text), 64)])
	if len(text) == 0 {
		return 0, fmt.Errorf("%w: the pid file %s is empty (`nginx -t` creates it empty where there is none)", ErrNotRunning, path)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("%w: the pid file %s contains %q, which is not a pid", ErrNotProved, path, text)
	}
	return pid, nil
}

// proveMaster holds the process first and looks at it then, so that what was
// looked at is what a signal will reach.
func (n *Nginx) proveMaster(pid int, pidFile string, mayRun func(user int) bool) (*Master, error) {
	p, err := readProcess(pid)
	switch {
	case ended(pid, err):
		return nil, fmt.Errorf("%w: the pid file %s names process %d, which does not exist", ErrNotRunning, pidFile, pid)
	case gone(err):
		return nil, fmt.Errorf("%w: the pid file %s names process %d, which cannot be seen (/proc is mounted with hidepid): %w", ErrNotProved, pidFile, pid, unix.EPERM)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	held, err := hold(p.id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	m, err := n.newMaster(p, held, n.parseTitle(p.title, root.Of(pid)), pidFile)
	if err == nil {
		err = n.look(p, pidFile, mayRun)
	}
	if err != nil {
		held.close()
		return nil, err
	}
	return m, nil
}

func (n *Nginx) newMaster(p process, held handle, line commandLine, pidFile string) (*Master, error) {
	user, err := userOf(p.id.pid)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	return &Master{PID: p.id.pid, id: p.id, user: user, handle: held, globals: line.globals, pidFile: pidFile, files: n.files, forked: p.forked}, nil
}

// look is what the process that the pid file names has to show.
func (n *Nginx) look(p process, pidFile string, mayRun func(user int) bool) error {
	switch {
	case p.dead():
		return fmt.Errorf("%w: the pid file %s names process %d, which has ended and is waiting for its parent; orphaned workers may still be serving", ErrNotRunning, pidFile, p.id.pid)
	case !strings.HasPrefix(p.title, masterTitle):
		return marked{fmt.Errorf("%w: the pid file %s names process %d, which is %q", ErrNotProved, pidFile, p.id.pid, firstWords(p.title)), ErrNotHere}
	}
	if err := n.isMaster(p, mayRun); err != nil {
		return fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	if p.stopped() {
		return stoppedMaster(p)
	}
	return nil
}

func stoppedMaster(p process) error {
	return fmt.Errorf("%w: the master, process %d, is stopped and would not act on a signal; `kill -CONT %d` resumes it", ErrNotProved, p.id.pid, p.id.pid)
}

func upgrading(pidFile string) error {
	return fmt.Errorf("%w: a binary upgrade is under way (%s.oldbin exists), so two masters would reload independently", ErrNotProved, pidFile)
}

// Only looks for a second master of the same configuration, run by the same
// user, and for workers that one has left: a reload would split the traffic for
// good. A master that is stopped counts, for its workers go on. The census may
// be older than the master. The error wraps ErrNotProved or is an OrphansError.
// Old workers that one has left disturb nobody, and are known from here on.
func (n *Nginx) Only(m *Master, census Processes) error {
	others := slices.DeleteFunc(slices.Clone(census), func(p process) bool {
		return p.id == m.id || p.parent == m.PID || n.mayBeOfAnotherBuild(p)
	})
	if masters := n.masters(others, func(user int) bool { return user == m.user }); len(masters) > 0 {
		return fmt.Errorf("%w: two masters run with this configuration, processes %d and %d", ErrNotProved, m.PID, masters[0].id.pid)
	}
	if orphans := n.Orphans(m, others); len(orphans) > 0 {
		return &OrphansError{orphans}
	}
	for _, p := range n.orphans(others, m.runs, process.draining) {
		m.left = append(m.left, p.id)
	}
	return nil
}

// lookAround is for a pid file that leads to no master of this configuration:
// nginx may have been started with another one, or its path may have been
// changed since, or the master may have died and left its workers, which go on
// serving what they had.
func (n *Nginx) lookAround(mayRun func(user int) bool, cause error) (*Master, error) {
	census, err := Census()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	masters := n.masters(census, mayRun)
	for _, p := range masters {
		if own := n.ownPIDFile(p); own != "" {
			return n.byPIDFile(own, mayRun)
		}
	}
	orphans := n.orphans(census, mayRun, process.serving)
	notRunning := errors.Is(cause, ErrNotRunning)
	switch {
	case notRunning && len(masters) > 0:
		file, _ := n.PIDPath()
		return nil, &MovedError{masters[0].id.pid, file, strings.TrimPrefix(cause.Error(), ErrNotRunning.Error()+": ")}
	case notRunning && len(orphans) > 0:
		return nil, fmt.Errorf("%w; %w", cause, &OrphansError{pidsOf(orphans)})
	case notRunning:
		return nil, marked{cause, ErrNotHere}
	case len(masters)+len(orphans) > 0 && errors.Is(cause, ErrNotHere):
		return nil, marked{errors.New(cause.Error()), ErrNotProved} // it is here, and elsewhere
	}
	return nil, cause
}

// ownPIDFile is the pid file that a master was given on its command line, as
// in `nginx -g 'pid /run/x.pid;'`, and that holds its pid; empty without one.
func (n *Nginx) ownPIDFile(p process) string {
	from := root.Of(p.id.pid)
	line := n.parseTitle(p.title, from)
	args, err := nginxconf.Directive([]byte(line.globals), "pid")
	if err != nil || len(args) == 0 {
		return ""
	}
	path := from.Path(n.below(line.prefix, args[0]))
	if pid, err := readPIDFile(path); err != nil || pid != p.id.pid {
		return ""
	}
	return path
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
