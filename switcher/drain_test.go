package switcher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/sockets"
)

// patient lets an answer take longer than a test does.
const patient = "proxy_read_timeout 1h; client_header_timeout 1h;"

// drained asks once.
func (s *stand) drained(color switcher.Color) (switcher.Drain, error) {
	return s.Drain(context.Background(), color, 0, func(switcher.Drain, time.Duration) {})
}

// open waits until so many connections keep a color from being stopped, and as
// many workers as there are old ones.
func (s *stand) open(color switcher.Color, connections int) switcher.Drain {
	s.t.Helper()
	var got switcher.Drain
	var err error
	if late := nginxtest.Eventually(nginxtest.Patience, func() error {
		workers := len(s.Draining())
		got, err = s.drained(color)
		if len(got.Keeping()) != workers || got.Connections() != connections || got.Unread != nil {
			return fmt.Errorf("%v, of %d old workers: %w", got, workers, err)
		}
		return nil
	}); late != nil {
		s.t.Errorf("want %d connections to %s: %v", connections, color, late)
	}
	if got.Drained() != (err == nil) || got.Drained() && connections > 0 {
		s.t.Errorf("%v: drained %v, %v", got, got.Drained(), err)
	}
	return got
}

func (s *stand) switched(color switcher.Color) switcher.Result {
	s.t.Helper()
	result, err := s.to(color)
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

// silent opens a connection to nginx on which nothing is asked yet.
func (s *stand) silent() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	from := sockets.End{Address: conn.LocalAddr().(*net.TCPAddr).AddrPort()}
	s.eventually(func() error { // else the next generation may accept it
		held, err := sockets.Connections(s.Workers(), false)
		for _, ends := range held {
			if slices.Contains(ends, from) {
				return nil
			}
		}
		return fmt.Errorf("no worker has accepted %v: %w", from, err)
	})
	return conn
}

// What was opened before a switch keeps the color that it was opened to from
// being stopped, an answer that goes on as well as a connection on which nothing
// was asked yet. When the last of it is closed, nothing does.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{HTTP: patient})
	s.open("", 0)
	held := []io.Closer{s.holdAt("hold"), s.holdAt("hold"), s.silent()}
	s.switched(switcher.Green)
	for _, connections := range []int{2, 1, 0} {
		d := s.open(switcher.Blue, connections)
		if d.Drained() {
			t.Errorf("%d connections and a silent one are open, and it is drained", connections)
		}
		for _, w := range d.Workers {
			if w.Color != switcher.Blue || w.Since.IsZero() || time.Since(w.Since) > time.Minute {
				t.Errorf("%+v, want one of blue", w)
			}
		}
		_ = held[2-connections].Close()
	}
	s.drains(switcher.Blue)
	_, err := s.drained(switcher.Green)
	s.refusal(err, switcher.NotDrained, "green is live")
}

// drains waits until nothing is left of a color.
func (s *stand) drains(color switcher.Color) {
	s.t.Helper()
	got, err := s.Drain(context.Background(), color, nginxtest.Patience, func(switcher.Drain, time.Duration) {})
	if err != nil || !got.Drained() {
		s.t.Errorf("%s: %v, %v", color, got, err)
	}
}

func (s *stand) refusal(err error, outcome switcher.Outcome, text string) {
	s.t.Helper()
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != outcome || !strings.Contains(failed.Error(), text) {
		s.t.Errorf("got %v, want %s: %s", err, outcome, text)
	}
}

// holdAt opens an answer at a path that does not end by itself.
func (s *stand) holdAt(path string) io.Closer {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(s.URL() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		s.t.Fatal(response.Status)
	}
	return response.Body
}

