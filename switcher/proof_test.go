package switcher_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// A reload that has parsed the old file before ours replaces it brings a first
// generation with the old file: only the second one is ours.
func TestReloadUnderWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newStandIn(t, dir, nginxtest.Options{HTTP: tree(t, dir, 300)}) // it is still parsed when ours comes
	rounds := 12
	if soaking() {
		rounds = 300
	}
	met := 0
	s.underLoad(func() {
		for i := range rounds {
			stop := s.whenOursStandsBeside(func() {
				_ = s.Signal(syscall.SIGHUP)
			})
			before := s.reloads()
			_, err := s.to(bothColors[i%2])
			if stop() && s.reloads()-before >= 2 {
				met++
			}
			if err != nil {
				t.Fatalf("switch %d: %v", i, err)
			}
			s.answers(bothColors[i%2], 20)
		}
	})
	t.Logf("in %d of %d rounds more than our own reload was counted", met, rounds)
	if met == 0 {
		t.Error("no reload of somebody else's was under way")
	}
	s.sound([]switcher.Color{switcher.Blue, switcher.Green}[rounds%2], 2)
}

// reloads counts what nginx has logged of reloads so far.
func (s *stand) reloads() int {
	s.t.Helper()
	text, err := os.ReadFile(s.ErrorLog)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Count(string(text), ": reconfiguring")
}

// whenOursStandsBeside calls do once, as soon as the new file is written beside
// the live one, after the journal; stop says whether it was.
func (s *stand) whenOursStandsBeside(do func()) (stop func() bool) {
	s.t.Helper()
	return s.whenInFolder(unix.IN_CREATE, func(name string) bool { return !strings.HasSuffix(name, "journal") }, do)
}

// whenInFolder calls do once, as soon as something happens to a file of the
// live one's folder; stop says whether it was.
func (s *stand) whenInFolder(what uint32, is func(name string) bool, do func()) (stop func() bool) {
	s.t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		_, err = unix.InotifyAddWatch(watch, filepath.Dir(s.Live), what)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	ending, called := make(chan struct{}), make(chan bool, 1)
	go func() {
		defer unix.Close(watch)
		ready := []unix.PollFd{{Fd: int32(watch), Events: unix.POLLIN}}
		for {
			if n, _ := unix.Poll(ready, 5); n > 0 && slices.ContainsFunc(namesOf(watch), is) {
				do()
				called <- true
				return
			}
			select {
			case <-ending:
				called <- false
				return
			default:
			}
		}
	}()
	return func() bool { close(ending); return <-called }
}

// namesOf reads the names in inotify's events.
func namesOf(watch int) (names []string) {
	var buffer [4096]byte
	n, err := unix.Read(watch, buffer[:])
	if err != nil {
		return nil
	}
	for events := buffer[:n]; len(events) >= unix.SizeofInotifyEvent; {
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		names = append(names, strings.TrimRight(string(events[unix.SizeofInotifyEvent:end]), "\x00"))
		events = events[end:]
	}
	return names
}

// nginx killed in the middle of a switch: nothing is claimed, the file is whole
// and says what the orphaned workers serve; nginx starts from it.
func TestMasterKilledMeanwhile(t *testing.T) {
	t.Parallel()
	rounds := 3
	if soaking() {
		rounds = 50
	}
	for i := range rounds {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			old := s.live()
			stop := s.whileGreenIsInTheFile(old, func(green bool) {
				if green {
					time.Sleep(time.Duration(i%6) * time.Millisecond)
					_ = s.Signal(syscall.SIGKILL)
				}
			})
			result, err := s.to(switcher.Green)
			stop()
			var failed *switcher.Error
			switch {
			case err == nil: // killed when all was done
				if got := s.live(); got == old {
					t.Errorf("%s, and the file is the old one", result.Outcome)
				}
			case !errors.As(err, &failed) || failed.Outcome != switcher.Stuck:
				t.Errorf("got %v, want it to be stuck", err)
			default:
				if s.live() != old {
					t.Errorf("the live file is not the old one:\n%s", s.live())
				}
				if !strings.Contains(failed.Traffic, "master has ended") {
					t.Errorf("it does not say that nginx has ended: %v; %s", err, failed.Traffic)
				}
				s.oneOfThem(5) // both, where the new generation ran already
			}
			if err := s.Test(); err != nil {
				t.Error(err)
			}
			s.nothingBeside()
		})
	}
}

// oneOfThem makes sure that every fresh connection is answered.
func (s *stand) oneOfThem(n int) {
	s.t.Helper()
	if got := nginxtest.Answers(s.URL(), n); got["blue"]+got["green"] != n {
		s.t.Errorf("answers of %d fresh connections: %v", n, got)
	}
}

// Where nginx logs, and from which level on, is told by nobody to the proof.
func TestErrorLogs(t *testing.T) {
	t.Parallel()
	zone := func(key string) string { return "limit_req_zone " + key + " zone=one:1m rate=1000r/s;" }
	for name, c := range map[string]struct {
		log, later func(dir string) string
		says       string
	}{
		"level error, another file": {log: logTo("other.log error"), says: "[emerg]"},
		"level crit":                {log: logTo("other.log crit"), says: "[emerg]"},
		"moved by the same reload":  {log: logTo("one.log notice"), later: logTo("two.log notice"), says: "[emerg]"},
		"stderr":                    {log: func(string) string { return "error_log stderr notice;" }, says: "not loaded the configuration"},
		"syslog":                    {log: func(dir string) string { return "error_log syslog:server=unix:" + dir + "/none.sock notice;" }, says: "not loaded the configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := nginxtest.Options{Main: c.log(dir), HTTP: zone("$binary_remote_addr")}
			s := newStandIn(t, dir, o)
			if c.later != nil {
				o.Main = c.later(dir)
			}
			s.edited(o)
			s.underLoad(func() {
				for _, color := range []switcher.Color{switcher.Green, switcher.Blue} {
					if _, err := s.to(color); err != nil {
						t.Fatal(err)
					}
					s.sound(color, 2)
				}
				o.Main, o.HTTP = c.log(dir), zone("$uri")
				s.edited(o)
				s.refuses(switcher.RolledBack, c.says)
			})
		})
	}
}

