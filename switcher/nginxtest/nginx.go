// Package nginxtest runs a private nginx, two small apps behind it and steady
// load through it: for tests, the demo and the benchmarks. Nothing of the
// system's nginx is touched; ports come from the kernel.
package nginxtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrNoNginx says what to type where nginx is missing.
var ErrNoNginx = errors.New("nginx is needed: run `go tool -modfile=cmd/tools.mod task nginx`")

// Binary is the nginx to run: $BGSWITCH_TEST_NGINX, else that of PATH or of
// the system's folders. The error is ErrNoNginx.
func Binary() (string, error) {
	for _, name := range []string{os.Getenv("BGSWITCH_TEST_NGINX"), "nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoNginx
}

// Options is what a private nginx differs in.
type Options struct {
	Workers int    // worker_processes; 0: 2
	Live    string // the content of the live file
	Main    string // further main-level directives
	HTTP    string // further directives of the http block
	Events  string // in place of worker_connections
	Listen  string // in place of 127.0.0.1:PORT; %d is the port
	Server  string // in place of the location that passes to the upstream myapp
	User    *syscall.Credential
	Launch  []string // argv that nginx's own is appended to
	Daemon  bool     // let nginx go to the background, as it does by itself
	Apps    string   // how a site's apps are reached: "tcp6", "unix" or "name"; empty: IPv4
}

// Nginx is a private nginx that runs. All its files are below Dir.
type Nginx struct {
	Dir, Conf, Live, ErrorLog, PIDFile string
	Addr                               string // host:port it listens on
	PID                                int    // of the master

	options Options
	port    int
	process *exec.Cmd
	ended   chan struct{}
}

// Start writes a configuration below dir and runs nginx on it; it returns when
// every worker serves.
func Start(dir string, o Options) (*Nginx, error) {
	n := &Nginx{
		Dir: dir, Conf: filepath.Join(dir, "nginx.conf"), Live: filepath.Join(dir, "conf.d", "active_upstream.conf"),
		ErrorLog: filepath.Join(dir, "error.log"), PIDFile: filepath.Join(dir, "nginx.pid"), options: o,
	}
	if n.options.Workers == 0 {
		n.options.Workers = 2
	}
	if err := os.MkdirAll(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(n.Live, []byte(o.Live), 0o644); err != nil {
		return nil, err
	}
	if err := Eventually(Patience, func() error { return Old(n.Live) }); err != nil {
		return nil, err
	}
	var err error
	for range 5 { // the port that the kernel gave may be taken again meanwhile
		if err = n.choosePort(); err != nil {
			return nil, err
		}
		if err = n.launch(); err == nil {
			return n, nil
		}
	}
	return nil, err
}

// older is by how much a file has to be older than a process to be told from one
// that was changed since: starts are counted in ticks of 10 ms.
const older = 40 * time.Millisecond

// Old is nil when whatever starts now is younger than the file for certain; ask
// it with Eventually.
func Old(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	changed := info.Sys().(*syscall.Stat_t).Ctim
	if age := time.Since(time.Unix(changed.Unix())); age < older {
		return fmt.Errorf("%s is only %v old", path, age)
	}
	return nil
}

func (n *Nginx) choosePort() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n.port = listener.Addr().(*net.TCPAddr).Port
	n.Addr = listener.Addr().String()
	return errors.Join(listener.Close(), n.WriteConf(n.options))
}

// URL is where nginx answers.
func (n *Nginx) URL() string { return "http://" + n.Addr + "/" }

// WriteConf writes the main configuration anew, without loading it.
func (n *Nginx) WriteConf(o Options) error {
	if o.Workers == 0 {
		o.Workers = n.options.Workers
	}
	if o.Events == "" {
		o.Events = "worker_connections 1024;"
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:%d"
	}
	if o.Server == "" {
		o.Server = "location / { proxy_pass http://myapp; proxy_http_version 1.1; proxy_set_header Connection \"\"; }"
	}
	if strings.Contains(o.Listen, "%d") {
		o.Listen = fmt.Sprintf(o.Listen, n.port)
	}
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "    %s_temp_path %s/%s_temp;\n", kind, n.Dir, kind)
	}
	conf := fmt.Sprintf("%s\nworker_processes %d;\npid %s;\n%s\n%s\nevents { %s }\nhttp {\n    access_log off;\n%s    include %s/conf.d/*.conf;\n%s\n    server { listen %s; %s }\n}\n",
		n.daemonLine(), o.Workers, n.PIDFile, errorLogLine(n.ErrorLog, o.Main), o.Main, o.Events, temporary.String(), n.Dir, o.HTTP, o.Listen, o.Server)
	return os.WriteFile(n.Conf, []byte(conf), 0o644)
}