// However the servers are reached, their connections are counted, those of health
// checks and of workers that serve are not, and when the last is closed nothing
// is open.
func TestDrainOfEachKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tcp4", "tcp6", "unix", "name"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStandIn(t, rightstest.OpenFolder(t), nginxtest.Options{Apps: kind, HTTP: patient})
			preview := fmt.Sprintf(`proxy_http_version 1.1;
				location / { proxy_pass http://myapp; }
				location /preview/ { proxy_pass http://%s/; }`, s.Blue.Addr)
			if strings.HasPrefix(s.Blue.Addr, "unix:") {
				preview = strings.Replace(preview, s.Blue.Addr, s.Blue.Addr+":", 1)
			}
			if err := s.WriteConf(nginxtest.Options{Server: preview, HTTP: patient}); err != nil {
				t.Fatal(err)
			}
			const n = 5
			var held []io.Closer
			for range n {
				held = append(held, s.holdAt("hold"))
			}
			s.switched(switcher.Green)
			s.holdAt("preview/hold")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				for ctx.Err() == nil {
					s.Check(ctx, switcher.Blue)
					time.Sleep(time.Millisecond)
				}
			}()
			for left := n; left > 0; left-- {
				if d := s.open(switcher.Blue, left); len(d.Backends) != 1 || d.Backends[0].Name != s.Blue.Addr {
					t.Errorf("%+v, want the one of %s", d.Backends, s.Blue.Addr)
				}
				_ = held[left-1].Close()
			}
			s.drains(switcher.Blue)
		})
	}
}

// ss counts the connections that processes have to an address.
func ss(pids []int, address string) (n int, err error) {
	out, err := exec.Command("ss", "-Htnp", "dst", address).Output()
	for line := range strings.Lines(string(out)) {
		if slices.ContainsFunc(pids, func(pid int) bool { return strings.Contains(line, fmt.Sprintf("pid=%d,", pid)) }) {
			n++
		}
	}
	return n, err
}

// While many connections are closed one by one, each look agrees with ss.
func TestDrainAgreesWithSS(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.SS)
	n := 20
	if soaking() {
		n = 500
	}
	s := newStand(t, nginxtest.Options{Events: "worker_connections 8192;", HTTP: patient})
	var held []io.Closer
	for range n {
		held = append(held, s.holdAt("hold"))
	}
	s.switched(switcher.Green)
	for left := n; left > 0; left-- {
		workers := s.Draining()
		if err := nginxtest.Eventually(nginxtest.Patience, func() error {
			if counted, err := ss(workers, s.Blue.Addr); err != nil || counted != left {
				return fmt.Errorf("ss counts %d (%v), want %d", counted, err, left)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if d, _ := s.drained(switcher.Blue); d.Connections() != left || d.Drained() {
			t.Fatalf("ss counts %d, and this %v", left, d)
		}
		if left%100 == 0 {
			t.Logf("%d are left, and both count that", left)
		}
		_ = held[left-1].Close()
	}
	s.drains(switcher.Blue)
}

// reloadByHand has nginx load what stands, and waits until other workers serve.
func (s *stand) reloadByHand() {
	s.t.Helper()
	before := s.Workers()
	if err := s.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	s.eventually(func() error {
		now := s.Workers()
		if len(now) < len(before) || slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) }) {
			return fmt.Errorf("workers %v, before %v", now, before)
		}
		return nil
	})
}

// colors are what old workers pass to, the oldest worker first.
func colors(d switcher.Drain) (list []switcher.Color) {
	workers := slices.SortedFunc(slices.Values(d.Workers), func(a, b switcher.OldWorker) int { return int(a.Start) - int(b.Start) })
	for _, w := range workers {
		list = append(list, w.Color)
	}
	return list
}

func (s *stand) passing(want ...switcher.Color) switcher.Drain {
	s.t.Helper()
	var d switcher.Drain
	s.eventually(func() error { // one that has nothing open takes a moment to end
		d, _ = s.drained("")
		if got := colors(d); !slices.Equal(got, want) {
			return fmt.Errorf("old workers pass to %q, want %q", got, want)
		}
		return nil
	})
	return d
}