func logTo(name string) func(dir string) string {
	return func(dir string) string { return "error_log " + dir + "/" + name + ";" }
}

// instead runs another command in nginx's place, on the same configuration and
// port; it ends with the test.
func (s *stand) instead(launch ...string) {
	s.t.Helper()
	if err := s.Site.Nginx.Stop(); err != nil {
		s.t.Fatal(err)
	}
	binary, err := nginxtest.Binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.begin(append(launch, binary, "-p", s.Dir, "-c", s.Conf)...)
	s.eventually(func() error {
		if got := nginxtest.Answers(s.URL(), 1); got["blue"] != 1 {
			return fmt.Errorf("answers %v", got)
		}
		return nil
	})
}

// An nginx in a pid namespace of its own calls itself process 1: it is found by
// the live file, and whoever that is here is not signalled.
func TestNestedPIDNamespace(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	s := newStand(t, nginxtest.Options{Workers: 1})
	s.instead("unshare", "-p", "-f", "--mount-proc", "--kill-child")
	if text, err := os.ReadFile(s.PIDFile); strings.TrimSpace(string(text)) != "1" {
		t.Fatalf("the pid file holds %q, %v", text, err)
	}
	result, err := s.to(switcher.Green)
	if err != nil {
		t.Fatal(err)
	}
	s.answers(switcher.Green, 10)
	if g := result.Record.Generation; g == nil || g.Master == 1 {
		t.Errorf("the generation is %+v", g)
	}
}

// An nginx that is its own only worker has no master, and no load to be proved.
func TestWithoutMasterProcess(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 1})
	s.edited(nginxtest.Options{Main: "master_process off;"})
	s.instead()
	s.refuses(switcher.Failed, "not proved to be the master")
}

// A websocket and a stream stay where they are over two switches, and nobody
// waits for them.
func TestWebsocketAndStreamOverTwoSwitches(t *testing.T) {
	t.Parallel()
	echo := echoServer(t)
	s := newStand(t, nginxtest.Options{Server: fmt.Sprintf(`location / { proxy_pass http://myapp; proxy_http_version 1.1; proxy_set_header Connection ""; }
		location /ws { proxy_pass http://%s; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }`, echo)})
	socket := s.websocket()
	s.says(socket, "before")
	stream := s.hold()
	defer stream.Close()
	s.underLoad(func() {
		for i, color := range []switcher.Color{switcher.Green, switcher.Blue} {
			result, err := s.to(color)
			if err != nil {
				t.Fatal(err)
			}
			s.answers(color, 20)
			if got := len(result.Record.Generation.Draining); got == 0 {
				t.Errorf("switch %d: no worker drains", i)
			}
			if took := result.Record.TookMS; took > 4000 {
				t.Errorf("switch %d waited %.0f ms", i, took)
			}
			s.says(socket, fmt.Sprintf("after switch %d", i))
		}
	})
	socket.Close()
	stream.Close()
	s.eventually(func() error {
		if left := s.Draining(); len(left) > 0 {
			return fmt.Errorf("still draining: %v", left)
		}
		return nil
	})
	s.sound(switcher.Blue, 2)
}

// echoServer upgrades every request and sends back what it gets.
func echoServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection, text, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		fmt.Fprint(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		for {
			line, err := text.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(connection, line)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

func (s *stand) websocket() net.Conn {
	s.t.Helper()
	connection := s.dial()
	fmt.Fprint(connection, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	for text := bufio.NewReaderSize(connection, 1); ; { // nothing of what follows may be read ahead
		line, err := text.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if line == "\r\n" {
			return connection
		}
	}
}

func (s *stand) dial() net.Conn {
	s.t.Helper()
	connection, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(30 * time.Second))
	return connection
}

func (s *stand) says(connection net.Conn, text string) {
	s.t.Helper()
	fmt.Fprintln(connection, text)
	if got, err := bufio.NewReader(connection).ReadString('\n'); got != text+"\n" {
		s.t.Errorf("the socket says %q, %v; want %q", got, err, text)
	}
}

// A connection that was opened before a switch and has asked nothing yet is
// answered all the same, by the color it was opened for; its worker is told of.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 1})
	silent := s.dial()
	s.answers(switcher.Blue, 1) // by then the only worker has taken it
	result, err := s.to(switcher.Green)
	if err != nil {
		t.Fatal(err)
	}
	s.answers(switcher.Green, 20)
	if got := len(result.Record.Generation.Draining); got != 1 {
		t.Errorf("%d draining workers, want 1", got)
	}
	fmt.Fprint(silent, "GET / HTTP/1.0\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(silent), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("X-Color"); got != "blue" {
		t.Errorf("it got status %s from %q", response.Status, got)
	}
	s.eventually(func() error {
		if left := s.Draining(); len(left) > 0 {
			return fmt.Errorf("still draining: %v", left)
		}
		return nil
	})
	s.sound(switcher.Green, 1)
}
