package nginxtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// How the live file comes into a container.
const (
	MountFolder = "folder" // its folder is mounted
	MountFile   = "file"   // it is mounted by itself
	MountNone   = "none"   // it stands in the container's own root folder alone
)

// ContainerOptions is what an nginx in a container differs in.
type ContainerOptions struct {
	Workers     int               // worker_processes; 0: 2
	Mount       string            // of the live file; empty: MountFolder
	ReadOnly    bool              // mounted so that nobody inside can write it
	HostNetwork bool              // it shares the host's network
	HostPIDs    bool              // it shares the host's pids
	Live        string            // the content of the live file
	From        string            // a folder of the host with the live file, in place of its own
	Main, HTTP  string            // further directives
	Names       map[string]string // of its own /etc/hosts, to addresses
	Stderr      *os.File          // in place of a pipe; it is closed
	User        int               // an ordinary user whose own user namespace it is; 0: it shares ours
}

// Container is an nginx in namespaces of its own, as a container's runtime makes
// them: mounts and a root folder, pids, a network, hosts; its binary and
// libraries are this machine's. Root may start one. Live and Conf are paths of
// the host, PID is what the host calls it; inside, its pid is 1.
type Container struct {
	*Nginx
	Root   string // its root folder, without what is mounted in it
	Inside string // the live file, as it sees that

	options ContainerOptions
	outer   *exec.Cmd // unshare
	network *os.File
	publish net.Listener
	said    lockedText
}

// What a container has of its own.
const (
	ContainerConf = "/etc/nginx/nginx.conf" // the path, as it sees that
	containerLive = "/etc/nginx/conf.d/active_upstream.conf"
	containerPort = 8000 // what it listens on in a network of its own
)

// enterRoot makes the root folder in $1 that of a container, and runs the rest of
// the arguments there. $LIVE, of the kind $MOUNT, is what the host gives it.
const enterRoot = `set -e
root=$1; shift
mount --bind "$root" "$root"
cd "$root"
for folder in bin sbin lib lib32 lib64 usr; do
	if [ -L "/$folder" ]; then cp -P "/$folder" .
	elif [ -d "/$folder" ]; then mkdir -p "$folder"; mount --rbind "/$folder" "$folder"
	fi
done
mount -t tmpfs -o mode=755 none dev
for device in null zero random urandom; do : >"dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t proc none proc
mount -t tmpfs -o mode=755 none run
case $MOUNT in
folder) at=etc/nginx/conf.d; LIVE=$(dirname "$LIVE");;
file) at=etc/nginx/conf.d/active_upstream.conf; : >$at;;
esac
if [ "$MOUNT" != none ]; then
	mount --bind "$LIVE" $at
	if [ -n "$READONLY" ]; then mount -o remount,bind,ro $at; fi
fi
pivot_root . old
cd /
umount -l /old
rmdir /old
exec "$@"`

// StartContainer runs nginx in a container whose files are below dir; it returns
// when every worker serves.
func StartContainer(dir string, o ContainerOptions) (*Container, error) {
	if o.Mount == "" {
		o.Mount = MountFolder
	}
	c := &Container{Root: filepath.Join(dir, "root"), Inside: containerLive, options: o}
	c.Nginx = &Nginx{Dir: dir, Conf: c.Root + ContainerConf, options: Options{Workers: max(o.Workers, 1)}, ended: make(chan struct{})}
	if o.Workers == 0 {
		c.Nginx.options.Workers = 2
	}
	for _, step := range []func() error{c.writeFiles, c.launch, c.reachable} {
		if err := step(); err != nil {
			return nil, errors.Join(err, c.Stop(), errors.New(c.Said()))
		}
	}
	return c, nil
}

