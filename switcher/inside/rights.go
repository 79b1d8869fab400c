package inside

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rights are what the kernel lets a process do, as far as it can be read and
// taken over. Users are numbered as we see them.
type rights struct {
	UIDs, GIDs   [3]int // real, effective, saved
	Groups       []uint32
	Capabilities capabilities
	Umask        int
	Limits       []unix.Rlimit // by their number (getrlimit(2))
	Cgroups      []cgroup
	Filtered     bool // its system calls are (seccomp(2))
	Label        label
}

// capabilities are sets, one bit each (capabilities(7)).
type capabilities struct {
	Inheritable, Permitted, Effective, Bounding, Ambient uint64
	Last                                                 uintptr // number that this kernel knows
}

// cgroup is where a process belongs in one hierarchy (cgroups(7)).
type cgroup struct {
	Procs string // the file below /sys/fs/cgroup that takes another one in
	Must  bool   // it may say which devices can be used
}

// procLimit bounds what is read of a file in /proc, in bytes.
const procLimit = 1 << 20

// readRights reads them of the process that was opened, and of none that it has
// become since.
func (p *Process) readRights() (rights, error) {
	ours, err := readStatus("/proc/thread-self/status")
	if err != nil {
		return rights{}, err
	}
	var r rights
	if r.Cgroups, err = p.cgroups(); err != nil {
		return rights{}, err
	}
	if r.Limits, err = p.limits(ours.capabilities()); err != nil {
		return rights{}, err
	}
	status, err := p.status()
	if err != nil {
		return rights{}, err
	}
	r.Capabilities = status.capabilities()
	if r.Capabilities.Last, err = lastCapability(); err != nil {
		return rights{}, err
	}
	if p.spaces[len(p.spaces)-1].ours {
		r.Capabilities = r.Capabilities.within(ours.capabilities())
	}
	r.UIDs, r.GIDs = status.ids("Uid"), status.ids("Gid")
	root, err := p.rootUser()
	if err != nil {
		return rights{}, err
	}
	if r.UIDs[1] != root {
		r.Capabilities = r.Capabilities.ofAnyProgram()
	}
	r.Groups, r.Umask = status.groups(), status.octal("Umask")
	r.Filtered = bytes.Contains(status.text, []byte("\nSeccomp:\t2"))
	r.Label = p.label()
	return r, errors.Join(status.err, p.isStill())
}

// limits are read of proc_pid_limits(5), where they stand in the order of their
// numbers: prlimit(2) wants rights to see them that not every root has.
func (p *Process) limits(ours capabilities) ([]unix.Rlimit, error) {
	text, err := p.read("limits")
	if err != nil {
		return nil, err
	}
	const name = len("Limit                     ")
	var limits []unix.Rlimit
	for line := range strings.Lines(string(text)) {
		if len(line) < name || strings.HasPrefix(line, "Limit") {
			continue
		}
		fields := strings.Fields(line[name:])
		if len(fields) < 2 {
			return nil, fmt.Errorf("its limits contain %q", line)
		}
		limit := unix.Rlimit{Cur: limitOf(fields[0]), Max: limitOf(fields[1])}
		if ours.Effective>>unix.CAP_SYS_RESOURCE&1 == 0 {
			limit = lower(limit, len(limits))
		}
		limits = append(limits, limit)
	}
	return limits, nil
}

func limitOf(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return unix.RLIM_INFINITY
	}
	return n
}

// lower is what we may set of a limit without the right to raise one.
func lower(limit unix.Rlimit, resource int) unix.Rlimit {
	var ours unix.Rlimit
	if unix.Getrlimit(resource, &ours) != nil {
		return limit
	}
	return unix.Rlimit{Cur: min(limit.Cur, ours.Max), Max: min(limit.Max, ours.Max)}
}

// cgroups are those that are not ours, too: in the one hierarchy of cgroup v2,
// and in each of v1.
func (p *Process) cgroups() ([]cgroup, error) {
	theirs, err := p.read("cgroup")
	if err != nil {
		return nil, err
	}
	ours, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return nil, err
	}
	version1 := bytes.Contains(theirs, []byte(":devices:")) || bytes.Contains(theirs, []byte(",devices"))
	var found []cgroup
	for line := range strings.Lines(string(theirs)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || bytes.Contains(ours, []byte(line)) {
			continue
		}
		folder, must := strings.TrimPrefix(fields[1], "name="), strings.Contains(fields[1], "devices")
		if fields[0] == "0" && version1 {
			folder = "unified" // beside the others (systemd's hybrid layout)
		} else if fields[0] == "0" {
			must = true
		}
		found = append(found, cgroup{filepath.Join(folder, fields[2], "cgroup.procs"), must})
	}
	return found, nil
}

