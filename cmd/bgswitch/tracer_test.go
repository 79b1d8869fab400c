package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// steps are the system calls that change something, or ask for something to be
// changed: between two of them a program only looks.
var steps = map[int32]string{
	unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite64", unix.SYS_FSYNC: "fsync", unix.SYS_FTRUNCATE: "ftruncate",
	unix.SYS_FALLOCATE: "fallocate", unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2",
	unix.SYS_UNLINKAT: "unlinkat", unix.SYS_LINKAT: "linkat", unix.SYS_SYMLINKAT: "symlinkat", unix.SYS_MKDIRAT: "mkdirat",
	unix.SYS_FCHOWN: "fchown", unix.SYS_FCHOWNAT: "fchownat", unix.SYS_FCHMOD: "fchmod", unix.SYS_FCHMODAT: "fchmodat",
	unix.SYS_FSETXATTR: "fsetxattr", unix.SYS_MOUNT: "mount", unix.SYS_UMOUNT2: "umount2",
	unix.SYS_UNSHARE: "unshare", unix.SYS_SETNS: "setns", unix.SYS_PIDFD_OPEN: "pidfd_open",
	unix.SYS_PIDFD_SEND_SIGNAL: "pidfd_send_signal",
}

// point is one step of a program: the n-th call of that name.
type point struct {
	call string
	n    int
}

func (p point) String() string { return fmt.Sprintf("%s %d", p.call, p.n) }

// tracer runs a program and does something to it right before one of its steps,
// whichever thread takes it. The kernel asks about these calls alone (seccomp(2),
// SECCOMP_RET_USER_NOTIF): ptrace(2), which stops a program twice at every call
// that it makes, costs more than all else that a test does. Programs that it runs
// are left alone, but for an error.
type tracer struct {
	at    point
	act   func(pid int)
	each  func(pid int, call int32, args [6]uint64) // before every step and every openat, where it is set
	error *injection

	mutex sync.Mutex // the rest is of whoever answers the kernel, until the program has ended
	pid   int
	ended bool
	met   bool
	taken map[string]int // how often each step was taken
}

// disturbed is what a traced program came to.
type disturbed struct {
	code  int // -1: ended by a signal
	out   string
	met   bool // the step came
	taken map[string]int
}

// at runs bgswitch up to one of its steps, and on.
func (v *victim) at(p point, act func(pid int), args ...string) disturbed {
	v.t.Helper()
	return v.traced(&tracer{at: p, act: act}, args...)
}

func (v *victim) traced(t *tracer, args ...string) disturbed {
	v.t.Helper()
	said, err := os.Create(filepath.Join(v.t.TempDir(), "said")) // not on a disk that may be cut off
	if err != nil {
		v.t.Fatal(err)
	}
	defer said.Close()
	argv := v.argv(args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings)
	if t.error != nil { // whose threads count: there are few then
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	if err := t.run(cmd); err != nil {
		v.t.Fatal(err)
	}
	return disturbed{code: cmd.ProcessState.ExitCode(), out: v.read(said.Name()), met: t.met, taken: t.taken}
}

// asked is the variable that tells a program which calls are asked about.
const asked = "BGSWITCH_TEST_ASK"

// run starts the program and follows it to its end.
func (t *tracer) run(cmd *exec.Cmd) error {
	t.taken = map[string]int{}
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(cmd.Env, asked+"="+strings.Trim(fmt.Sprint(t.calls()), "[]"))
	t.mutex.Lock()
	err = cmd.Start()
	if err == nil {
		t.pid = cmd.Process.Pid
	}
	t.mutex.Unlock()
	theirs.Close()
	if err != nil {
		return err
	}
	kernel, err := receive(ours)
	if err != nil {
		_ = cmd.Wait()
		return fmt.Errorf("the kernel does not ask about system calls (seccomp(2), Linux 5.19 or newer does): %w", err)
	}
	go t.answerAll(kernel) // also those that it leaves running
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	t.mutex.Lock()
	t.ended = true
	t.mutex.Unlock()
	return nil
}

// calls are those that have to be asked about.
func (t *tracer) calls() (calls []int32) {
	if t.error != nil {
		return t.error.calls
	}
	for call := range steps {
		calls = append(calls, call)
	}
	if t.each != nil {
		calls = append(calls, unix.SYS_OPENAT)
	}
	return calls
}

// judge says with which error a call ends that is not to be made.
func (t *tracer) judge(n *notification) unix.Errno {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	switch {
	case t.ended:
	case t.error != nil:
		if t.error.meets(n.thread, n.call) {
			return t.error.errno
		}
	case there(fmt.Sprintf("/proc/%d/task/%d", t.pid, n.thread)):
		t.entered(n)
	}
	return 0
}

func (t *tracer) entered(n *notification) {
	if t.each != nil {
		t.each(t.pid, n.call, n.args)
	}
	name := steps[n.call]
	if name == "" {
		return
	}
	t.taken[name]++
	if t.at == (point{name, t.taken[name]}) {
		t.met = true
		t.act(t.pid)
	}
}

func killed(pid int) { _ = unix.Kill(pid, unix.SIGKILL) }
