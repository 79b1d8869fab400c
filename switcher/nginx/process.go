package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What nginx's processes are called (ngx_setproctitle in
// src/os/unix/ngx_process_cycle.c). A child that has not set its title yet
// still carries the master's.
const (
	titlePrefix   = "nginx: "
	masterTitle   = "nginx: master process"
	workerTitle   = "nginx: worker process"
	drainingTitle = "nginx: worker process is shutting down"
)

// process is one process at one moment. Pid and start together name it: a pid
// alone may be used again.
type process struct {
	id     processID
	parent int
	title  string // empty for a zombie
	state  string // the letter of proc_pid_stat(5)
	forked bool   // it runs what its parent ran, with what that had read before
}

// forkedNoExec is PF_FORKNOEXEC of the kernel's include/linux/sched.h, as
// proc_pid_stat(5) shows it in flags.
const forkedNoExec = 0x40

type processID struct {
	pid   int
	start uint64 // clock ticks since boot
}

// ticksPerSecond is USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// procLimit bounds what is read of a file in /proc, in bytes.
const procLimit = 16 << 20

// readProc reads a file of /proc.
func readProc(path string) ([]byte, error) {
	return readProcWhile(path, func(text []byte) bool { return len(text) < procLimit })
}

// readProcWhile reads with four system calls: os.ReadFile takes ten, and a look at
// every process of the host reads hundreds.
func readProcWhile(path string, more func(text []byte) bool) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var text []byte
	buffer := make([]byte, 4096)
	for more(text) {
		n, err := unix.Read(fd, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			break
		}
		text = append(text, buffer[:n]...)
	}
	return text, nil
}

// readProcess reads stat and cmdline: a look at every child, each pollInterval,
// is no time for a library that opens each file by way of the runtime's poller.
func readProcess(pid int) (process, error) {
	p, err := readStat(pid)
	if err != nil {
		return process{}, err
	}
	p.title, err = titleOf(pid)
	return p, err
}

func readStat(pid int) (process, error) {
	stat, err := readProc(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	return parseStat(pid, string(stat))
}

// parseStat takes what is needed of proc_pid_stat(5): the second field, the
// name, may hold blanks and parentheses, so the fields are counted from its end.
func parseStat(pid int, stat string) (process, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return process{}, fmt.Errorf("/proc/%d/stat holds %q", pid, stat)
	}
	parent, errParent := strconv.Atoi(fields[1])
	flags, errFlags := strconv.ParseUint(fields[6], 10, 64)
	start, errStart := strconv.ParseUint(fields[19], 10, 64)
	p := process{id: processID{pid, start}, state: fields[0], parent: parent, forked: flags&forkedNoExec != 0}
	return p, errors.Join(errParent, errFlags, errStart)
}

// titleLimit bounds what is read of a title: the longest argument there can be
// (MAX_ARG_STRLEN of the kernel's include/uapi/linux/binfmts.h).
const titleLimit = 128 << 10

// titleOf is empty for a zombie. Anybody may give a process arguments of many
// megabytes: of one that does not call itself nginx the beginning is read.
func titleOf(pid int) (string, error) {
	title, err := readProcWhile(fmt.Sprintf("/proc/%d/cmdline", pid), func(text []byte) bool {
		return len(text) == 0 || len(text) < titleLimit && bytes.HasPrefix(text, []byte(titlePrefix))
	})
	return strings.TrimRight(string(bytes.ReplaceAll(title, []byte{0}, []byte{' '})), " "), err
}

// again reads a process again whose pid has not been given to another since: a
// child that its parent has not waited for yet.
func (p process) again() (process, error) {
	title, err := titleOf(p.id.pid)
	if err != nil || title == "" {
		return readProcess(p.id.pid)
	}
	p.title = title
	return p, nil
}

// gone says that an error of reading /proc means that the process has ended
// in the meantime: the file is missing, or its reading gives ESRCH.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// ended says that reading failed because there is no such process, and not
// because /proc hides those of other users (hidepid, proc(5)).
func ended(pid int, err error) bool {
	return gone(err) && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// lives says that the process has not ended since it was read.
func (p process) lives() bool {
	now, err := readStat(p.id.pid)
	return err == nil && now.id == p.id && !now.dead()
}

func (p process) serving() bool  { return p.title == workerTitle && !p.dead() }
func (p process) draining() bool { return p.title == drainingTitle && !p.dead() }
func (p process) starting() bool { return strings.HasPrefix(p.title, masterTitle) && !p.dead() }
func (p process) dead() bool     { return p.state == "Z" || p.state == "X" }
func (p process) stopped() bool  { return p.state == "T" || p.state == "t" }

// started is when the process began, on the wall clock; it may be up to one
// tick (10 ms) early. The boot clock is asked, not btime of /proc/stat, which
// is whole seconds.
func (id processID) started() time.Time {
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return time.Time{}
	}
	age := time.Duration(boot.Nano()) - time.Duration(id.start)*(time.Second/ticksPerSecond)
	return time.Now().Add(-age)
}

// childrenOf lists the direct children of a process.
func childrenOf(pid int) ([]int, error) {
	list, err := readProc(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	var found []int
	for _, field := range strings.Fields(string(list)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		found = append(found, child)
	}
	return found, nil
}

// children reads the direct children of a process.
func children(pid int) ([]process, error) {
	list, err := childrenOf(pid)
	if err != nil {
		return nil, err
	}
	var found []process
	for _, child := range list {
		p, err := readProcess(child)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// handle is a process held by a pidfd (pidfd_open(2)): a signal through it
// never hits another process that got the same pid.
type handle struct{ fd int }

// hold opens a handle and makes sure that it is the process meant.
func hold(id processID) (handle, error) {
	fd, err := unix.PidfdOpen(id.pid, 0)
	if err != nil {
		return handle{}, fmt.Errorf("pidfd_open %d: %w", id.pid, err)
	}
	if now, err := readStat(id.pid); err != nil || now.id != id {
		unix.Close(fd)
		return handle{}, fmt.Errorf("process %d: %w", id.pid, unix.ESRCH)
	}
	return handle{fd}, nil
}

func (h handle) signal(sig unix.Signal) error { return unix.PidfdSendSignal(h.fd, sig, nil, 0) }
func (h handle) close()                       { unix.Close(h.fd) }

// userOf is the user that a process acts as (proc_pid_status(5), Uid).
func userOf(pid int) (int, error) {
	uid, err := statusLine(strconv.Itoa(pid), "Uid:")
	if err != nil || len(uid) < 2 {
		return 0, fmt.Errorf("the user of process %d is unknown: %w", pid, err)
	}
	return strconv.Atoi(uid[1])
}

// samePIDNamespace compares how many pids a process has: NSpid in
// proc_pid_status(5) lists one for each namespace it lives in, seen from ours,
// and is readable for everyone.
func samePIDNamespace(pid int) bool {
	theirs, err := statusLine(strconv.Itoa(pid), "NSpid:")
	if err != nil {
		return false
	}
	ours, err := statusLine("self", "NSpid:")
	return err == nil && len(theirs) == len(ours)
}

// statusLine returns the fields of one line of /proc/PID/status.
func statusLine(pid, name string) ([]string, error) {
	text, err := readProc(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest), nil
		}
	}
	return nil, fmt.Errorf("/proc/%s/status has no line %s", pid, name)
}