// Paused says that a cgroup of the process is frozen, so that whatever enters it
// stops as well: in cgroup v2 by cgroup.events, in v1 by the freezer (cgroups(7)).
func (p *Process) Paused() bool {
	groups, err := p.cgroups()
	return err == nil && slices.ContainsFunc(groups, func(c cgroup) bool {
		folder := filepath.Join("/sys/fs/cgroup", filepath.Dir(c.Procs))
		events, _ := os.ReadFile(filepath.Join(folder, "cgroup.events"))
		state, _ := os.ReadFile(filepath.Join(folder, "freezer.state"))
		return bytes.Contains(events, []byte("frozen 1")) || len(state) > 0 && string(state) != "THAWED\n"
	})
}

func (p *Process) read(name string) ([]byte, error) {
	file, err := p.openAt(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, procLimit))
}

func (p *Process) status() (*status, error) {
	text, err := p.read("status")
	return &status{text: text}, err
}

// status is the text of proc_pid_status(5); err is the first thing it lacks.
type status struct {
	text []byte
	err  error
}

func readStatus(path string) (*status, error) {
	text, err := os.ReadFile(path)
	return &status{text: text}, err
}

func (s *status) fields(name string) []string {
	for line := range bytes.Lines(s.text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return strings.Fields(string(rest))
		}
	}
	s.err = errors.Join(s.err, fmt.Errorf("it has no line %s", name))
	return nil
}

func (s *status) number(text string, base int) uint64 {
	n, err := strconv.ParseUint(text, base, 64)
	s.err = errors.Join(s.err, err)
	return n
}

func (s *status) one(name string, base int) uint64 {
	fields := s.fields(name)
	if len(fields) == 0 {
		s.err = errors.Join(s.err, fmt.Errorf("its line %s is empty", name))
		return 0
	}
	return s.number(fields[0], base)
}

func (s *status) octal(name string) int { return int(s.one(name, 8)) }

func (s *status) ids(name string) (ids [3]int) {
	fields := s.fields(name)
	if len(fields) < len(ids) {
		s.err = errors.Join(s.err, fmt.Errorf("its line %s is short", name))
		return ids
	}
	for i := range ids {
		ids[i] = int(s.number(fields[i], 10))
	}
	return ids
}

func (s *status) groups() []uint32 {
	var groups []uint32
	for _, group := range s.fields("Groups") {
		groups = append(groups, uint32(s.number(group, 10)))
	}
	return groups
}

func (s *status) capabilities() capabilities {
	return capabilities{
		Inheritable: s.one("CapInh", 16),
		Permitted:   s.one("CapPrm", 16),
		Effective:   s.one("CapEff", 16),
		Bounding:    s.one("CapBnd", 16),
		Ambient:     s.one("CapAmb", 16),
	}
}

// within are those that we may pass on, where they count among our own users.
func (c capabilities) within(ours capabilities) capabilities {
	return capabilities{
		Inheritable: c.Inheritable & ours.Permitted,
		Permitted:   c.Permitted & ours.Permitted,
		Effective:   c.Effective & ours.Permitted,
		Bounding:    c.Bounding & ours.Bounding,
		Ambient:     c.Ambient & ours.Permitted,
		Last:        c.Last,
	}
}

// ofAnyProgram are those of a user who is not root, where they do not hang on the
// program: what its file gives (setcap(8)) counts in the mounts of the process
// alone, and not with PR_SET_NO_NEW_PRIVS(2const).
func (c capabilities) ofAnyProgram() capabilities {
	c.Inheritable |= c.Effective & c.Bounding
	c.Ambient |= c.Effective & c.Bounding
	return c
}

// rootUser is who root of its user namespace is here (user_namespaces(7)); -1:
// nobody.
func (p *Process) rootUser() (int, error) {
	if p.spaces[len(p.spaces)-1].ours {
		return 0, nil
	}
	text, err := p.read("uid_map")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "0" {
			return strconv.Atoi(fields[1])
		}
	}
	return -1, err
}

func lastCapability() (uintptr, error) {
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0, err
	}
	last, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 6)
	return uintptr(last), err
}
