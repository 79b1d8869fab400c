package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/caller"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/inside"
	"bgswitch/switcher/root"
)

// ErrSeveral says that more than one nginx elsewhere on this host is shown the
// live files: nobody can tell which is meant.
var ErrSeveral = errors.New("several nginx see the live file")

// Container is where an nginx is that does not run among our own files: in a
// container, or below another root folder.
type Container struct {
	PID  int    // of its master, as it is called here
	Name string // as the settings name it, or the beginning of its id, or its control group; empty where none is known
	At   string // the first of the live files there
}

func (c Container) String() string {
	if c.Name == "" {
		return "a container of unknown name"
	}
	return "container " + c.Name
}

func (c Container) paused() error {
	err := fmt.Errorf("%w: %s is paused, so nothing in it would act on a signal", ErrNotProved, c)
	if c.Name == "" {
		return err
	}
	return fmt.Errorf("%w; `docker unpause %s` resumes it", err, c.Name)
}

// SeveralError is an ErrSeveral that names them.
type SeveralError struct{ Found []Container }

func (e *SeveralError) Error() string {
	var list []string
	for _, one := range e.Found[:min(len(e.Found), mostAsked)] {
		list = append(list, fmt.Sprintf("process %d in %s, as %s", one.PID, one, foreign.Line(one.At)))
	}
	if more := len(e.Found) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return ErrSeveral.Error() + ": " + strings.Join(list, "; ")
}

// Unwrap makes it an ErrSeveral.
func (e *SeveralError) Unwrap() error { return ErrSeveral }

// Sight tells which nginx sees the live files.
type Sight struct {
	At    func(pid int) string                        // where a process sees the first of them; empty: not all of them
	Reads func(context.Context, *Nginx, *Master) bool // whether one of several that see them reads them
	Here  func() bool                                 // whether this host's nginx reads them: then no other is asked
}

// Contained finds the nginx elsewhere on this host that sees the live files: the
// only one, or the one that the settings name. Only root is told enough for
// that. The error wraps ErrNotHere where there is none, or ErrSeveral.
func (n *Nginx) Contained(ctx context.Context, census Processes, sight Sight) (*Nginx, *Master, error) {
	named, err := n.named(ctx)
	if err != nil {
		return nil, nil, err
	}
	if named != nil && os.Geteuid() != 0 {
		return nil, nil, fmt.Errorf("%w: only root may look into %s: %w", ErrNotProved, named, fs.ErrPermission)
	}
	masters := n.elsewhere(census, named)
	var found []Container
	var at []process
	for _, p := range masters {
		if path := sight.At(p.id.pid); path != "" {
			found = append(found, Container{PID: p.id.pid, Name: n.containerOf(p.id.pid), At: path})
			at = append(at, p)
		}
	}
	switch {
	case len(found) > 0 && named == nil && sight.Here():
		return nil, nil, ErrNotHere
	case len(found) == 1:
		there := n.in(found[0])
		m, err := there.takeHold(ctx, at[0])
		if err != nil && named == nil && !at[0].lives() {
			err = ErrNotHere
		}
		return there, m, err
	case len(found) > 1:
		return n.reader(ctx, found, at, sight)
	case named == nil:
		return nil, nil, ErrNotHere
	case len(masters) > 0:
		return nil, nil, fmt.Errorf("%w: nginx in %s, process %d, does not see the live file", ErrNotProved, named, masters[0].id.pid)
	}
	return nil, nil, n.none(named)
}

// mostAsked is how many nginx that see the files are asked which reads them, and
// how many are named: whoever may start a container could start a thousand.
const mostAsked = 8