func (c *Container) launch() error {
	argv, err := c.argv()
	if err != nil {
		return err
	}
	if err := Eventually(Patience, func() error { return Old(c.Live) }); err != nil {
		return err
	}
	c.outer = exec.Command(argv[0], argv[1:]...)
	c.outer.Dir = "/"
	c.outer.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "MOUNT=" + c.options.Mount, "LIVE=" + c.Live}
	if c.options.ReadOnly {
		c.outer.Env = append(c.outer.Env, "READONLY=1")
	}
	c.outer.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := c.stderr()
	if err != nil {
		return err
	}
	defer stderr.Close()
	c.outer.Stderr = stderr
	if err := c.outer.Start(); err != nil {
		return err
	}
	go func() {
		defer close(c.ended)
		_ = c.outer.Wait()
	}()
	if err := Eventually(Patience, c.findMaster); err != nil {
		return err
	}
	return Eventually(Patience, c.ready)
}

// stderr is what nginx writes to: as with a runtime, a pipe of whoever started
// the container.
func (c *Container) stderr() (*os.File, error) {
	if c.options.Stderr != nil {
		return c.options.Stderr, nil
	}
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		defer from.Close()
		_, _ = io.Copy(&c.said, from)
	}()
	return to, to.Chown(c.options.User, c.options.User)
}

// argv leads into the namespaces, and to nginx as an image starts it.
func (c *Container) argv() ([]string, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	var argv []string
	if user := strconv.Itoa(c.options.User); c.options.User != 0 {
		argv = []string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups"}
	}
	argv = append(argv, "unshare", "--mount", "--uts", "--ipc", "--fork", "--kill-child")
	if c.options.User != 0 {
		argv = append(argv, "--user", "--map-root-user")
	}
	if !c.options.HostPIDs {
		argv = append(argv, "--pid")
	}
	if !c.options.HostNetwork {
		argv = append(argv, "--net")
	}
	argv = append(argv, "sh", "-c", enterRoot, "sh", c.Root, binary)
	if built, _ := exec.Command(binary, "-V").CombinedOutput(); !strings.Contains(string(built), "--conf-path="+ContainerConf) {
		argv = append(argv, "-c", ContainerConf)
	}
	return append(argv, "-g", "daemon off;"), nil
}

// findMaster finds the child of unshare, once it is nginx.
func (c *Container) findMaster() error {
	select {
	case <-c.ended:
		return errors.New("the container has ended")
	default:
	}
	outer := &Nginx{PID: c.outer.Process.Pid}
	found := slices.DeleteFunc(outer.Children(), func(pid int) bool {
		title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err != nil || !strings.HasPrefix(string(title), "nginx: master process")
	})
	if len(found) != 1 {
		return errors.New("nginx does not run in the container")
	}
	c.PID = found[0]
	master, err := os.FindProcess(c.PID)
	c.process = &exec.Cmd{Process: master}
	return err
}

// reachable makes the network of its own one that can be used, and published.
func (c *Container) reachable() (err error) {
	if c.options.HostNetwork {
		return nil
	}
	if c.network, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", c.PID)); err != nil {
		return err
	}
	if err := c.In(LoopbackUp); err != nil {
		return err
	}
	go c.forward()
	return nil
}

// Test runs `nginx -t` inside on the configuration as it stands.
func (c *Container) Test() error {
	binary, err := Binary()
	if err != nil {
		return err
	}
	test := exec.Command("nsenter", "--target", strconv.Itoa(c.PID), "--mount", "--pid", "--net", "--", binary, "-t", "-q", "-c", ContainerConf)
	if out, err := test.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Said is what nginx has written to its stderr.
func (c *Container) Said() string { return c.said.String() }

// Stop ends the container with all that runs in it; its mounts go with it.
func (c *Container) Stop() error {
	if c.publish != nil {
		_ = c.publish.Close()
	}
	if c.outer == nil || c.outer.Process == nil {
		return nil
	}
	if c.PID != 0 {
		_ = syscall.Kill(c.PID, syscall.SIGKILL)
	}
	_ = syscall.Kill(-c.outer.Process.Pid, syscall.SIGKILL) // all of it, where it shares our pids
	<-c.ended
	if c.network != nil {
		_ = c.network.Close()
	}
	return Eventually(Patience, c.hasEnded)
}

func (c *Container) hasEnded() error {
	if c.PID != 0 && c.running() {
		return fmt.Errorf("process %d of the container is still there", c.PID)
	}
	return nil
}

// lockedText is text that is written and read at the same time.
type lockedText struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}