// Old workers of a color that is live again keep nobody from stopping the other.
// What they pass to is known of those that our switches started or ended, and of
// what others have reloaded of the same file; not of what was edited by hand.
func TestDrainOfSeveralGenerations(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 1, HTTP: patient})
	const blue, green, unknown = switcher.Blue, switcher.Green, switcher.Color("")
	first := s.holdAt("hold")
	s.switched(green)
	second := s.holdAt("hold")
	s.switched(blue)
	if d := s.passing(blue, green); len(d.Keeping()) != 1 || d.Connections() != 1 {
		t.Errorf("%v: want one worker, with one connection, that keeps green", d)
	}
	_ = second.Close()
	s.drains(green)
	s.passing(blue)

	third := s.holdAt("hold")
	s.reloadByHand()
	fourth := s.holdAt("hold")
	s.reloadByHand()
	if d := s.passing(blue, blue, blue); !d.Drained() {
		t.Errorf("%v keep green, and pass to blue", d)
	}
	s.switched(green)
	if d := s.passing(blue, blue, blue); len(d.Keeping()) != 3 || d.Connections() != 3 {
		t.Errorf("%v: want 3 workers and 3 connections", d)
	}

	// By hand to blue and back, with a reload each: what served between is unknown.
	green1 := s.live()
	s.write(nginxtest.LiveFile(s.Blue.Addr))
	s.reloadByHand()
	fifth := s.silent()
	s.write(green1)
	s.reloadByHand()
	if _, err := s.drained(""); err == nil {
		t.Error("drained, and nobody knows what nginx has loaded")
	}
	s.switched(green)
	s.passing(blue, blue, blue, unknown)
	for _, held := range []io.Closer{first, third, fourth} {
		_ = held.Close()
	}
	s.eventually(func() error {
		if d, _ := s.drained(blue); len(d.Workers) > 1 {
			return errors.New(d.String())
		}
		return nil
	})
	if d := s.passing(unknown); len(d.Keeping()) != 1 {
		t.Errorf("%v: what is unknown has to count", d)
	}
	_ = fifth.Close()
	s.drains(blue)
}

func (s *stand) write(live string) {
	s.t.Helper()
	if err := os.WriteFile(s.Live, []byte(live), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// A worker that is killed is waited for no longer, and one that a master has left
// that was killed is: it may have been told to end by hand.
func TestDrainOfTheKilled(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 1, HTTP: patient})
	s.holdAt("hold")
	s.switched(switcher.Green)
	killed := s.Draining()[0]
	waiting := make(chan error, 1)
	told := make(chan struct{}, 1000)
	go func() {
		_, err := s.Drain(context.Background(), "", nginxtest.Patience, func(switcher.Drain, time.Duration) { told <- struct{}{} })
		waiting <- err
	}()
	<-told
	_ = syscall.Kill(killed, syscall.SIGKILL)
	if err := <-waiting; err != nil {
		t.Error(err)
	}

	held := s.holdAt("hold")
	s.switched(switcher.Blue)
	old := s.Draining()[0]
	serving := s.Workers()[0]
	if err := s.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, err := s.drained("")
	s.refusal(err, switcher.Failed, "it is unknown whether anything is open")
	_ = syscall.Kill(serving, syscall.SIGTERM)
	s.gone(serving)
	again := s.startAgain()
	defer again()
	d, err := s.drained(switcher.Green)
	if err == nil || len(d.Workers) != 1 || d.Workers[0].PID != old || d.Workers[0].Color != switcher.Green || d.Connections() != 1 {
		t.Errorf("%+v, %v: want worker %d, which a master that was killed has left", d, err, old)
	}
	_ = held.Close()
	s.drains(switcher.Green)
}

