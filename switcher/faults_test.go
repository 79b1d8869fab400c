package switcher_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
)

// fault is a configuration that somebody has edited and not loaded: the next
// reload of nginx, ours too, carries it.
type fault struct {
	name    string
	options nginxtest.Options // as nginx was started
	edit    func(t *testing.T, s *stand, o *nginxtest.Options)
	outcome switcher.Outcome
	says    string
	early   bool // seen before nginx is asked
}

// expected is the outcome where nginx's test may be run aside; elsewhere it
// can refuse the new file only in its place.
func (f fault) expected() switcher.Outcome {
	if f.outcome == switcher.NotAccepted && !f.early && !nginxtest.MayMount() {
		return switcher.RolledBack
	}
	return f.outcome
}

var faults = []fault{
	{
		name:    "a syntax error elsewhere",
		edit:    func(_ *testing.T, _ *stand, o *nginxtest.Options) { o.HTTP = "nonsense on;" },
		outcome: switcher.NotAccepted, says: `unknown directive "nonsense"`,
	},
	{
		name:    "a port that another process has",
		edit:    func(t *testing.T, _ *stand, o *nginxtest.Options) { o.HTTP = server(takenPort(t)) },
		outcome: switcher.RolledBack, says: "98: Address already in use",
	},
	{
		name:    "a listen made wider",
		edit:    func(_ *testing.T, _ *stand, o *nginxtest.Options) { o.Listen = "%d" },
		outcome: switcher.RolledBack, says: "98: Address already in use",
	},
	{
		name: "a certificate that is missing",
		edit: func(_ *testing.T, s *stand, o *nginxtest.Options) {
			o.HTTP = fmt.Sprintf("server { listen unix:%s/tls.sock ssl; ssl_certificate %s/no.pem; ssl_certificate_key %s/no.key; }", s.Dir, s.Dir, s.Dir)
		},
		outcome: switcher.NotAccepted, says: "no.pem",
	},
	{
		name: "an upstream that does not resolve",
		edit: func(_ *testing.T, _ *stand, o *nginxtest.Options) {
			o.HTTP = "upstream other { server no-such-host.invalid; }"
		},
		outcome: switcher.NotAccepted, says: "host not found",
	},
	{
		name:    "a log in a folder that is missing",
		edit:    func(_ *testing.T, s *stand, o *nginxtest.Options) { o.HTTP = "access_log " + s.Dir + "/no/access.log;" },
		outcome: switcher.NotAccepted, says: "2: No such file or directory",
	},
	{
		name:    "another key for a zone",
		options: nginxtest.Options{HTTP: "limit_req_zone $binary_remote_addr zone=one:1m rate=1000r/s;"},
		edit: func(_ *testing.T, _ *stand, o *nginxtest.Options) {
			o.HTTP = "limit_req_zone $uri zone=one:1m rate=1000r/s;"
		},
		outcome: switcher.RolledBack, says: `while previously it used the "$binary_remote_addr" key`,
	},
	{
		name:    "another path for a cache",
		options: nginxtest.Options{HTTP: "proxy_cache_path cache_a keys_zone=c:1m;"},
		edit: func(_ *testing.T, _ *stand, o *nginxtest.Options) {
			o.HTTP = "proxy_cache_path cache_b keys_zone=c:1m;"
		},
		outcome: switcher.RolledBack, says: "while previously it used",
	},
	{
		name:    "a working_directory that is missing",
		edit:    func(_ *testing.T, s *stand, o *nginxtest.Options) { o.Main = "working_directory " + s.Dir + "/no;" },
		outcome: switcher.NotAccepted, says: "working_directory", early: true,
	},
	{
		name: "a working_directory that workers may not enter",
		edit: func(t *testing.T, s *stand, o *nginxtest.Options) {
			work := filepath.Join(s.Dir, "shut")
			if err := os.Mkdir(work, 0o000); err != nil {
				t.Fatal(err)
			}
			o.Main = "working_directory " + work + ";"
		},
		outcome: switcher.NotAccepted, says: "permission denied", early: true,
	},
	{
		name:    "more connections than there is memory",
		edit:    func(_ *testing.T, _ *stand, o *nginxtest.Options) { o.Events = "worker_connections 2000000000;" },
		outcome: switcher.NotAccepted, says: "worker_connections 2000000000", early: true,
	},
	{
		name:    "an address that left the host",
		edit:    func(_ *testing.T, _ *stand, o *nginxtest.Options) { o.HTTP = server("192.0.2.1:80") },
		outcome: switcher.NotAccepted, says: "99: Cannot assign requested address",
	},
}

func server(listen string) string { return "server { listen " + listen + "; return 204; }" }

func takenPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestNginxSaysYesAndDoesNo(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, f.options)
			o := f.options
			f.edit(t, s, &o)
			if err := s.WriteConf(o); err != nil {
				t.Fatal(err)
			}
			load := &nginxtest.Load{URL: s.URL(), Clients: 2, KeepAlive: true}
			load.Start()
			s.refuses(f.expected(), f.says)
			s.lost(load, 0)
		})
	}
}

