// Package inside runs a program in the place of another process, as that process
// is: in its container, mostly. Nothing else of ours runs anything in there.
package inside

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrRights says that only root may enter the place of another process.
var ErrRights = errors.New("only root may run something inside a container")

// Process is one process in whose place something can be run. What is known of
// it was read once, from that one process, and it may have ended since.
type Process struct {
	rights    rights
	folder    *os.File // /proc/PID: it is no other process's, even when the pid is
	root, cwd *os.File
	exe       *os.File
	spaces    []space
}

// space is one of its namespaces.
type space struct {
	flag int // CLONE_NEW..., for setns(2)
	file *os.File
}

// spaces are the namespaces that are entered, by their names in /proc/PID/ns.
// The pids are not among them (see the package's doc), and the users are last.
var spaces = []struct {
	name string
	flag int
}{
	{"net", unix.CLONE_NEWNET},
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
	{"cgroup", unix.CLONE_NEWCGROUP},
	{"mnt", unix.CLONE_NEWNS},
	{"user", unix.CLONE_NEWUSER},
}

// Open takes hold of a process and of all that is needed to run something in its
// place. Whoever knows it by more than its pid looks again afterwards whether
// that is still the same.
func Open(pid int) (*Process, error) {
	if os.Geteuid() != 0 {
		return nil, ErrRights
	}
	if strconv.IntSize < 64 {
		return nil, errors.New("cannot run something inside a container: this bgswitch is one for 32 bits")
	}
	p := &Process{}
	if err := p.open(pid); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot look at process %d: %w", pid, err), p.Close())
	}
	return p, nil
}

func (p *Process) open(pid int) (err error) {
	if p.folder, err = openAt(unix.AT_FDCWD, fmt.Sprintf("/proc/%d", pid), unix.O_PATH|unix.O_DIRECTORY); err != nil {
		return err
	}
	for name, file := range map[string]**os.File{"root": &p.root, "cwd": &p.cwd, "exe": &p.exe} {
		if *file, err = p.openAt(name, unix.O_PATH); err != nil {
			return err
		}
	}
	for _, kind := range spaces {
		file, err := p.openAt("ns/"+kind.name, unix.O_RDONLY)
		if err != nil {
			return err
		}
		p.spaces = append(p.spaces, space{kind.flag, file})
	}
	if err := p.leaveOurUsers(); err != nil {
		return err
	}
	p.rights, err = p.readRights()
	return err
}

// leaveOurUsers takes the user namespace off the list where it is ours, which
// cannot be entered again (setns(2)).
func (p *Process) leaveOurUsers() error {
	theirs, err := p.users().Stat()
	if err != nil {
		return err
	}
	ours, err := os.Stat("/proc/self/ns/user")
	if err == nil && os.SameFile(theirs, ours) {
		err = p.users().Close()
		p.spaces = p.spaces[:len(p.spaces)-1]
	}
	return err
}

// users is its user namespace, where that is not ours.
func (p *Process) users() *os.File {
	if last := p.spaces[len(p.spaces)-1]; last.flag == unix.CLONE_NEWUSER {
		return last.file
	}
	return nil
}

func (p *Process) openAt(name string, flags int) (*os.File, error) {
	return openAt(int(p.folder.Fd()), name, flags)
}

func openAt(folder int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(folder, name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Exe is the program that it runs, and that is run in its place.
func (p *Process) Exe() (os.FileInfo, error) { return p.exe.Stat() }

// Close lets go of it.
func (p *Process) Close() error {
	files := []*os.File{p.folder, p.root, p.cwd, p.exe}
	for _, s := range p.spaces {
		files = append(files, s.file)
	}
	var err error
	for _, file := range files {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}