func (n *Nginx) daemonLine() string {
	if n.options.Daemon {
		return ""
	}
	return "daemon off;"
}

func errorLogLine(path, main string) string {
	if strings.Contains(main, "error_log ") {
		return ""
	}
	return "error_log " + path + " notice;"
}

func (n *Nginx) launch() error {
	binary, err := Binary()
	if err != nil {
		return err
	}
	argv := append(append([]string{}, n.options.Launch...), binary, "-p", n.Dir, "-c", n.Conf)
	if err := n.letTimePass(); err != nil {
		return err
	}
	n.process = exec.Command(argv[0], argv[1:]...)
	var said strings.Builder
	n.process.Stderr = &said
	n.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: n.options.User}
	n.process.WaitDelay = time.Second
	if err := n.process.Start(); err != nil {
		return err
	}
	n.ended = make(chan struct{})
	if n.options.Daemon {
		if err := n.adopt(); err != nil {
			return errors.Join(err, errors.New(said.String()))
		}
	} else {
		n.PID = n.process.Process.Pid
		go func() {
			defer close(n.ended)
			_ = n.process.Wait()
		}()
	}
	if err := Eventually(Patience, n.ready); err != nil {
		return errors.Join(fmt.Errorf("nginx did not start: %w", err), n.Stop(), errors.New(said.String()))
	}
	return nil
}

// letTimePass waits until it can be told that nginx starts after its files were
// written: the kernel counts starts in ticks of 10 ms.
func (n *Nginx) letTimePass() error {
	info, err := os.Stat(n.Live)
	if err != nil {
		return err
	}
	time.Sleep(time.Until(info.ModTime().Add(50 * time.Millisecond)))
	return nil
}

// adopt finds the master that went to the background.
func (n *Nginx) adopt() error {
	if err := n.process.Wait(); err != nil {
		return err
	}
	if err := Eventually(Patience, func() error {
		text, err := os.ReadFile(n.PIDFile)
		if err == nil {
			_, err = fmt.Sscan(string(text), &n.PID)
		}
		return err
	}); err != nil {
		return err
	}
	master, err := os.FindProcess(n.PID)
	n.process.Process = master
	go func() {
		defer close(n.ended)
		for n.running() {
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return err
}

func (n *Nginx) running() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.PID))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func (n *Nginx) ready() error {
	select {
	case <-n.ended:
		return errors.New("it has ended")
	default:
	}
	if got := len(n.Workers()); got < n.options.Workers {
		return fmt.Errorf("%d of %d workers serve", got, n.options.Workers)
	}
	return nil
}

// Workers are the pids of the workers that serve.
func (n *Nginx) Workers() []int { return n.titled("nginx: worker process") }

// Draining are the pids of the workers that are shutting down.
func (n *Nginx) Draining() []int { return n.titled("nginx: worker process is shutting down") }

// Reloaded is nil when a whole new set of workers serves and all those named
// are gone; ask it with Eventually.
func (n *Nginx) Reloaded(before []int) error {
	for _, pid := range slices.Concat(n.Workers(), n.Draining()) {
		if slices.Contains(before, pid) {
			return fmt.Errorf("worker %d is still there", pid)
		}
	}
	return n.ready()
}

func (n *Nginx) titled(title string) []int {
	return slices.DeleteFunc(n.Children(), func(pid int) bool {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err != nil || strings.TrimRight(string(cmdline), "\x00 ") != title
	})
}

// Children are the pids of all that the master has started.
func (n *Nginx) Children() []int {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", n.PID, n.PID))
	if err != nil {
		return nil
	}
	var found []int
	for _, field := range strings.Fields(string(list)) {
		var pid int
		fmt.Sscan(field, &pid)
		found = append(found, pid)
	}
	return found
}

// Signal sends a signal to the master.
func (n *Nginx) Signal(sig syscall.Signal) error { return n.process.Process.Signal(sig) }

// Stop ends the master and all its workers, and waits for it.
func (n *Nginx) Stop() error {
	_ = n.process.Process.Signal(syscall.SIGCONT)
	_ = n.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(3 * time.Second):
	}
	err := syscall.Kill(-n.PID, syscall.SIGKILL) // whatever is left of the group
	<-n.ended
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// Test runs `nginx -t` on the configuration as it stands.
func (n *Nginx) Test() error {
	binary, err := Binary()
	if err != nil {
		return err
	}
	out, err := exec.Command(binary, "-t", "-q", "-p", n.Dir, "-c", n.Conf).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Patience is how long something that has to come may take on a busy machine:
// tests that wait for ever say nothing.
const Patience = 20 * time.Second

// Eventually calls check until it returns nil, at most for limit.
func Eventually(limit time.Duration, check func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}
