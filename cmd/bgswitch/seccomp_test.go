package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	id     uint64
	thread uint32
	_      uint32
	call   int32
	_      uint32
	_      uint64
	args   [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// answerAll ends when nobody is left who could be asked about.
func (t *tracer) answerAll(kernel *os.File) {
	defer kernel.Close()
	fd := int(kernel.Fd())
	for {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); errors.Is(err, unix.EINTR) {
			continue
		}
		if ready[0].Revents&unix.POLLIN == 0 {
			return
		}
		var n notification
		if control(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != 0 {
			continue // whoever made the call has ended meanwhile
		}
		r := response{id: n.id, errno: -int32(t.judge(&n))}
		if dying(n.thread) { // told to go on first, it would make the call before it ends
			continue
		}
		if r.errno == 0 {
			r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		}
		control(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	}
}

// dying says that a thread has ended, or has been killed and not yet seen it.
func dying(thread uint32) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	_, text, _ := strings.Cut(string(status), "\nSigPnd:\t")
	var pending uint64
	_, scanned := fmt.Sscanf(text, "%x", &pending)
	return err != nil || scanned != nil || pending>>(unix.SIGKILL-1)&1 == 1
}

func control(fd int, request uintptr, with unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(with))
	return errno
}

func socketPair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs"), nil
}

// receive gets what the program was given to be asked by.
func receive(from *os.File) (*os.File, error) {
	conn, err := net.FileConn(from)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	text, rights := make([]byte, 512), make([]byte, unix.CmsgSpace(4))
	n, with, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:with])
	if err != nil || len(messages) == 0 {
		return nil, fmt.Errorf("it said %q, %v", text[:n], err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "seccomp"), nil
}

// traceable has the kernel ask whoever started this process about some calls of
// all its threads, and of those that it will run.
func traceable() {
	const whoAsks = 3
	calls, is := os.LookupEnv(asked)
	if !is {
		return
	}
	_ = os.Unsetenv(asked)
	var numbers []uint32
	for _, call := range strings.Fields(calls) {
		var number uint32
		_, _ = fmt.Sscan(call, &number)
		numbers = append(numbers, number)
	}
	kernel, err := askAbout(numbers)
	if err == nil {
		err = unix.Sendmsg(whoAsks, []byte{0}, unix.UnixRights(kernel), nil, 0)
		_ = unix.Close(kernel)
	} else {
		_ = unix.Sendmsg(whoAsks, []byte(err.Error()), nil, nil, 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "seccomp:", err)
		os.Exit(125)
	}
	_ = unix.Close(whoAsks)
}

// askAbout filters calls (seccomp(2)). A signal that is not the end of the process
// waits until the answer is there, so that no call is made twice
// (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).
func askAbout(calls []uint32) (fd int, err error) {
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the number
	for _, call := range calls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	if os.Geteuid() != 0 { // root may filter without (seccomp(2), EACCES)
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return 0, err
		}
	}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC |
		unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	made, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	return int(made), nil
}
