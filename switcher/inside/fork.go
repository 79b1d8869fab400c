package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is one system call of a process that is about to become another program.
type call struct {
	step   string // what it is for
	may    bool   // it may fail
	number uintptr
	args   [6]uintptr
}

// child is a process that was forked.
type child struct{ pid, fd int }

// fork makes a process, the first one of a pid namespace of its own, that does
// nothing but these calls, of which the last is execve(2). It is a copy of this
// one (no thread of ours shares its memory, as with Go's own fork), with one
// thread, so that it may enter a user namespace (setns(2)). The error says which
// call failed. It ends with ctx: what a call enters may hold it up.
//
// Calls hold addresses: of what the caller keeps alive.
func fork(ctx context.Context, calls []call) (child, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return child{}, err
	}
	defer from.Close()
	var failed [2]uint64
	var fd int32
	var stays runtime.Pinner
	stays.Pin(&fd)
	defer stays.Unpin()
	all, before := unix.Sigset_t{}, unix.Sigset_t{}
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	clone := cloneArgs{flags: unix.CLONE_NEWPID | unix.CLONE_PIDFD, pidfd: uint64(uintptr(unsafe.Pointer(&fd))), exit: uint64(unix.SIGCHLD)}
	syscall.ForkLock.Lock()
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before) // no handler of Go's runs in the child
	pid, errno := forked(&clone, calls, &failed, to.Fd())
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	syscall.ForkLock.Unlock()
	_ = to.Close()
	if errno != 0 {
		return child{}, fmt.Errorf("make a process: clone3: %w", errno)
	}
	made := child{int(pid), int(fd)}
	defer context.AfterFunc(ctx, made.end)()
	var said [16]byte
	if _, err := io.ReadFull(from, said[:]); errors.Is(err, io.EOF) {
		return made, nil // the program runs
	}
	failed = *(*[2]uint64)(unsafe.Pointer(&said))
	made.end()
	_, err = made.wait()
	return child{}, errors.Join(fmt.Errorf("%s: %w", calls[failed[0]].step, syscall.Errno(failed[1])), err)
}

// cloneArgs is struct clone_args of the kernel's include/uapi/linux/sched.h.
type cloneArgs struct{ flags, pidfd, childTID, parentTID, exit, stack, stackSize, tls uint64 }

// forked returns twice. In the child there is no Go any more: no other thread,
// no memory to be had, no stack to grow.
//
//go:noinline
//go:norace
//go:nosplit
func forked(clone *cloneArgs, calls []call, failed *[2]uint64, to uintptr) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(clone)), unsafe.Sizeof(*clone), 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	for i := range calls {
		c := &calls[i]
		_, _, errno = syscall.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if errno != 0 && !c.may {
			failed[0], failed[1] = uint64(i), uint64(errno)
			syscall.RawSyscall(unix.SYS_WRITE, to, uintptr(unsafe.Pointer(failed)), unsafe.Sizeof(*failed))
			break
		}
	}
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// end kills it, and with it, as the first of its pid namespace, all that it has
// started, whatever that did to get away (pid_namespaces(7)).
func (c child) end() { _ = unix.PidfdSendSignal(c.fd, unix.SIGKILL, nil, 0) }

// wait returns when it and all that it has started is gone.
func (c child) wait() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	_, err := unix.Wait4(c.pid, &status, 0, nil)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Wait4(c.pid, &status, 0, nil)
	}
	return status, err
}
