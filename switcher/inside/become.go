package inside

import (
	"math/bits"
	"runtime"
	"unsafe"

	"bgswitch/switcher/caller"

	"golang.org/x/sys/unix"
)

// becoming are the system calls that make a forked process a program with no
// more rights than those it is to have.
type becoming struct {
	calls []call
	kept  runtime.Pinner // what the calls point to
}

func (b *becoming) does(step string, number uintptr, args ...uintptr) *call {
	c := call{step: step, number: number}
	copy(c.args[:], args)
	b.calls = append(b.calls, c)
	return &b.calls[len(b.calls)-1]
}

// may is does for what may fail.
func (b *becoming) may(step string, number uintptr, args ...uintptr) {
	b.does(step, number, args...).may = true
}

// at is the address of something that stays where it is until the program runs.
func at[T any](b *becoming, v *T) uintptr {
	b.kept.Pin(v)
	return uintptr(unsafe.Pointer(v))
}

func (b *becoming) text(s string) uintptr {
	return at(b, &append([]byte(s), 0)[0])
}

func (b *becoming) texts(list []string) uintptr {
	pointers := make([]uintptr, len(list)+1)
	for i, s := range list {
		pointers[i] = b.text(s)
	}
	return at(b, &pointers[0])
}

// stayOurs has the process end with us, who may have ended already, and leaves the
// answer to us: from here on it may be held up for as long as somebody likes.
func (b *becoming) stayOurs(alive [2]int) {
	b.endWithUs()
	b.does("see whether we are there", unix.SYS_CLOSE, uintptr(alive[0]))
	b.does("see whether we are there", unix.SYS_WRITE, uintptr(alive[1]), b.text(""), 1) // EPIPE (pipe(7))
	b.does("leave the answer to us", unix.SYS_CLOSE, answerFD)
}

// endWithUs holds until another user id is taken on (PR_SET_PDEATHSIG(2const)).
func (b *becoming) endWithUs() {
	b.does("let it end with us", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
}

// belong takes the process into cgroups. Where it cannot enter the one that says
// which devices it may use, it could use those of the host (cgroups(7)).
func (b *becoming) belong(cgroups []joining) {
	for _, c := range cgroups {
		b.does("enter its cgroup", unix.SYS_WRITE, c.procs.Fd(), b.text("0"), 1).may = !c.must
	}
}

// leaveOurs leaves our session, whose processes it could signal (kill(2), 0), and
// our session's keys (session-keyring(7)).
func (b *becoming) leaveOurs() {
	b.does("leave our session", unix.SYS_SETSID)
	b.may("leave our keys", unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0)
}

// seeItself mounts a /proc in which the process finds itself, as /dev/stderr has
// to, and nothing else: no file of the kernel's, which container runtimes hide
// or make read-only, and no process but what it starts itself.
func (b *becoming) seeItself(proc, cwd int) {
	if proc < 0 {
		return
	}
	b.does("mount a /proc", unix.SYS_FCHDIR, uintptr(proc))
	b.does("mount a /proc (Linux 5.8 or newer can)", unix.SYS_MOUNT, b.text("proc"), b.text("."), b.text("proc"),
		unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, b.text("subset=pid"))
	b.does("enter its working folder", unix.SYS_FCHDIR, uintptr(cwd))
}

// limit sets the limits, and what new files may be opened by.
func (b *becoming) limit(r rights) {
	for resource := range r.Limits {
		b.does("set its limits", unix.SYS_PRLIMIT64, 0, uintptr(resource), at(b, &r.Limits[resource]), 0)
	}
	b.does("set its umask", unix.SYS_UMASK, uintptr(r.Umask))
}

// noSetuidFixup is SECBIT_NO_SETUID_FIXUP (capabilities(7)): another user id
// leaves the capabilities as they are.
const noSetuidFixup = 1 << 2

// be takes over the user, and his namespace where users is one. Ids are those of
// our own users; in another namespace one has all capabilities at first, whatever
// one had before (user_namespaces(7)), so they are set afterwards.
func (b *becoming) be(r rights, users int) {
	b.does("keep its capabilities", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, noSetuidFixup)
	var groups uintptr
	if len(r.Groups) > 0 {
		groups = at(b, &r.Groups[0])
	}
	b.does("set its groups", unix.SYS_SETGROUPS, uintptr(len(r.Groups)), groups)
	b.does("set its group", unix.SYS_SETRESGID, uintptr(r.GIDs[0]), uintptr(r.GIDs[1]), uintptr(r.GIDs[2]))
	b.does("set its user", unix.SYS_SETRESUID, uintptr(r.UIDs[0]), uintptr(r.UIDs[1]), uintptr(r.UIDs[2]))
	if users >= 0 {
		b.does("enter its user namespace", unix.SYS_SETNS, uintptr(users), unix.CLONE_NEWUSER)
	}
	b.keep(r.Capabilities)
}

// keep keeps these capabilities alone. What is run may not get more: no
// set-user-ID program and no file capability counts (PR_SET_NO_NEW_PRIVS(2const)),
// and root's own get no larger than these (cap_bprm_creds_from_file in the
// kernel's security/commoncap.c).
func (b *becoming) keep(c capabilities) {
	for one := range c.Last + 1 {
		if c.Bounding>>one&1 == 0 {
			b.does("limit its capabilities", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, one)
		}
	}
	b.does("set its capabilities", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, 0)
	b.does("set its capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	data := [2]unix.CapUserData{}
	for half := range data {
		shift := 32 * half
		effective := uint32(c.Effective >> shift) // root's program acts with all that it is permitted
		data[half] = unix.CapUserData{Effective: effective, Permitted: effective, Inheritable: uint32(c.Inheritable >> shift)}
	}
	b.does("set its capabilities", unix.SYS_CAPSET, at(b, &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}), at(b, &data[0]))
	for ambient := c.Ambient & c.Effective & c.Inheritable; ambient != 0; ambient &= ambient - 1 {
		b.does("set its capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(bits.TrailingZeros64(ambient)))
	}
	b.does("give up new privileges", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
}

// label has the program run under a label, where that is allowed. The file has
// to be opened by the process itself, as 0: that is its lowest free descriptor.
func (b *becoming) label(l label, proc int) {
	if l.Text == "" {
		return
	}
	b.does("take over its label", unix.SYS_CLOSE, 0)
	b.may("take over its label", unix.SYS_OPENAT, uintptr(proc), b.text("thread-self/"+l.File), unix.O_WRONLY|unix.O_CLOEXEC)
	b.may("take over its label", unix.SYS_WRITE, 0, b.text(l.Text), uintptr(len(l.Text)))
}

// filter refuses system calls, where those of the other are filtered as well.
func (b *becoming) filter() {
	f := filter()
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	b.kept.Pin(program.Filter)
	b.does("filter its system calls", unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, at(b, &program))
}

// run becomes the program, that of the descriptor and no other, and ends with us.
func (b *becoming) run(exe, stdin int, argv []string, filtered bool) {
	b.does("give it no input", unix.SYS_DUP3, uintptr(stdin), 0, 0)
	b.endWithUs()
	if filtered {
		b.filter()
	}
	var none unix.Sigset_t
	b.does("let signals through", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, at(b, &none), 0, 8)
	b.does("run its program", unix.SYS_EXECVEAT, uintptr(exe), b.text(""), b.texts(argv), b.texts([]string{"PATH=" + caller.Path}), unix.AT_EMPTY_PATH)
}
