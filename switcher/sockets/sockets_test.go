package sockets

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func dial(t *testing.T, to net.Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial(to.Addr().Network(), to.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// leading counts the connections of this process that lead to a listener.
func leading(t *testing.T, to net.Listener) (n int) {
	t.Helper()
	found, err := Connections([]int{os.Getpid()}, true)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(to.Addr().String())
	for _, end := range found[os.Getpid()] {
		switch address := to.Addr().(type) {
		case *net.TCPAddr:
			if end.Address == address.AddrPort() {
				n++
			}
		case *net.UnixAddr:
			if end.Unix != nil && end.Unix.Path == address.Name && end.Unix.Inode == uint32(info.Sys().(*syscall.Stat_t).Ino) {
				n++
			}
		}
	}
	return n
}

// Connections are found that lead to an address, of each kind, one that nobody
// has taken yet and one whose far end has closed among them; none that is closed
// here.
func TestConnections(t *testing.T) {
	for name, to := range map[string]net.Listener{
		"IPv4": listen(t, "tcp4", "127.0.0.1:0"),
		"IPv6": listen(t, "tcp6", "[::1]:0"),
		"unix": listen(t, "unix", filepath.Join(t.TempDir(), "socket")),
	} {
		t.Run(name, func(t *testing.T) {
			if n := leading(t, to); n != 0 {
				t.Fatalf("%d before any", n)
			}
			first, second := dial(t, to), dial(t, to)
			for range 2 {
				far, err := to.Accept()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { far.Close() })
				if n := leading(t, to); n != 2 {
					t.Fatalf("%d are found, want 2", n)
				}
			}
			first.Close()
			if n := leading(t, to); n != 1 {
				t.Errorf("one is closed: %d are found, want 1", n)
			}
			second.Close()
			if n := leading(t, to); n != 0 {
				t.Errorf("both are closed: %d are found", n)
			}
		})
	}
}

// A connection of IPv4 on a socket of IPv6 leads to the address as it is written.
func TestMappedAddress(t *testing.T) {
	to := listen(t, "tcp4", "127.0.0.1:0")
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	address := to.Addr().(*net.TCPAddr).AddrPort()
	mapped := netip.AddrFrom16(address.Addr().As16()).As16()
	if err := syscall.Connect(fd, &syscall.SockaddrInet6{Port: int(address.Port()), Addr: mapped}); err != nil {
		t.Fatal(err)
	}
	if n := leading(t, to); n != 1 {
		t.Errorf("%d are found, want 1", n)
	}
}

// Another process's connections are its own, and may not be anybody's to see.
func TestHeld(t *testing.T) {
	to := listen(t, "tcp4", "127.0.0.1:0")
	dial(t, to)
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = other.Process.Kill(), other.Wait() }()
	found, err := Connections([]int{other.Process.Pid, os.Getpid()}, false)
	if err != nil || len(found[other.Process.Pid]) != 0 || len(found[os.Getpid()]) == 0 {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := Held(1); os.Geteuid() != 0 && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what process 1 holds may be read: %v", err)
	}
	if _, err := Held(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that is not there: %v", err)
	}
}

func TestParseAddress(t *testing.T) {
	for _, text := range []string{"", "zz:1", "0100007F:1:2", "0100007F", "010000:0050", "0100007F:10000"} {
		if got, err := parseAddress(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// An answer of the kernel's that is cut anywhere is no reason to fall over.
func FuzzAnswer(f *testing.F) {
	f.Add(make([]byte, answerSize))
	f.Add(append(make([]byte, answerSize), 8, 0, attributePeer, 0, 1, 2, 3, 4, 5, 0, attributeName, 0, 'a'))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if len(data) >= answerSize {
			parseAnswer(data)
		}
	})
}
