package nginx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/root"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

// Running is an nginx that runs, with its master held.
type Running struct {
	*Nginx
	Master *Master
}

// Everywhere finds each nginx that runs and may be believed: on this host and, for
// root, elsewhere; where n says which is meant, only that. The errors are of those
// that could not be looked at.
func (n *Nginx) Everywhere(ctx context.Context, census Processes) (found []Running, errs []error) {
	if n.Named() {
		there, m, err := n.Contained(ctx, census, Sight{
			At:    func(int) string { return "one that is named" },
			Reads: func(context.Context, *Nginx, *Master) bool { return true },
		})
		return running(nil, there, m, err), nonNil(err)
	}
	m, err := n.FindMaster()
	found = running(nil, n, m, err)
	if said := n.Conf != "" || n.Prefix != "" || n.Binary != ""; said {
		return found, nonNil(err)
	}
	if err != nil && !errors.Is(err, ErrNotHere) {
		errs = append(errs, err)
	}
	for _, other := range othersHere(census, found) {
		m, err := other.FindMaster()
		found, errs = running(found, other, m, err), append(errs, nonNil(err)...)
	}
	elsewhere := n.elsewhere(census, nil)
	for _, p := range elsewhere[:min(len(elsewhere), mostAsked)] {
		there := n.in(Container{PID: p.id.pid, Name: n.containerOf(p.id.pid)})
		m, err := there.takeHold(ctx, p)
		found, errs = running(found, there, m, err), append(errs, nonNil(err)...)
	}
	if len(found)+len(errs) == 0 {
		errs = nonNil(census.Nowhere(err))
	}
	return found, errs
}

func running(before []Running, n *Nginx, m *Master, err error) []Running {
	if err != nil {
		return before
	}
	return append(before, Running{n, m})
}

func nonNil(err error) []error {
	if err == nil {
		return nil
	}
	return []error{err}
}

// builds are what nginx is called, by those who build it.
var builds = []string{"nginx", "openresty", "angie", "freenginx", "tengine"}

// othersHere are the masters of this host with another configuration than the one
// that is built in. What they run is run by us: so it has to be root's own.
func othersHere(census Processes, known []Running) (found []*Nginx) {
	for _, p := range census {
		is := func(r Running) bool { return r.Master.PID == p.id.pid }
		user, err := userOf(p.id.pid)
		if err != nil || user != 0 && user != os.Geteuid() || !p.starting() || p.forked && childOf(p, census) ||
			apart(p.id.pid) != nil || slices.ContainsFunc(known, is) || len(found) >= mostAsked {
			continue
		}
		if binary := safeBinary(p.id.pid); binary != "" {
			n := &Nginx{Binary: binary}
			line := n.parseTitle(p.title, root.Of(p.id.pid))
			n.Conf, n.Prefix = n.below(line.prefix, line.conf), line.prefix
			found = append(found, n)
		}
	}
	return found
}

// childOf says that a process is a worker that has not set its title yet.
func childOf(p process, census Processes) bool {
	return slices.ContainsFunc(census, func(q process) bool { return q.id.pid == p.parent && q.starting() })
}

// safeBinary is the executable of a process where nobody but root could have put it
// there, or could change it; empty where that is not so.
func safeBinary(pid int) string {
	path, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	path = strings.TrimSuffix(path, " (deleted)")
	var stat unix.Stat_t
	if err != nil || !slices.Contains(builds, filepath.Base(path)) || unix.Stat(path, &stat) != nil || trust.Of(path, &stat, trust.Write) != nil {
		return ""
	}
	folder, err := trust.OpenFolder(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer folder.Close()
	if folder.Safe() != nil {
		return ""
	}
	return path
}

// Sources are the files that nginx read, the main one first.
func (d *Dump) Sources() (all []nginxconf.Source) {
	for _, s := range d.sections {
		all = append(all, nginxconf.Source{Name: s.name, Text: d.text[s.start:s.end]})
	}
	return all
}

// Root is where the names of the files lead.
func (d *Dump) Root() root.Root { return d.root }

// OnHost is where this host has a file of the nginx's: see livefile.OnHost.
func (r Running) OnHost(path string) (string, error) {
	if files := root.Of(r.Master.PID); files.Ours() {
		return path, nil
	}
	return livefile.OnHost(r.Master.PID, path)
}

// Published are the ports of this host that are led to a port of the container's: by
// Docker's proxy, whose command line says so.
func (r Running) Published(port string) (ports []string) {
	if r.Within == nil {
		return nil
	}
	addresses, err := readProc("/proc/" + strconv.Itoa(r.Master.PID) + "/net/fib_trie")
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, _ := strconv.Atoi(entry.Name())
		exe, _ := os.Readlink("/proc/" + entry.Name() + "/exe")
		if user, err := userOf(pid); err != nil || user != 0 || filepath.Base(exe) != "docker-proxy" {
			continue
		}
		title, _ := readProc("/proc/" + entry.Name() + "/cmdline")
		words := strings.Split(string(title), "\x00")
		said := func(flag string) string {
			if i := slices.Index(words, flag); i >= 0 && i+1 < len(words) {
				return words[i+1]
			}
			return ""
		}
		if said("-container-port") == port && said("-proto") == "tcp" && strings.Contains(string(addresses), "-- "+said("-container-ip")+"\n") && !slices.Contains(ports, said("-host-port")) {
			ports = append(ports, said("-host-port"))
		}
	}
	return ports
}
