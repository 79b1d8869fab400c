package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bgswitch/switcher/aside"
	"bgswitch/switcher/caller"
	"bgswitch/switcher/command"
	"bgswitch/switcher/inside"
	"bgswitch/switcher/root"
)

// ErrNoAside says that a content cannot be tested aside: mount namespaces need
// CAP_SYS_ADMIN.
var ErrNoAside = errors.New("cannot test without touching the live file")

// ErrMoved is package aside's, of a live file.
var ErrMoved = aside.ErrMoved

// tester runs nginx's test as the master would do it: with its arguments and,
// where they differ from ours, among its mounts, in its network, as its user,
// with its capabilities and its limit of open files.
type tester struct {
	argv   []string
	master *Master // nil: none is known
	user   *syscall.Credential
	caps   []uintptr
	enters []*os.File // the master's namespaces that are not ours
	files  *unix.Rlimit
}

func (n *Nginx) tester(m *Master) (*tester, error) {
	binary, err := findBinary(n.Binary)
	if err != nil {
		return nil, err
	}
	t := &tester{argv: append([]string{binary}, n.testArgs(m)...), master: m}
	if m != nil {
		t.likeMaster(m.PID)
	}
	return t, nil
}

// likeMaster notes how the master differs from us. What may not be read or
// taken over (only root may) stays ours.
func (t *tester) likeMaster(pid int) {
	if os.Geteuid() != 0 {
		return
	}
	if t.user = credentialOf(pid); t.user != nil {
		t.caps = capabilitiesOf(pid)
	}
	if limit, ok := openFilesLimit(pid); ok {
		t.files = &limit
	}
	for _, kind := range []string{"mnt", "net"} {
		if root.Differs(pid, kind) {
			if namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
				t.enters = append(t.enters, namespace)
			}
		}
	}
}

// credentialOf is the user that a process runs as, when it is not root.
func credentialOf(pid int) *syscall.Credential {
	uid, err := statusLine(strconv.Itoa(pid), "Uid:")
	if err != nil || len(uid) < 2 || uid[1] == "0" {
		return nil
	}
	gid, err := statusLine(strconv.Itoa(pid), "Gid:")
	if err != nil || len(gid) < 2 {
		return nil
	}
	groups, _ := statusLine(strconv.Itoa(pid), "Groups:")
	c := &syscall.Credential{Uid: number(uid[1]), Gid: number(gid[1])}
	for _, group := range groups {
		c.Groups = append(c.Groups, number(group))
	}
	return c
}

// capabilitiesOf are those that a process acts with and we may pass on. In a
// user namespace of its own anybody has them all, and they count only there.
func capabilitiesOf(pid int) []uintptr {
	process := strconv.Itoa(pid)
	if ours := root.Namespace("thread-self", "user"); ours == "" || root.Namespace(process, "user") != ours {
		return nil
	}
	both := capabilityMask(process, "CapEff:") & capabilityMask("thread-self", "CapPrm:")
	var all []uintptr
	for c := range uintptr(64) {
		if both>>c&1 == 1 {
			all = append(all, c)
		}
	}
	return all
}

func capabilityMask(process, name string) uint64 {
	fields, err := statusLine(process, name)
	if err != nil || len(fields) == 0 {
		return 0
	}
	mask, _ := strconv.ParseUint(fields[0], 16, 64)
	return mask
}

func number(text string) uint32 {
	n, _ := strconv.ParseUint(text, 10, 32)
	return uint32(n)
}

// openFilesLimit is the soft limit of a process (proc_pid_limits(5)).
func openFilesLimit(pid int) (unix.Rlimit, bool) {
	text, err := readProc(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return unix.Rlimit{}, false
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if fields := strings.Fields(rest); ok && len(fields) > 0 {
			n, err := strconv.ParseUint(fields[0], 10, 64)
			return unix.Rlimit{Cur: n, Max: n}, err == nil && n > 0
		}
	}
	return unix.Rlimit{}, false
}

// enter goes to the master's namespaces. setns(2) wants a thread that shares
// its root and working folder with none.
func (t *tester) enter() error {
	for _, namespace := range t.enters {
		defer namespace.Close()
	}
	if len(t.enters) == 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("enter the namespaces of nginx: %w", err)
	}
	for _, namespace := range t.enters {
		if err := unix.Setns(int(namespace.Fd()), 0); err != nil {
			return fmt.Errorf("enter %s of nginx: %w", namespace.Name(), err)
		}
	}
	return nil
}

