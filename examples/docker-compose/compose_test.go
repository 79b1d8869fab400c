// Package compose runs the example with a real container engine.
package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// The example is run as it stands, there and back: bgswitch on the host, and
// inside nginx's container.
func TestCompose(t *testing.T) {
	if os.Getenv("BGSWITCH_SOAK") == "" {
		t.Skip("a soak test: it starts a container engine")
	}
	docker := os.Getenv("BGSWITCH_TEST_DOCKER")
	if docker == "" {
		rightstest.Without(t, "a container engine (root, and apt)")
	}
	rightstest.Needs(t, rightstest.Namespaces)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	own := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if !rightstest.Inside(t, own, "EXAMPLE="+here) {
		return
	}
	t.Chdir(os.Getenv("EXAMPLE"))
	p := newProject(t, strings.TrimSuffix(docker, "/usr/bin/docker"))
	p.compose("up", "-d")
	p.answers("blue")
	host := nginxtest.Program{Path: filepath.Join(p.dir, "bgswitch"), Settings: filepath.Join(p.dir, "bgswitch.yaml")}
	both := []string{"-f", "compose.yaml", "-f", "compose.inside.yaml"}
	for _, c := range []struct {
		name string
		run  func(args ...string) *exec.Cmd
	}{
		{"on the host", func(args ...string) *exec.Cmd { return host.Command(context.Background(), args...) }},
		{"inside", func(args ...string) *exec.Cmd {
			return p.composing(append(append(both, "exec", "-T", "web", "bgswitch"), args...)...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			if c.name == "inside" {
				p.compose(append(both, "up", "-d")...)
				p.answers("blue")
			}
			for _, color := range []string{"green", "blue", "green", "blue"} {
				if said := p.runs(c.run("to", color)); !strings.Contains(said, "proved by identity") {
					t.Errorf("%s", said)
				}
				p.answers(color)
			}
			if said := p.runs(c.run("status")); !strings.Contains(said, "blue is live") {
				t.Errorf("%s", said)
			}
			p.unchanged("conf.d/active_upstream.conf")
		})
	}
	t.Run("set up by init", func(t *testing.T) {
		p.t = t
		if err := unix.Mount("tmpfs", "/var/lib", "tmpfs", 0, ""); err != nil { // what init has written keeps its state there
			t.Fatal(err)
		}
		settings, begun := "--config="+filepath.Join(p.dir, "by-init.yaml"), time.Now()
		p.runs(host.Command(context.Background(), "init", "--yes", settings))
		said := p.runs(host.Command(context.Background(), "to", "green", settings))
		t.Logf("from the project to a proved switch: %v", time.Since(begun))
		if !strings.Contains(said, "proved by identity") {
			t.Errorf("%s", said)
		}
		p.answers("green")
	})
}

// project is a copy of the example, with an engine of its own.
type project struct {
	t         *testing.T
	dir, root string // the copy; what the engine's packages were unpacked into
}

func newProject(t *testing.T, root string) *project {
	t.Helper()
	p := &project{t: t, dir: t.TempDir(), root: root}
	if err := os.CopyFS(p.dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(p.dir, "bgswitch.yaml")
	text := strings.ReplaceAll(p.read("bgswitch.yaml"), "/srv/shop", p.dir) + "state_dir: " + filepath.Join(p.dir, "state") + "\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := nginxtest.Build(t.Context(), p.dir, settings); err != nil {
		t.Fatal(err)
	}
	if err := nginxtest.LoopbackUp(); err != nil {
		t.Fatal(err)
	}
	p.startEngine()
	p.importImage()
	return p
}

// startEngine starts the daemon; it ends with the test, and all that it started.
func (p *project) startEngine() {
	p.t.Helper()
	if err := os.Symlink("iptables-nft", filepath.Join(p.root, "usr/sbin/iptables")); err != nil && !os.IsExist(err) {
		p.t.Fatal(err) // update-alternatives makes it, where the package is installed
	}
	log, err := os.Create(filepath.Join(p.dir, "dockerd.log"))
	if err != nil {
		p.t.Fatal(err)
	}
	daemon := p.command(filepath.Join(p.root, "usr/sbin/dockerd"), "--host", p.socket(),
		"--data-root", filepath.Join(p.dir, "data"), "--exec-root", filepath.Join(p.dir, "exec"), "--pidfile", filepath.Join(p.dir, "dockerd.pid"),
		"--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
	daemon.Stdout, daemon.Stderr = log, log
	if err := daemon.Start(); err != nil {
		p.t.Fatal(err)
	}
	t := p.t
	t.Cleanup(func() {
		if out, err := p.composing("down", "-v", "-t", "0").CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		_ = log.Close()
		_ = syscall.Unmount(filepath.Join(p.dir, "data"), syscall.MNT_DETACH)
		if t.Failed() {
			t.Logf("the engine said:\n%s", p.read("dockerd.log"))
		}
	})
	if err := nginxtest.Eventually(nginxtest.Patience, func() error {
		out, err := p.command("docker", "info").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func (p *project) socket() string { return "unix://" + filepath.Join(p.dir, "docker.sock") }

// importImage makes the image that the example names, of this machine's nginx.
func (p *project) importImage() {
	p.t.Helper()
	binary, err := nginxtest.Binary()
	if err != nil {
		p.t.Fatal(err)
	}
	const pack = `set -e
root=$1; shift
mkdir -p "$root/etc/nginx" "$root/var/log/nginx" "$root/var/lib/nginx" "$root/run" "$root/tmp"
for file in "$@" $(ldd "$@" /bin/sh | grep -o '/[^ ]*\.so[^ ]*' | sort -u) /bin/sh; do
	mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"
done
ln -s /dev/stderr "$root/var/log/nginx/error.log"
printf 'root:x:0:0::/:/bin/sh\nnginx:x:101:101::/:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nnginx:x:101:\n' >"$root/etc/group"
cat >"$root/etc/nginx/nginx.conf" <<END
user nginx;
worker_processes 2;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 512; }
http { access_log off; include /etc/nginx/conf.d/*.conf; }
END
tar -C "$root" -c .`
	image := exec.Command("sh", "-c", pack, "sh", filepath.Join(p.dir, "image"), binary)
	stream, err := image.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	var said bytes.Buffer
	image.Stderr = &said
	load := p.command("docker", "import", "--change", `CMD ["`+binary+`", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"]`, "-", "nginx:stable")
	load.Stdin = stream
	if err := image.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.runs(load)
	if err := image.Wait(); err != nil {
		p.t.Fatalf("%v: %s", err, &said)
	}
}

// command is a program with the engine's environment.
func (p *project) command(name string, args ...string) *exec.Cmd {
	path := name
	for _, folder := range []string{p.root + "/usr/bin", "/usr/bin"} { // by no $PATH: python's modules are Debian's
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil && path == name {
			path = filepath.Join(folder, name)
		}
	}
	command := exec.Command(path, args...)
	command.Dir = p.dir
	libraries, _ := filepath.Glob(filepath.Join(p.root, "usr/lib/*-linux-gnu*"))
	command.Env = append(os.Environ(), "DOCKER_HOST="+p.socket(),
		"PATH="+p.root+"/usr/bin:"+p.root+"/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LD_LIBRARY_PATH="+strings.Join(libraries, ":"), "XTABLES_LIBDIR="+strings.Join(append(libraries, ""), "/xtables:"),
		"PYTHONPATH="+p.root+"/usr/lib/python3/dist-packages")
	return command
}

func (p *project) composing(args ...string) *exec.Cmd {
	return p.command("python3", append([]string{filepath.Join(p.root, "usr/bin/docker-compose"), "--project-name", "shop"}, args...)...)
}

func (p *project) compose(args ...string) {
	p.t.Helper()
	p.runs(p.composing(args...))
}

// runs runs a command that has to succeed, and returns what it printed.
func (p *project) runs(command *exec.Cmd) string {
	p.t.Helper()
	out, err := command.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v: %v\n%s", command.Args, err, out)
	}
	return string(out)
}

// answers waits for nginx, and makes sure that this color answers each of several
// fresh connections.
func (p *project) answers(color string) {
	p.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func() (string, error) {
		page, err := client.Get("http://127.0.0.1:8080/")
		if err != nil {
			return "", err
		}
		defer page.Body.Close()
		text, err := io.ReadAll(page.Body)
		return strings.TrimSpace(string(text)), err
	}
	if err := nginxtest.Eventually(nginxtest.Patience, func() error { _, err := ask(); return err }); err != nil {
		p.t.Fatal(err)
	}
	for range 20 {
		if got, err := ask(); got != color {
			p.t.Fatalf("%q answers (%v), want %s", got, err, color)
		}
	}
}

func (p *project) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// unchanged makes sure that a file of the example is as it was, byte for byte.
func (p *project) unchanged(name string) {
	p.t.Helper()
	was, err := os.ReadFile(name)
	if err != nil {
		p.t.Fatal(err)
	}
	if now := p.read(name); now != string(was) {
		p.t.Errorf("%s is now:\n%s", name, now)
	}
}
