package nginx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bgswitch/switcher/caller"
	"bgswitch/switcher/command"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/root"
)

// named is the process that the settings name: an nginx master, or the first
// process of its container.
type named struct {
	pid  int
	text string // as the settings say it
}

func (n *named) String() string { return n.text }

// is says that a master is the one, or, where that is none, runs among its mounts.
func (n *named) is(p process, masters map[int]bool) bool {
	if masters[n.pid] {
		return p.id.pid == n.pid
	}
	return sameNamespace(p.id.pid, n.pid, "mnt") && root.Differs(p.id.pid, "mnt")
}

// speaks says that a master counts for the container that is named: it is the
// process that is named, or runs as that one's user does, or as root, ours or its
// own. Whoever else runs something in there does not speak for it.
func (n *named) speaks(p process) bool {
	user, err := userOf(p.id.pid)
	return err == nil && (p.id.pid == n.pid || user == 0 || user == rootOf(n.pid) || sameUser(n.pid, user))
}

// rootOf is whom the root of a process's user namespace is to us (user_namespaces(7),
// uid_map); -1 where that is unknown.
func rootOf(pid int) int {
	text, err := readProc(fmt.Sprintf("/proc/%d/uid_map", pid))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		var from, to, count int
		if _, err := fmt.Sscan(line, &from, &to, &count); err == nil && from == 0 {
			return to
		}
	}
	return -1
}

// Named says that the settings name a container, or a process: what runs
// elsewhere is not meant.
func (n *Nginx) Named() bool { return n.MasterPID != 0 || n.ContainerName != "" }

func (n *Nginx) named(ctx context.Context) (*named, error) {
	switch {
	case n.MasterPID != 0:
		return &named{n.MasterPID, fmt.Sprintf("process %d", n.MasterPID)}, nil
	case n.ContainerName == "":
		return nil, nil
	}
	pid, err := askRuntimes(ctx, n.ContainerName)
	switch {
	case err != nil:
		return nil, marked{fmt.Errorf("%w: container %s: %w", ErrNotProved, n.ContainerName, err), ErrNotAsked}
	case pid == 0:
		return nil, fmt.Errorf("%w: container %s has stopped", ErrNotRunning, n.ContainerName)
	}
	return &named{pid, "container " + n.ContainerName}, nil
}

// Why the settings lead to no nginx in a container. They stand beside others.
var (
	// ErrMisnamed: `pid` names no process, or none that has to do with nginx.
	ErrMisnamed = errors.New("the settings name the wrong process")
	// ErrNamedHere: `pid` names an nginx of this host.
	ErrNamedHere = errors.New("the settings name an nginx of this host")
	// ErrNotAsked: no runtime could say where the container is.
	ErrNotAsked = errors.New("no runtime knows the container")
)

// none is why no master is found for what the settings name.
func (n *Nginx) none(named *named) error {
	if n.MasterPID == 0 {
		return fmt.Errorf("%w: no nginx runs in %s", ErrNotRunning, named)
	}
	p, err := readProcess(named.pid)
	text := fmt.Sprintf("%s, which the settings name (`nginx: {pid: %d}`),", named, named.pid)
	switch {
	case gone(err) || p.dead():
		return marked{marked{fmt.Errorf("%s does not exist", text), ErrMisnamed}, ErrNotRunning}
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrNotProved, text, err)
	case strings.HasPrefix(p.title, masterTitle) && apart(named.pid) == nil:
		return marked{marked{fmt.Errorf("%s is an nginx of this host, not of a container", text), ErrNamedHere}, ErrNotProved}
	}
	return marked{marked{fmt.Errorf("%s is %q, and no nginx runs in its container", text, firstWords(p.title)), ErrMisnamed}, ErrNotRunning}
}

// runtimes are the commands that know the containers of this host by name.
var runtimes = []string{"docker", "podman", "nerdctl"}

// runtimeLimit bounds one question to a runtime.
const runtimeLimit = 10 * time.Second

// askRuntimes asks each container runtime there is for a container's first
// process, until one knows it; 0: it has stopped.
func askRuntimes(ctx context.Context, container string) (pid int, err error) {
	var errs []error
	for _, name := range runtimes {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if pid, err = askRuntime(ctx, program, container); err == nil {
			return pid, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return 0, fmt.Errorf("there is none of %s to ask about it; set `nginx: {pid: …}` instead", strings.Join(runtimes, ", "))
	}
	return 0, errors.Join(errs...)
}

func askRuntime(ctx context.Context, program, container string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, runtimeLimit)
	defer cancel()
	argv := []string{program, "inspect", "--type", "container", "--format", "{{.State.Pid}}", "--", container}
	out, err := command.Run(ctx, command.Command{Argv: argv, Env: caller.OperatorEnv()})
	if err != nil {
		return 0, fmt.Errorf("%s: %w%s", program, err, saying(out))
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || pid < 0 {
		return 0, fmt.Errorf("%s says that its pid is %s", program, foreign.Excerpt(strings.TrimSpace(string(out))))
	}
	return pid, nil
}

// containerID is how the runtimes call the control group of a container:
// docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, or ID alone.
var containerID = regexp.MustCompile(`(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:/|$)`)

// shownID is how much of an id the runtimes show.
const shownID = 12

// containerOf is the name in the settings, else what the control group tells
// (proc_pid_cgroup(5)): the id that a runtime gave it, or what its supervisor
// calls it. No runtime is asked.
func (n *Nginx) containerOf(pid int) string {
	if n.ContainerName != "" {
		return n.ContainerName
	}
	theirs, _ := readProc(fmt.Sprintf("/proc/%d/cgroup", pid))
	ours, _ := readProc("/proc/self/cgroup")
	if name := nameIn(string(theirs)); name != nameIn(string(ours)) {
		return foreign.Line(name)
	}
	return ""
}

func nameIn(cgroups string) (name string) {
	for line := range strings.Lines(cgroups) {
		line = strings.TrimSpace(line)
		if ids := containerID.FindAllStringSubmatch(line, -1); len(ids) > 0 {
			return ids[len(ids)-1][1][:shownID]
		}
		hierarchy, group, _ := strings.Cut(line, ":")
		controllers, at, _ := strings.Cut(group, ":")
		if hierarchy == "0" || controllers == "name=systemd" {
			name = cmp.Or(strings.Trim(path.Base(at), "/."), name)
		}
	}
	return name
}
