package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// steps are the system calls that change something, or ask for something to be
// changed: between two of them a program only looks.
var steps = map[uint64]string{
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

// tracer runs a program and does something to it right before one of its
// steps, whichever thread takes it: strace(1) counts each call of each thread
// for itself, and a kill at the n-th of all meets no more than the first few.
// Programs that it runs are left alone.
type tracer struct {
	at    point
	act   func(pid int)
	met   bool
	taken map[string]int                             // how often each call was made
	known map[int]bool                               // threads
	each  func(pid int, call uint64, args [6]uint64) // before every call, where it is set
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
	t.taken, t.known = map[string]int{}, map[int]bool{}
	argv := v.argv(args...)
	path, err := exec.LookPath(argv[0])
	if err != nil {
		v.t.Fatal(err)
	}
	code, err := t.run(path, argv, &os.ProcAttr{
		Env: append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings), Files: []*os.File{nil, said, said},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return disturbed{code: code, out: v.read(said.Name()), met: t.met, taken: t.taken}
}

// run starts the program and follows it to its end. All of it has to happen on
// one thread (ptrace(2)), and no other child of this process may be waited for:
// the program has a process group of its own.
func (t *tracer) run(path string, argv []string, attr *os.ProcAttr) (code int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr.Sys = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	process, err := os.StartProcess(path, argv, attr)
	if err != nil {
		return 0, err
	}
	pid := process.Pid
	defer func() { _ = process.Release() }()
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return 0, err
	}
	t.known[pid] = true
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, err
	}
	if err := unix.PtraceSyscall(pid, 0); err != nil {
		return 0, err
	}
	return t.follow(pid)
}

func (t *tracer) follow(pid int) (code int, err error) {
	for {
		var status unix.WaitStatus
		thread, err := unix.Wait4(-pid, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("wait4: %w", err)
		case thread == pid && (status.Exited() || status.Signaled()):
			return status.ExitStatus(), nil
		case status.Stopped():
			signal := t.stopped(pid, thread, status)
			if err := unix.PtraceSyscall(thread, signal); err != nil && !errors.Is(err, unix.ESRCH) {
				return 0, fmt.Errorf("ptrace: %w", err)
			}
		}
	}
}

// stopped looks at why a thread stands still; it returns the signal to go on with.
func (t *tracer) stopped(pid, thread int, status unix.WaitStatus) int {
	first := !t.known[thread]
	t.known[thread] = true
	switch signal := status.StopSignal(); {
	case signal == unix.SIGTRAP|0x80:
		t.entered(pid, thread)
	case signal == unix.SIGTRAP, signal == unix.SIGSTOP && first: // a new thread
	default:
		return int(signal)
	}
	return 0
}

// syscallInfo is struct ptrace_syscall_info, as far as it is the same for a
// call that is entered.
type syscallInfo struct {
	Op     uint8
	_      [3]uint8
	Arch   uint32
	IP, SP uint64
	Number uint64
	Args   [6]uint64
}

const syscallEntry = 1 // PTRACE_SYSCALL_INFO_ENTRY

func (t *tracer) entered(pid, thread int) {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info.Op != syscallEntry {
		return
	}
	if t.each != nil {
		t.each(pid, info.Number, info.Args)
	}
	name := steps[info.Number]
	if name == "" {
		return
	}
	t.taken[name]++
	if t.at == (point{name, t.taken[name]}) {
		t.met = true
		t.act(pid)
	}
}

func killed(pid int) { _ = unix.Kill(pid, unix.SIGKILL) }
