package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// peakMemory runs a command and returns the most memory that it held itself,
// in KiB, and its exit code.
//
// ru_maxrss of wait4(2) would not do: Go starts children with CLONE_VM, and
// exec(2) carries the high-water mark of the memory it replaces (here: the
// benchmark's) over to the child (exec_mmap in the kernel's fs/exec.c); the
// marks of the child's own children (nginx -t) count as well (getrusage in
// kernel/sys.c). VmHWM belongs to the program's own memory, but is gone once
// it has ended: so the kernel stops the program for us on its way out
// (PTRACE_O_TRACEEXIT), when all is still there.
func peakMemory(command *exec.Cmd) (kib int, err error) {
	runtime.LockOSThread() // ptrace(2) is a matter between two threads
	defer runtime.UnlockOSThread()
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := command.Start(); err != nil {
		return 0, err
	}
	pid := command.Process.Pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil { // stopped at its exec
		return 0, err
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACEEXIT|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, err
	}
	signal := 0
	for {
		if err := unix.PtraceCont(pid, signal); err != nil {
			return 0, err
		}
		if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
			return 0, err
		}
		switch {
		case status.Exited() && status.ExitStatus() == 0:
			return kib, nil
		case status.Exited() || status.Signaled():
			return 0, fmt.Errorf("%v ended with status %#x", command.Args, status)
		case status.TrapCause() == unix.PTRACE_EVENT_EXIT:
			kib, err = highWater(pid)
			signal = 0
		default:
			signal = int(status.StopSignal()) // meant for the program
		}
		if err != nil {
			return 0, err
		}
	}
}

var vmHWM = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// highWater is the most memory a process has held, in KiB.
func highWater(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	found := vmHWM.FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("no VmHWM in /proc/%d/status", pid)
	}
	return strconv.Atoi(string(found[1]))
}