// refuses switches to green and makes sure that it did not happen, that it
// says why, and that everything is where it was.
func (s *stand) refuses(outcome switcher.Outcome, says string) *switcher.Error {
	s.t.Helper()
	before, workers := s.live(), s.Workers()
	result, err := s.to(switcher.Green)
	var failed *switcher.Error
	if !errors.As(err, &failed) {
		s.t.Fatalf("the switch: %v, %v; want it to fail", result.Outcome, err)
	}
	if failed.Outcome != outcome {
		s.t.Errorf("outcome %q, want %q: %v; %s", failed.Outcome, outcome, err, failed.Traffic)
	}
	if !strings.Contains(err.Error(), says) {
		s.t.Errorf("the error does not say %q: %v", says, err)
	}
	if s.live() != before {
		s.t.Errorf("the live file is not the old one:\n%s", s.live())
	}
	if outcome != switcher.RolledBack && fmt.Sprint(workers) != fmt.Sprint(s.Workers()) {
		s.t.Errorf("workers %v, want %v: nginx was reloaded", s.Workers(), workers)
	}
	s.nothingBeside()
	s.answers(switcher.Blue, 20)
	return failed
}

// nothingBeside makes sure that the live file's folder holds nothing else.
func (s *stand) nothingBeside() {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(s.Live))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(entries) != 1 {
		s.t.Errorf("beside the live file: %v", entries)
	}
}

func (s *stand) lost(load *nginxtest.Load, most int) {
	s.t.Helper()
	counts := load.Stop()
	if counts.Failed > most || counts.Requests == 0 {
		s.t.Errorf("%d of %d requests failed, the first: %s", counts.Failed, counts.Requests, counts.FirstFailure)
	}
}

// New workers that die while they start are the worst there is: 100 ms later
// the master ends the old ones all the same. The old file must be back, and
// loaded, before the time for a load is up.
func TestOutageIsShort(t *testing.T) {
	t.Parallel()
	o := nginxtest.Options{Main: rootWorkers()}
	s := newStand(t, o)
	work := filepath.Join(s.Dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	o.Main += "working_directory " + work + ";"
	if err := s.WriteConf(o); err != nil {
		t.Fatal(err)
	}
	// No reload of the new file finds the folder, any of the old one does.
	s.Switcher.Nginx.Reload = []string{"sh", "-c", `if grep -q "$2" "$3"; then rm -rf "$1"; else mkdir -p "$1"; fi; kill -HUP "$0"`, fmt.Sprint(s.PID), work, s.Green.Addr, s.Live}
	began, before := time.Now(), s.Workers()
	failed := s.refuses(switcher.RolledBack, "died while starting")
	t.Logf("back after %v: %v; %s", time.Since(began), failed, failed.Traffic)
	s.eventually(func() error { // the master ends the old workers all the same
		for _, pid := range s.Workers() {
			if slices.Contains(before, pid) {
				return fmt.Errorf("worker %d still serves", pid)
			}
		}
		return nil
	})
	s.answers(switcher.Blue, 20)
	if !strings.Contains(failed.Error(), "[alert]") {
		t.Errorf("the error does not quote nginx: %v", failed)
	}
}

// rootWorkers lets workers enter folders of a test run by root.
func rootWorkers() string {
	if os.Geteuid() == 0 {
		return "user root; "
	}
	return ""
}

// whileGreenIsInTheFile tells whenever the live file stops or begins to be old.
func (s *stand) whileGreenIsInTheFile(old string, tell func(green bool)) (stop func()) {
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		green := false
		for {
			select {
			case <-ending:
				return
			default:
			}
			if now, err := os.ReadFile(s.Live); err == nil && (string(now) != old) != green {
				green = !green
				tell(green)
			}
		}
	}()
	return func() { close(ending); <-ended }
}

// A crash of a worker while nothing is loaded must not look like a load.
func TestCrashedWorkerIsNoLoad(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the kernel counts starts in 10 ms: later than that, by its own reckoning
	if err := os.WriteFile(s.Live, []byte(nginxtest.LiveFile(s.Blue.Addr)), 0o644); err != nil {
		t.Fatal(err)
	}
	victim := s.Workers()[0]
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.eventually(func() error {
		if workers := s.Workers(); len(workers) != 2 || workers[0] == victim || workers[1] == victim {
			return fmt.Errorf("workers %v", workers)
		}
		return nil
	})
	status := s.Status(t.Context())
	if loaded := status.Running.Is; loaded == nil || *loaded {
		t.Errorf("status says loaded %v: %s", loaded, status.Running.Why)
	}
	if _, err := s.to(switcher.Blue); err != nil {
		t.Fatal(err)
	}
	s.answers(switcher.Blue, 20)
}
