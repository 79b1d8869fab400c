package main

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// injection is an error in the place of a call: of the n-th of each thread, of
// those that are run by the program, too; or of that one and all that follow.
type injection struct {
	calls   []int32
	errno   unix.Errno
	n       int
	lasting bool

	made  map[madeBy]int
	times int
}

type madeBy struct {
	thread uint32
	call   int32
}

// meets says whether a call is not to be made.
func (i *injection) meets(thread uint32, call int32) bool {
	if !slices.Contains(i.calls, call) {
		return false
	}
	by := madeBy{thread, call}
	i.made[by]++
	if i.made[by] != i.n && !(i.lasting && i.made[by] > i.n) {
		return false
	}
	i.times++
	return true
}

// named are the system calls that an error can be put in the place of.
var named = func() map[string]int32 {
	all := map[string]int32{"openat": unix.SYS_OPENAT}
	for number, name := range steps {
		all[name] = number
	}
	return all
}()

type disturbance struct{ calls, errno, lasting string }

// disturbances are the errors that a full, broken or forbidden disk gives, and
// the calls that give them. Calls that only look are disturbed once: where none
// works any more nothing can be proved.
var disturbances = []disturbance{
	{"write,pwrite64", "ENOSPC", ""},
	{"write,pwrite64", "ENOSPC", "+"},
	{"write,pwrite64", "EIO", ""},
	{"fsync", "EIO", ""},
	{"fsync", "EIO", "+"},
	{"fsync", "ENOSPC", "+"},
	{"renameat,renameat2", "EIO", ""},
	{"renameat,renameat2", "EROFS", "+"},
	{"openat", "EMFILE", ""},
	{"openat", "EROFS", ""},
	{"unlinkat", "EPERM", ""},
	{"unlinkat", "EROFS", "+"},
	{"mkdirat", "ENOSPC", "+"},
	{"fchmod,fchmodat,fchown,fchownat,fsetxattr", "EPERM", "+"},
	{"pidfd_send_signal", "EPERM", ""},
	{"unshare,mount,umount2", "EPERM", ""},
	{"unshare,mount,umount2", "EPERM", "+"},
}

// injection is that of a disturbance at the k-th call.
func (d disturbance) injection(k int) *injection {
	i := &injection{errno: errnos[d.errno], n: k, lasting: d.lasting != "", made: map[madeBy]int{}}
	for call := range strings.SplitSeq(d.calls, ",") {
		i.calls = append(i.calls, named[call])
	}
	return i
}

var errnos = map[string]unix.Errno{
	"EIO": unix.EIO, "EMFILE": unix.EMFILE, "ENOSPC": unix.ENOSPC, "EPERM": unix.EPERM, "EROFS": unix.EROFS,
}

// under runs a command with an error in the place of some calls, and says how
// often it took place.
func (v *victim) under(i *injection, args ...string) (code int, out string, times int) {
	v.t.Helper()
	r := v.traced(&tracer{error: i}, args...)
	return r.code, r.out, i.times
}
