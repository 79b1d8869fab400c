// Package inside runs the program of another process in the place of that
// process, in its container mostly, and asks backends from its network. It is
// the only code of ours that runs anything in there.
//
// Whoever owns the container owns the program, its files and what it prints. So
// what is run is never stronger than the process in whose place it runs:
//
//   - Its namespaces are those of the process (setns(2)), the user namespace, where
//     it is another, included. Its mounts are a private copy of them, made by us
//     (mount_namespaces(7)): what is laid over a file is seen by nobody else, is
//     read-only, and is mounted by a descriptor that openat2(2) found below the
//     root folder (RESOLVE_IN_ROOT: no link leads out, no link of /proc anywhere).
//   - Its pids are its own, not those of the container: nobody in there sees,
//     signals or traces what enters, and /proc/PID/exe of it is out of reach (a
//     container that was given the host's pids sees it, as all of the host).
//     It is the first process of its pid namespace, so that everything it
//     starts ends with it, whatever that does to get away (pid_namespaces(7)).
//     A /proc of that namespace lies over the container's, so that /dev/stderr
//     leads to its stderr; it holds processes only (subset=pid of proc(5)), for the
//     container's may have had the kernel's files hidden or made read-only.
//   - Its user, groups, capability sets, bounding set, limits and umask are
//     those of the process (proc_pid_status(5), proc_pid_limits(5)), less what we do
//     not have. It can get no more of them: PR_SET_NO_NEW_PRIVS(2const), and
//     cap_bprm_creds_from_file in the kernel's security/commoncap.c.
//   - It is in the cgroups of the process. Where it cannot enter the one that
//     limits devices, nothing is run: root without that could open the host's
//     disks (cgroups(7)).
//   - Where the system calls of the process are filtered, its own are: not by
//     the same filter, which cannot be read without stopping the process, but by
//     one that refuses most of what runtimes refuse (seccomp(2)).
//   - The label that AppArmor or SELinux knows the process by is taken over
//     where they let us (proc_pid_attr(5)); where they do not, this is missing.
//   - It has three descriptors, all of them pipes of ours: an ended one to read,
//     and two whose other ends are read here, within bounds. It has no
//     environment but the usual path, and neither our session nor our keys
//     (setsid(2), keyctl_join_session_keyring(3)).
//
// What enters is a copy of our executable in memory that nobody can change
// (memfd_create(2), F_ADD_SEALS), started with one fixed word and no
// environment. What becomes the program has one thread and memory of its own, and
// until then nobody without the host's CAP_SYS_PTRACE may trace it
// (PR_SET_DUMPABLE(2const)). So even where the container has the kernel run
// /proc/self/exe, as an executable's interpreter or a script's (CVE-2019-5736),
// what it gets hold of is that copy, with the rights that it has anyway.
//
// What is asked is asked by such a copy, too, from the process's network, with our
// own files but for those of the resolver, which are read as files of the
// container's; nothing of the container's is run then. It has no right of root's but
// to connect to any socket.
//
// It takes root, and Linux 5.8 or newer.
package inside

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrRights says that only root may enter the place of another process.
var ErrRights = errors.New("only root may run anything inside a container")

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
	name string
	flag int // CLONE_NEW..., for setns(2)
	file *os.File
	ours bool // a user namespace, which cannot be entered again
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
		return nil, errors.New("cannot run anything inside a container: this bgswitch is a 32-bit program")
	}
	go func() { _, _ = sealedCopy() }() // it takes some milliseconds, and will be needed
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
		p.spaces = append(p.spaces, space{name: kind.name, flag: kind.flag, file: file})
	}
	users := &p.spaces[len(p.spaces)-1]
	ours, err := os.Open("/proc/self/ns/user")
	if err != nil {
		return err
	}
	defer ours.Close()
	if users.ours, err = same(users.file, ours); err != nil {
		return err
	}
	p.rights, err = p.readRights()
	return err
}

// isStill says that the process is where it was when it was opened, and runs what
// it ran: whoever may choose neither his rights nor his user can still run a
// program of root's, or make a user namespace in which he shows every right.
func (p *Process) isStill() error {
	opened := map[string]*os.File{"exe": p.exe}
	for _, s := range p.spaces {
		opened["ns/"+s.name] = s.file
	}
	for name, before := range opened {
		now, err := p.openAt(name, unix.O_PATH)
		if err != nil {
			return err
		}
		is, err := same(before, now)
		if err := errors.Join(err, now.Close()); err != nil {
			return err
		}
		if !is {
			return fmt.Errorf("it has been replaced by another process (%s)", name)
		}
	}
	return nil
}

func same(a, b *os.File) (bool, error) {
	one, err := a.Stat()
	if err != nil {
		return false, err
	}
	other, err := b.Stat()
	return err == nil && os.SameFile(one, other), err
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
