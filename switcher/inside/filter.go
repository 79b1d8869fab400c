package inside

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// refused are system calls that no test of nginx makes, and that give whoever
// makes them more of the kernel than a container is to have: most of what
// runtimes refuse by default. What they refuse exactly cannot be read of a
// process without stopping it (ptrace(2), PTRACE_SECCOMP_GET_FILTER).
var refused = []uint32{
	unix.SYS_ACCT, unix.SYS_ADD_KEY, unix.SYS_ADJTIMEX, unix.SYS_BPF, unix.SYS_CLOCK_ADJTIME, unix.SYS_CLOCK_SETTIME,
	unix.SYS_DELETE_MODULE, unix.SYS_FANOTIFY_INIT, unix.SYS_FINIT_MODULE, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSOPEN,
	unix.SYS_FSPICK, unix.SYS_INIT_MODULE, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_URING_SETUP, unix.SYS_KCMP,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEYCTL, unix.SYS_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_MOVE_MOUNT,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_OPEN_TREE, unix.SYS_PERF_EVENT_OPEN, unix.SYS_PIVOT_ROOT, unix.SYS_PROCESS_VM_READV,
	unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PTRACE, unix.SYS_QUOTACTL, unix.SYS_REBOOT, unix.SYS_REQUEST_KEY, unix.SYS_SETNS,
	unix.SYS_SETTIMEOFDAY, unix.SYS_SWAPOFF, unix.SYS_SWAPON, unix.SYS_SYSLOG, unix.SYS_UMOUNT2, unix.SYS_UNSHARE, unix.SYS_USERFAULTFD,
}

// machines are the numbers that a filter knows each kind of machine by
// (include/uapi/linux/audit.h of the kernel).
var machines = map[string]uint32{
	"386": unix.AUDIT_ARCH_I386, "amd64": unix.AUDIT_ARCH_X86_64, "arm": unix.AUDIT_ARCH_ARM, "arm64": unix.AUDIT_ARCH_AARCH64,
	"ppc64le": unix.AUDIT_ARCH_PPC64LE, "riscv64": unix.AUDIT_ARCH_RISCV64, "s390x": unix.AUDIT_ARCH_S390X,
}

// Where a filter finds what it looks at (struct seccomp_data, seccomp(2)).
const (
	callAt    = 0
	machineAt = 4
	flagsAt   = 16 // of clone(2), the lower half
	x32       = 0x40000000
)

// newNamespaces are the flags of clone(2) that make a namespace.
const newNamespaces = unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUSER | unix.CLONE_NEWUTS

// filter refuses them, what is called as another kind of machine does, and
// clone3(2), whose flags it cannot see: the C libraries take clone(2) then.
func filter() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	// skip goes over the next ones unless what is loaded fits.
	skip := func(op uint16, k uint32, over uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jf: over}
	}
	fail := func(errno unix.Errno) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)}
	}
	f := []unix.SockFilter{
		load(machineAt), {Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: machines[runtime.GOARCH], Jt: 1}, fail(unix.EPERM),
		load(callAt), skip(unix.BPF_JEQ, unix.SYS_CLONE3, 1), fail(unix.ENOSYS),
	}
	if runtime.GOARCH == "amd64" {
		f = append(f, skip(unix.BPF_JGE, x32, 1), fail(unix.EPERM))
	}
	for _, number := range refused {
		f = append(f, skip(unix.BPF_JEQ, number, 1), fail(unix.EPERM))
	}
	return append(f,
		skip(unix.BPF_JEQ, unix.SYS_CLONE, 3), load(flagsAt), skip(unix.BPF_JSET, newNamespaces, 1), fail(unix.EPERM),
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}
