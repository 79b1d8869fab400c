package caller

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// limit is one of the limits that a shell may have lowered (getrlimit(2)): what
// we need of it at least, and what is enough for us and for nginx's test.
type limit struct {
	resource      int
	what          string // as people say
	option        string // the shell's `ulimit` option for it
	unit          uint64 // how much 1 is there (POSIX, ulimit; bash's -f has 1024)
	of            string // what is counted
	least, enough uint64
}

const unlimited = unix.RLIM_INFINITY

// limits: the least is what a switch and the newest history may take, with
// room. Of addresses Go reserves 1.7 GiB, most of it never used; with less than
// about half of that Go ends with 2 before anything of ours runs.
var limits = []limit{
	{unix.RLIMIT_FSIZE, "the size of a file", "-f", 512, " bytes", 64 << 20, unlimited},
	{unix.RLIMIT_AS, "memory", "-v", 1024, " bytes", 3 << 30, unlimited},
	{unix.RLIMIT_DATA, "data in memory", "-d", 1024, " bytes", 512 << 20, unlimited},
	{unix.RLIMIT_STACK, "the stack", "-s", 1024, " bytes", 1 << 20, 8 << 20},
	{unix.RLIMIT_CPU, "processor time", "-t", 1, " seconds", 60, unlimited},
	{unix.RLIMIT_NOFILE, "open files", "-n", 1, "", 64, 4096},
	{unix.RLIMIT_NPROC, "processes", "-u", 1, "", 64, unlimited},
}

// LimitError is a limit of the caller's that is too low, and may not be raised.
type LimitError struct {
	limit
	has uint64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the limit of %s is %d%s, but %d are needed", e.what, e.has, e.of, e.least)
}

// Ulimit is the command that sets what is needed, where that is permitted.
func (e *LimitError) Ulimit() string { return fmt.Sprintf("ulimit %s %d", e.option, e.least/e.unit) }

// RaiseLimits raises the caller's limits to what is enough, as far as that is
// permitted, for us and for what we run. The error is a LimitError where one
// stays below what a switch needs: it would end in the middle, or without a
// record.
func RaiseLimits() error {
	for _, l := range limits {
		if has := l.raise(); has < l.least {
			return &LimitError{l, has}
		}
	}
	return nil
}

// raise returns what holds then. The hard limit is root's to raise; in a
// container it may not be. It is set also where it is high enough: Go has raised
// that of open files by itself, for us and not for what we run.
func (l limit) raise() uint64 {
	var now unix.Rlimit
	if unix.Getrlimit(l.resource, &now) != nil {
		return unlimited
	}
	hard := now.Max
	if os.Geteuid() == 0 {
		hard = max(hard, l.enough)
	}
	for _, hard := range []uint64{hard, now.Max} {
		raised := unix.Rlimit{Cur: max(now.Cur, min(hard, l.enough)), Max: hard}
		if unix.Setrlimit(l.resource, &raised) == nil {
			return raised.Cur
		}
	}
	return now.Cur
}
