package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

func openSite(t *testing.T, o nginxtest.ContainerOptions) (*nginxtest.Site, *Process) {
	t.Helper()
	rightstest.Needs(t, rightstest.Namespaces)
	site, err := nginxtest.StartContainerSite(rightstest.OpenFolder(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	p, err := Open(site.PID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return site, p
}

func backend(site *nginxtest.Site, name string) health.Backend {
	return health.Backend{Name: name, Network: "tcp", Address: name}
}

// Backends are asked by the names of the container's own hosts, in its network;
// the one with a URL from here, and a socket below its root folder.
func TestAsk(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]nginxtest.ContainerOptions{"": {}, "its own users": {User: 64001}, "the host's network": {HostNetwork: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site, p := openSite(t, o)
			here := answering(t, "tcp", "127.0.0.1:0")
			answering(t, "unix", filepath.Join(site.Container.Root, "tmp/app.sock"))
			if err := os.Symlink("/tmp/app.sock", filepath.Join(site.Container.Root, "tmp/link.sock")); err != nil {
				t.Fatal(err)
			}
			check := health.Defaults()
			check.Attempts = 1
			verdicts := p.Ask(t.Context(), health.Asker{Transcribe: true}, check, []health.Backend{
				backend(site, site.Blue.Addr),
				{Name: "here", URL: health.MustParseURL("http://" + here)},
				{Name: "unix:/tmp/link.sock", Network: "unix", Address: "/tmp/link.sock"},
				{Name: "unix:/tmp/none.sock", Network: "unix", Address: "/tmp/none.sock"},
				backend(site, "app-none:1"),
			})
			for i, want := range []string{
				"healthy after 1 attempt in T: GET http://" + site.Blue.Addr + "/: status 200",
				"healthy after 1 attempt in T: GET http://" + here + "/: status 200",
				"healthy after 1 attempt in T: GET http://unix:/tmp/link.sock:/: status 200",
				"unhealthy: nothing: open /tmp/none.sock: no such file or directory",
				"unhealthy after 1 attempt in T: GET http://app-none:1/: ",
			} {
				v := verdicts[i]
				got := strings.Replace(v.String(), "in "+health.Short(v.Took), "in T", 1)
				if !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				peer := [...]string{"127.0.0.2:", here, "/tmp/app.sock", "", ""}[i] // a socket has the name that it was bound to
				if len(v.Exchanges) != v.Attempts || v.Attempts > 0 && !strings.Contains(v.Exchanges[0].Peer, peer) || v.Healthy && len(v.Exchanges[0].Sent) == 0 {
					t.Errorf("%s: it went %+v, want to %q", want, v.Exchanges, peer)
				}
			}
		})
	}
}

// What asks can do nothing but connect, though it is root's.
func TestAskRights(t *testing.T) {
	t.Parallel()
	site, p := openSite(t, nginxtest.ContainerOptions{})
	mute, err := site.Container.Listen("127.0.0.9:1")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	network, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", site.PID))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan health.Verdict, 1)
	check := health.Defaults()
	check.Timeout, check.Attempts = time.Minute, 1
	go func() { asked <- p.Ask(ctx, health.Asker{}, check, []health.Backend{backend(site, "127.0.0.9:1")})[0] }()
	err = nginxtest.Eventually(nginxtest.Patience, func() error {
		processes, _ := filepath.Glob("/proc/[0-9]*")
		for _, process := range processes {
			title, _ := os.ReadFile(process + "/cmdline")
			if its, _ := os.Readlink(process + "/ns/net"); string(title) != name+"\x00" || its != network {
				continue
			}
			status, err := readStatus(process + "/status")
			may := status.capabilities()
			if all := may.Inheritable | may.Permitted | may.Effective | may.Bounding | may.Ambient; err == nil && all != 1<<unix.CAP_DAC_OVERRIDE {
				t.Errorf("it has %x", all)
			}
			return err
		}
		return errors.New("nobody asks")
	})
	if err != nil {
		t.Error(err)
	}
	cancel()
	<-asked
}

// answering answers every question with 200.
func answering(t *testing.T, network, address string) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

// What is mute is not waited for after ctx, and what the container's names are
// looked up in may be anything.
func TestAskForever(t *testing.T) {
	t.Parallel()
	site, p := openSite(t, nginxtest.ContainerOptions{})
	mute, err := site.Container.Listen("127.0.0.9:1")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	hosts := filepath.Join(site.Container.Root, "etc/hosts")
	if err := errors.Join(os.Remove(hosts), syscall.Mkfifo(hosts, 0o644)); err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		if file, err := os.OpenFile(hosts, os.O_WRONLY, 0); err == nil {
			file.Close()
		}
	}()
	check := health.Defaults()
	check.Timeout, check.Attempts = time.Minute, 9
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	v := p.Ask(ctx, health.Asker{}, check, []health.Backend{backend(site, "127.0.0.9:1")})[0]
	if v.Healthy || !strings.Contains(v.Reason, "interrupted") || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %s", time.Since(began), v)
	}
	select {
	case <-opened:
		t.Error("the FIFO was opened")
	default:
	}
	if file, err := os.OpenFile(hosts, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
		<-opened
		file.Close()
	}
}