// runAside makes the mounts private, lays the contents over the files, tests,
// and makes sure afterwards that they still were what the paths named.
func (t *tester) runAside(ctx context.Context, contents []Content) (Tested, error) {
	if err := t.enter(); err != nil {
		return Tested{}, err
	}
	if err := aside.PrivateMounts(); err != nil {
		return Tested{}, fmt.Errorf("%w: %w", ErrNoAside, err)
	}
	var laid []os.FileInfo
	for _, content := range contents {
		if err := aside.LayOver(content); err != nil {
			return Tested{}, fmt.Errorf("%w: %w", ErrNoAside, err)
		}
		info, err := os.Stat(content.Over)
		if err != nil {
			return Tested{}, err
		}
		laid = append(laid, info)
	}
	tested, err := t.run(ctx)
	for i, content := range contents {
		if after, statErr := os.Stat(content.Over); statErr != nil || !os.SameFile(laid[i], after) {
			return tested, ErrMoved
		}
	}
	return tested, err
}

// run runs nginx's test.
func (t *tester) run(ctx context.Context) (Tested, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	began, dump := time.Now(), command.Output{Limit: dumpLimit}
	argv := append(t.limited(), t.argv...)
	out, err := command.Run(ctx, command.Command{Argv: argv, Env: caller.NginxEnv(), User: t.user, Caps: t.caps, Stdout: &dump})
	tested := Tested{Took: time.Since(began)}
	if err == nil {
		tested.Dump = newDump(dump, t.master)
		return tested, nil
	}
	if onlyRightsMissing(out) && os.Geteuid() != 0 {
		return tested, fmt.Errorf("%w: %s", ErrRightsMissing, worstLine(out))
	}
	return tested, refusal(t.argv, out, err)
}

// testInside runs nginx's test where the master is, and as it is, with contents
// in the place of some files.
func (n *Nginx) testInside(ctx context.Context, m *Master, contents []Content) (Tested, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	began, dump := time.Now(), command.Output{Limit: dumpLimit}
	args := n.testArgs(m)
	out, err := n.inside.Run(ctx, inside.Program{Args: args, Over: contents, Stdout: &dump})
	tested := Tested{Took: time.Since(began)}
	switch {
	case err == nil:
		tested.Dump = newDump(dump, m)
		return tested, nil
	case errors.Is(err, ErrMoved):
		return tested, err
	}
	return tested, fmt.Errorf("in %s: %w", n.Within, refusal(append([]string{"nginx"}, args...), out, err))
}

// testArgs are those of the test: -T is -t and, where it passes, a dump of the
// configuration on stdout.
func (n *Nginx) testArgs(m *Master) []string {
	args := []string{"-T", "-q"}
	if n.Conf != "" {
		args = append(args, "-c", n.Conf)
	}
	if n.Prefix != "" {
		args = append(args, "-p", n.Prefix)
	}
	if m != nil && m.globals != "" {
		args = append(args, "-g", m.globals)
	}
	return args
}

// onlyRightsMissing tells the false no that nginx's test gives an unprivileged
// user from a real one: the syntax was fine, the pid file or a log was not his
// to open.
func onlyRightsMissing(out []byte) bool {
	return strings.Contains(worstLine(out), "(13: Permission denied)")
}

// limited is what has to stand before nginx's own argv, so that it runs with
// the master's limit of open files where that is lower than ours: prlimit(1)
// becomes nginx. Lowering our own for the moment would take the descriptors
// away that starting a program needs.
func (t *tester) limited() []string {
	var ours unix.Rlimit
	if t.files == nil || unix.Getrlimit(unix.RLIMIT_NOFILE, &ours) != nil || t.files.Cur >= ours.Cur {
		return nil
	}
	for _, prlimit := range []string{"/usr/bin/prlimit", "/bin/prlimit"} { // by no $PATH: we may be root
		if unix.Access(prlimit, unix.X_OK) == nil {
			return []string{prlimit, fmt.Sprintf("--nofile=%d:%d", t.files.Cur, t.files.Max), "--"}
		}
	}
	return nil
}
