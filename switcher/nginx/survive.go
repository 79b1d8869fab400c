package nginx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"bgswitch/nginxconf"
	"bgswitch/switcher/aside"

	"golang.org/x/sys/unix"
)

// ErrWorkersWouldDie says that nginx's test and its reload would both succeed,
// and the new workers end while they start: nothing would serve any more.
var ErrWorkersWouldDie = errors.New("nginx's new workers would die while starting")

// connectionSize is what a worker takes at least for each of its
// worker_connections (struct ngx_connection_s alone, 64 bit), in one piece.
const connectionSize = 200

// Survivable looks for the two known ways of the configuration, as it stands
// now, to kill every worker it starts. `nginx -t` does not look for either:
// the working_directory is entered, and the connections are allocated, by the
// worker (ngx_worker_process_init, ngx_event_process_init).
func (n *Nginx) Survivable(m *Master) error {
	conf, err := n.ConfPath()
	if err != nil {
		return nil // nginx's own test has the word on that
	}
	src, err := n.files.Read(conf, confLimit)
	if err != nil {
		return nil
	}
	if err := m.canEnter(src); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrWorkersWouldDie, conf, err)
	}
	if err := canHold(src); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrWorkersWouldDie, conf, err)
	}
	return nil
}

// canEnter tries the working_directory as the master sees it, as the user that
// its workers run as.
func (m *Master) canEnter(src []byte) error {
	args, err := nginxconf.Directive(src, "working_directory")
	if err != nil || len(args) == 0 || !filepath.IsAbs(args[0]) {
		return nil
	}
	root := "/"
	if m != nil {
		root = fmt.Sprintf("/proc/%d/root", m.PID)
	}
	err = aside.OnOwnThread(func() error { return enter(root, args[0], m.workerUser()) })
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("working_directory %s: %w", args[0], err)
	}
	return nil
}

// workerUser is the user of the workers that serve now; nil where they run as
// the master does, or cannot be seen.
func (m *Master) workerUser() *syscall.Credential {
	if m == nil || os.Geteuid() != 0 {
		return nil
	}
	workers, err := m.Workers()
	if err != nil || len(workers.Serving) == 0 {
		return nil
	}
	return credentialOf(workers.Serving[0])
}

// enter looks up the folder itself below root, with the rights of user
// (setfsuid(2), for the thread that calls it alone).
func enter(root, path string, user *syscall.Credential) error {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // not to be found out
	}
	defer unix.Close(fd)
	if user != nil {
		if err := errors.Join(unix.Setfsgid(int(user.Gid)), unix.Setfsuid(int(user.Uid))); err != nil {
			return nil
		}
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	folder, err := unix.Openat2(fd, path+"/.", &how)
	if err == nil {
		unix.Close(folder)
	}
	return err
}

// canHold holds worker_connections against all the memory there is: the kernel
// refuses a single allocation over that (overcommit mode 0, proc_sys_vm(5)).
func canHold(src []byte) error {
	args, err := nginxconf.BlockDirective(src, "events", "worker_connections")
	if err != nil || len(args) == 0 {
		return nil
	}
	connections, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return nil
	}
	total, ok := allMemory()
	if ok && connections > total/connectionSize {
		return fmt.Errorf("worker_connections %d needs more memory than there is (%d MiB)", connections, total>>20)
	}
	return nil
}

func allMemory() (total uint64, ok bool) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, false
	}
	return (uint64(info.Totalram) + uint64(info.Totalswap)) * uint64(info.Unit), true
}