// reader is the only one of several that reads the files, and not only sees them:
// a container may be shown a folder of the host's for something else. They have
// commandLimit, all together.
func (n *Nginx) reader(ctx context.Context, found []Container, at []process, sight Sight) (only *Nginx, its *Master, err error) {
	err = fmt.Errorf("%w: %w", ErrNotProved, &SeveralError{found})
	if len(found) > mostAsked {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	for i, p := range at {
		there := n.in(found[i])
		m, cannot := there.takeHold(ctx, p)
		reads := cannot != nil || sight.Reads(ctx, there, m)
		switch {
		case !reads || !p.lives():
			if m != nil {
				m.Close()
			}
		case cannot != nil || only != nil: // it may read them, too
			for _, held := range []*Master{m, its} {
				if held != nil {
					held.Close()
				}
			}
			return nil, nil, err
		default:
			only, its = there, m
		}
	}
	if only == nil {
		return nil, nil, err
	}
	return only, its, nil
}

// elsewhere are the masters in other namespaces, or below another root folder,
// that may be believed: to look like one takes a right of root's, or a program
// that lends it. A setuid bwrap or firejail gives any user a first process in a pid
// namespace of its own and in our user namespace, and nothing that it shows tells
// it from a container's: README says so.
func (n *Nginx) elsewhere(census Processes, named *named) []process {
	if os.Geteuid() != 0 {
		return nil
	}
	isMaster := func(p process) bool { return strings.HasPrefix(p.title, masterTitle) && !p.dead() }
	masters := map[int]bool{}
	for _, p := range census {
		masters[p.id.pid] = isMaster(p)
	}
	return slices.DeleteFunc(slices.Clone(census), func(p process) bool {
		starting := p.forked && masters[p.parent] // a worker that has not set its title yet
		if !isMaster(p) || starting || !errors.Is(apart(p.id.pid), ErrNotHere) {
			return true
		}
		if named != nil {
			return !named.is(p, masters) || !named.speaks(p) || !n.counts(p)
		}
		return !n.counts(p) || seesAll(p) && n.sameConfiguration(p) != nil
	})
}

// counts says whether a master elsewhere may be meant.
func (n *Nginx) counts(p process) bool { return (n.Named() || believed(p)) && runsNginx(p) }

// Nowhere is why there is none, with what is known of containers, where there is
// no nginx to be run on this host either: then there may be one in a container.
func (list Processes) Nowhere(cause error) error {
	here := slices.ContainsFunc(list, func(p process) bool { return strings.HasPrefix(p.title, masterTitle) && apart(p.id.pid) == nil })
	switch {
	case !errors.Is(cause, ErrNoBinary) || here:
		return cause
	case os.Geteuid() != 0:
		return fmt.Errorf("%w; only root can tell whether one in a container sees the live file", cause)
	}
	none := fmt.Errorf("%w: there is none on this host, and none in a container sees the live file", ErrNotRunning)
	return marked{marked{none, ErrNotHere}, ErrNoBinary}
}

// seesAll says that a process has our own root folder, in other namespaces than
// ours: then it sees every file of ours, and only its configuration tells whose
// nginx it is.
func seesAll(p process) bool {
	same, err := sameFile(fmt.Sprintf("/proc/%d/root", p.id.pid), "/")
	return err == nil && same
}

// believed says whose master counts that nobody has named: in our user namespace,
// for in one of his own anybody is root and mounts what he likes
// (user_namespaces(7)); and root's there, or that of the container's first
// process, which its runtime has started. Whoever else runs something in a
// container does not speak for it.
func believed(p process) bool {
	if root.Namespace(strconv.Itoa(p.id.pid), "user") != root.Namespace("thread-self", "user") {
		return false
	}
	user, err := userOf(p.id.pid)
	if err != nil {
		return false
	}
	return user == 0 || isFirst(p.id.pid) || isFirst(p.parent) && sameUser(p.parent, user)
}

// isFirst says that a process is the first one of a pid namespace that is not
// ours.
func isFirst(pid int) bool { return innerPID(pid) == 1 && !samePIDNamespace(pid) }

func sameUser(pid, user int) bool {
	id, err := userOf(pid)
	return err == nil && id == user
}

// innerPID is what a process is called in its own pid namespace; 0 where that is
// unknown.
func innerPID(pid int) int {
	pids, err := statusLine(strconv.Itoa(pid), "NSpid:")
	if err != nil || len(pids) == 0 {
		return 0
	}
	inner, _ := strconv.Atoi(pids[len(pids)-1])
	return inner
}

// runsNginx compares a process's executable with what its title says it is, for
// anybody may choose a title: they have the same name, or are the same file
// below its own root.
func runsNginx(p process) bool {
	exe := fmt.Sprintf("/proc/%d/exe", p.id.pid)
	link, err := os.Readlink(exe)
	name := untilFlag(strings.Fields(strings.TrimPrefix(p.title, masterTitle)))
	if err != nil || name == "" {
		return false
	}
	if filepath.Base(strings.TrimSuffix(link, " (deleted)")) == filepath.Base(name) {
		return true
	}
	paths := []string{name}
	if !strings.Contains(name, "/") {
		paths = nil
		for _, folder := range append(filepath.SplitList(caller.Path), sbinFolders...) {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	from := root.Of(p.id.pid)
	return slices.ContainsFunc(paths, func(path string) bool {
		there, err := from.Stat(path)
		return err == nil && runs(p.id.pid, there)
	})
}

func runs(pid int, binary os.FileInfo) bool {
	exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && os.SameFile(exe, binary)
}

// in is the nginx of a master elsewhere: its configuration and its paths are
// those of its command line and of its own binary, below its own root.
func (n *Nginx) in(where Container) *Nginx {
	return &Nginx{
		Test: n.Test, Reload: n.Reload, MasterPID: n.MasterPID, ContainerName: n.ContainerName,
		Within: &where, files: root.Inside(where.PID),
	}
}

// isThere says whether a process is of the nginx elsewhere: among the same mounts,
// with the same executable.
func (n *Nginx) isThere(p process) error {
	its, err := os.Stat(fmt.Sprintf("/proc/%d/exe", n.Within.PID))
	if err != nil {
		return err
	}
	if !sameNamespace(p.id.pid, n.Within.PID, "mnt") || !runs(p.id.pid, its) {
		return marked{fmt.Errorf("process %d does not belong to the nginx of process %d", p.id.pid, n.Within.PID), ErrNotHere}
	}
	return nil
}

// takeHold holds the master elsewhere that was found. It may have become another
// one meanwhile, so what is held has to show once more that it counts.
func (n *Nginx) takeHold(ctx context.Context, p process) (m *Master, err error) {
	if n.inside, err = inside.Open(p.id.pid); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	held, err := hold(p.id)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNotRunning, err), n.inside.Close())
	}
	if !n.counts(p) {
		held.close()
		return nil, errors.Join(fmt.Errorf("%w: process %d has been replaced by another process", ErrNotProved, p.id.pid), n.inside.Close())
	}
	if m, err = n.masterThere(ctx, p, held); err != nil {
		held.close()
		return nil, errors.Join(err, n.inside.Close())
	}
	m.inside = n.inside
	return m, nil
}

func (n *Nginx) masterThere(ctx context.Context, p process, held handle) (*Master, error) {
	if p.stopped() {
		return nil, stoppedMaster(p)
	}
	if n.inside.Paused() {
		return nil, n.Within.paused()
	}
	if _, err := n.ask(ctx); err != nil { // as long as ctx lasts, and never again
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	line := n.parseTitle(p.title, n.files)
	n.Conf, n.Prefix = line.conf, line.prefix
	pidFile, err := n.PIDPath()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProved, err)
	}
	if args, err := nginxconf.Directive([]byte(line.globals), "pid"); err == nil && len(args) > 0 {
		pidFile = n.below(line.prefix, args[0])
	}
	if _, err := n.files.Stat(pidFile + ".oldbin"); err == nil {
		return nil, upgrading(pidFile)
	}
	return n.newMaster(p, held, line, pidFile)
}