// startAgain starts nginx once more, when its master was killed.
func (s *stand) startAgain() (stop func()) {
	s.t.Helper()
	again := exec.Command(s.Switcher.Nginx.Binary, "-p", s.Dir, "-c", s.Conf)
	if err := again.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.eventually(func() error {
		running := s.Status(context.Background()).Running
		if running.Err != nil || len(running.Workers.Serving) == 0 {
			return fmt.Errorf("not started again: %v", running.Err)
		}
		return nil
	})
	return func() {
		_ = again.Process.Signal(syscall.SIGTERM)
		_ = again.Wait()
	}
}

// Where nginx is only commanded, nothing is known, and that is never a yes.
func TestDrainOfWhatCannotBeSeen(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.Switcher.Nginx = &nginx.Nginx{Binary: s.Switcher.Nginx.Binary, Conf: "/nowhere/nginx.conf", Reload: []string{"true"}, Test: []string{"true"}}
	_, err := s.drained("")
	s.refusal(err, switcher.Failed, "it is unknown whether anything is open")
}

// An nginx in a container is looked at as one on the host is: in its network, by
// the names that it knows.
func TestDrainInAContainer(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{HTTP: patient})
	held := s.holdAt("hold")
	s.switched(switcher.Green)
	d, err := s.drained(switcher.Blue)
	if err == nil || d.Unread != nil || d.Connections() != 1 || len(d.Keeping()) != 1 {
		t.Errorf("%+v, %v: want one connection", d, err)
	}
	_ = held.Close()
	s.drains(switcher.Blue)
}

// A connection that was upgraded, as a websocket is, is open like any other, and a
// download that is half done.
func TestDrainOfUpgraded(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{HTTP: patient, Server: `location / {
		proxy_pass http://myapp; proxy_http_version 1.1;
		proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }`})
	socket := s.silent()
	if _, err := fmt.Fprint(socket, "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(socket, answer); err != nil || string(answer) != "HTTP/1.1 101" {
		t.Fatalf("%s, %v: want an upgrade", answer, err)
	}
	s.switched(switcher.Green)
	s.open(switcher.Blue, 1)
	_ = socket.Close()
	s.drains(switcher.Blue)
}

// Where nothing but its connections ends an old worker, that is pointed out.
func TestDrainWithoutTimeout(t *testing.T) {
	t.Parallel()
	for main, want := range map[string]bool{"": true, "worker_shutdown_timeout 1h;": false, "include %s/more.conf;": false} {
		dir := rightstest.OpenFolder(t)
		if err := os.WriteFile(dir+"/more.conf", []byte("worker_shutdown_timeout 1h;\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		s := newStandIn(t, dir, nginxtest.Options{HTTP: patient, Main: strings.ReplaceAll(main, "%s", dir)})
		s.holdAt("hold")
		s.switched(switcher.Green)
		d, _ := s.drained("")
		if noted := slices.ContainsFunc(d.Notes, func(note string) bool { return strings.Contains(note, "worker_shutdown_timeout") }); noted != want {
			t.Errorf("%q: %q", main, d.Notes)
		}
	}
}

// A file that nginx reads no more says nothing of where the traffic goes, though
// it was not touched since a switch.
func TestDrainOfAFileThatIsNotRead(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.switched(switcher.Green)
	s.drains(switcher.Blue)
	conf, err := os.ReadFile(s.Conf)
	if err != nil {
		t.Fatal(err)
	}
	passing := strings.Replace(string(conf), "http://myapp", "http://"+s.Blue.Addr, 1)
	passing = strings.Replace(passing, "include "+s.Dir+"/conf.d/*.conf;", "", 1)
	if err := os.WriteFile(s.Conf, []byte(passing), 0o644); err != nil {
		t.Fatal(err)
	}
	s.reloadByHand()
	s.answers(switcher.Blue, 3)
	_, err = s.drained(switcher.Blue)
	s.refusal(err, switcher.Failed, "it is unknown whether it is idle")
	if err := os.WriteFile(s.Conf, conf, 0o644); err != nil {
		t.Fatal(err)
	}
	s.reloadByHand()
	s.drains(switcher.Blue)
}
