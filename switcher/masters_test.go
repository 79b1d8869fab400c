package switcher_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"
)

// A test that we pass and the master would not is no test: it is run in the
// master's mounts, as its user, with its limits.
func TestTestsAsTheMaster(t *testing.T) {
	t.Parallel()
	t.Run("its limit of open files", func(t *testing.T) {
		t.Parallel()
		rightstest.Needs(t, rightstest.Root)
		s := newStand(t, nginxtest.Options{Workers: 1, Launch: []string{"prlimit", "--nofile=24"}})
		var logs strings.Builder
		for i := range 30 {
			fmt.Fprintf(&logs, "access_log %s/%d.log;\n", s.Dir, i)
		}
		s.edited(nginxtest.Options{Workers: 1, HTTP: logs.String()})
		s.refuses(switcher.NotAccepted, "24: Too many open files")
	})
	t.Run("its mounts", func(t *testing.T) {
		t.Parallel()
		rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
		private := filepath.Join(t.TempDir(), "private")
		if err := os.Mkdir(private, 0o755); err != nil {
			t.Fatal(err)
		}
		hide := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none "$0" && exec "$@"`, private}
		s := newStand(t, nginxtest.Options{Launch: hide})
		if err := os.WriteFile(filepath.Join(private, "extra.conf"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		s.edited(nginxtest.Options{HTTP: "include " + private + "/extra.conf;"})
		if err := s.Test(); err != nil {
			t.Fatalf("nginx -t fails here already: %v", err)
		}
		s.refuses(switcher.NotAccepted, "extra.conf")
	})
	t.Run("its user", func(t *testing.T) {
		t.Parallel()
		rightstest.Needs(t, rightstest.Root)
		s := nobodysStand(t)
		log := filepath.Join(s.Dir, "later.log")
		s.edited(nginxtest.Options{HTTP: "access_log " + log + ";"})
		if _, err := s.to(switcher.Green); err != nil {
			t.Fatal(err)
		}
		s.answers(switcher.Green, 20)
		info, err := os.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody {
			t.Errorf("the log that the test created belongs to %d: the master could not open it", owner)
		}
	})
	t.Run("a file that its user may not read", func(t *testing.T) {
		t.Parallel()
		rightstest.Needs(t, rightstest.Root)
		s := nobodysStand(t)
		secret := filepath.Join(s.Dir, "secret.conf")
		if err := os.WriteFile(secret, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.edited(nginxtest.Options{HTTP: "include " + secret + ";"})
		s.refuses(switcher.NotAccepted, "13: Permission denied")
	})
}

// A right that the master kept (capabilities(7), ambient) is the test's, too.
func TestTestsWithTheMastersCapabilities(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	keep := []string{"setpriv", "--reuid", fmt.Sprint(nobody), "--regid", fmt.Sprint(nobody), "--clear-groups",
		"--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"}
	s := standForNobody(t, nginxtest.Options{Launch: keep, Listen: privilegedAddress(t)})
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	s.reads(s.Green.Addr)
}

// privilegedAddress is one that an ordinary user may not listen on.
func privilegedAddress(t *testing.T) string {
	t.Helper()
	for port := 1023; port > 900; port-- {
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			listener.Close()
			return listener.Addr().String()
		}
	}
	t.Fatal("no port below 1024 is free")
	return ""
}

// An address that only the master's network has is no mistake.
func TestTestsInTheMastersNetwork(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	elsewhere := []string{"unshare", "-n", "sh", "-c", `echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind && exec "$0" "$@"`}
	s := newStand(t, nginxtest.Options{Launch: elsewhere, Listen: "192.0.2.1:%d"})
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	s.reads(s.Green.Addr)
}

// reads makes sure that the live file names the address.
func (s *stand) reads(addr string) {
	s.t.Helper()
	if !strings.Contains(s.live(), addr) {
		s.t.Errorf("the live file does not name %s:\n%s", addr, s.live())
	}
}

const nobody = 65534

// nobodysStand is a stand whose nginx runs as nobody altogether.
func nobodysStand(t *testing.T) *stand {
	t.Helper()
	return standForNobody(t, nginxtest.Options{User: &syscall.Credential{Uid: nobody, Gid: nobody}})
}

// standForNobody is a stand in a folder of nobody's; the state folder is root's.
func standForNobody(t *testing.T, o nginxtest.Options) *stand {
	t.Helper()
	dir := rightstest.OpenFolder(t)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	s := newStandIn(t, dir, o)
	s.State = statedir.Of(t.TempDir(), "myapp")
	return s
}

// edited writes another configuration, and loads it not.
func (s *stand) edited(o nginxtest.Options) {
	s.t.Helper()
	if err := s.WriteConf(o); err != nil {
		s.t.Fatal(err)
	}
}

// Nothing is signalled that is not proved to be the master.
func TestOnlyTheMasterIsSignalled(t *testing.T) {
	t.Parallel()
	innocent := func(t *testing.T) int {
		sleep := exec.Command("sleep", "60")
		if err := sleep.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := sleep.Process.Signal(syscall.Signal(0)); err != nil {
				t.Errorf("the innocent process was ended: %v", err)
			}
			_ = sleep.Process.Kill()
			_ = sleep.Wait()
		})
		return sleep.Process.Pid
	}
	for _, c := range []struct {
		name    string
		pid     func(t *testing.T) string
		outcome switcher.Outcome
		says    string
	}{
		{"empty", func(*testing.T) string { return "" }, switcher.NotAccepted, "is empty"},
		{"garbage", func(*testing.T) string { return "abc\n" }, switcher.Failed, "not a pid"},
		{"zero", func(*testing.T) string { return "0\n" }, switcher.Failed, "not a pid"},
		{"negative", func(*testing.T) string { return "-1\n" }, switcher.Failed, "not a pid"},
		{"a container's", func(*testing.T) string { return "1\n" }, switcher.Failed, "not proved"},
		{"dead", func(t *testing.T) string { return deadPID(t) + "\n" }, switcher.NotAccepted, "does not exist"},
		{"innocent", func(t *testing.T) string { return fmt.Sprintln(innocent(t)) }, switcher.Failed, "sleep 60"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{Workers: 1})
			if err := os.WriteFile(s.PIDFile, []byte(c.pid(t)), 0o644); err != nil {
				t.Fatal(err)
			}
			s.refuses(c.outcome, c.says)
		})
	}
}

func deadPID(t *testing.T) string {
	t.Helper()
	done := exec.Command("true")
	if err := done.Run(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(done.Process.Pid)
}

func TestStatesOfTheMaster(t *testing.T) {
	t.Parallel()
	t.Run("the pid file's path was changed", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{Workers: 1})
		moved := *s.Site.Nginx
		moved.PIDFile = filepath.Join(s.Dir, "other.pid")
		if err := moved.WriteConf(nginxtest.Options{}); err != nil {
			t.Fatal(err)
		}
		s.refuses(switcher.NotAccepted, "does not lead to the running nginx")
	})
	t.Run("another nginx", func(t *testing.T) {
		t.Parallel()
		s, other := newStand(t, nginxtest.Options{Workers: 1}), newStand(t, nginxtest.Options{Workers: 1})
		if err := os.WriteFile(s.PIDFile, fmt.Appendln(nil, other.PID), 0o644); err != nil {
			t.Fatal(err)
		}
		s.refuses(switcher.Failed, "runs with "+other.Conf)
		other.answers(switcher.Blue, 5)
	})
	t.Run("a binary upgrade", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{Workers: 1, Daemon: true})
		if err := s.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.eventually(func() error { _, err := os.Stat(s.PIDFile + ".oldbin"); return err })
		s.refuses(switcher.Failed, "binary upgrade")
	})
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{Workers: 1})
		if err := s.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		s.eventually(func() error { // a busy machine may take a moment over it
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID))
			if err == nil && !strings.Contains(string(stat), ") T ") {
				err = fmt.Errorf("not stopped yet: %s", stat)
			}
			return err
		})
		s.refuses(switcher.Failed, "is stopped")
	})
	t.Run("killed, its workers orphaned", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{Workers: 1})
		worker := s.Workers()[0]
		if err := s.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.gone(s.PID)
		_, err := s.to(switcher.Green)
		if !errors.Is(err, nginx.ErrNotRunning) || !strings.Contains(err.Error(), fmt.Sprint(worker)) {
			t.Errorf("got %v, want an error that names the orphan %d", err, worker)
		}
		s.answers(switcher.Blue, 5)
	})
}

// The kernel shares the connections among all that listen with reuseport,
// whichever nginx they belong to.
func TestOrphansShareTheTraffic(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 1, Listen: "127.0.0.1:%d reuseport"})
	orphan := s.Workers()[0]
	if err := s.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.gone(s.PID)
	again := exec.Command(s.Switcher.Nginx.Binary, "-p", s.Dir, "-c", s.Conf)
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = again.Process.Signal(syscall.SIGTERM)
		_ = again.Wait()
	})
	s.eventually(func() error {
		if running := s.Status(t.Context()).Running; running.Err == nil && len(running.Workers.Serving) == 0 || errors.Is(running.Err, nginx.ErrNotRunning) {
			return fmt.Errorf("not started again: %v", running.Err)
		}
		return nil
	})
	failed := s.refuses(switcher.Failed, fmt.Sprintf("still take connections: processes [%d]", orphan))
	if !errors.Is(failed, nginx.ErrOrphans) || errors.Is(failed, nginx.ErrNotRunning) || !strings.Contains(failed.Hint, fmt.Sprintf("`kill -QUIT %d`", orphan)) {
		t.Errorf("got %v, hint %q", failed, failed.Hint)
	}
	if err := syscall.Kill(orphan, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	s.gone(orphan)
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	s.answers(switcher.Green, 20)
}

// gone waits for the end of a process; not for init, which may take its time.
func (s *stand) gone(pid int) {
	s.t.Helper()
	s.eventually(func() error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			return fmt.Errorf("process %d is still there", pid)
		}
		return nil
	})
}

// The operator's own reload reaches the nginx that it names: where one runs
// here that may not be reloaded now, that is the one.
func TestTheOperatorsReloadIsForANginxElsewhere(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(s *stand) error{
		"a binary upgrade": func(s *stand) error { return os.WriteFile(s.PIDFile+".oldbin", nil, 0o644) },
		"another process":  func(s *stand) error { return os.WriteFile(s.PIDFile, []byte("1"), 0o644) },
		"stopped":          func(s *stand) error { return s.Signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{Workers: 1})
			s.Switcher.Nginx.Reload = []string{"false"}
			s.Switcher.Site.Confirm = &switcher.Confirm{URL: health.MustParseURL(s.URL()), Marks: map[switcher.Color]switcher.Mark{switcher.Blue: "X-Color: blue", switcher.Green: "X-Color: green"}}
			if err := disturb(s); err != nil {
				t.Fatal(err)
			}
			failed := s.refuses(switcher.Failed, "not proved to be the master")
			if failed.Step != "find nginx" {
				t.Errorf("refused by the step %q", failed.Step)
			}
		})
	}
}

func (s *stand) eventually(check func() error) {
	s.t.Helper()
	if err := nginxtest.Eventually(nginxtest.Patience, check); err != nil {
		s.t.Fatal(err)
	}
}

// A log that is reopened, and a worker that crashes, in the middle of switches.
func TestRotatedLogsAndCrashedWorkers(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(s *stand){
		"logrotate": func(s *stand) { _ = s.Signal(syscall.SIGUSR1) },
		"a crash": func(s *stand) {
			if workers := s.Workers(); len(workers) > 0 {
				_ = syscall.Kill(workers[0], syscall.SIGKILL)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			for i := range 10 {
				color := []switcher.Color{switcher.Green, switcher.Blue}[i%2]
				old := s.live()
				stop := s.whileGreenIsInTheFile(old, func(changed bool) {
					if changed {
						disturb(s)
					}
				})
				_, err := s.to(color)
				stop()
				if err != nil {
					t.Errorf("switch %d: %v", i, err)
				}
				s.answers(color, 10)
			}
		})
	}
}

// A connection that stays open keeps its worker, and delays nobody.
func TestHeldConnections(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	stream := s.hold()
	defer stream.Close()
	if _, err := s.to(switcher.Green); err != nil {
		t.Fatal(err)
	}
	s.answers(switcher.Green, 20)
	s.eventually(func() error { // the worker without connections may need a moment
		if draining := s.Status(t.Context()).Running.Workers.Draining; len(draining) != 1 {
			return fmt.Errorf("status sees draining workers %v, want one", draining)
		}
		return nil
	})
	stream.Close()
	s.eventually(func() error {
		if left := s.Draining(); len(left) > 0 {
			return fmt.Errorf("still draining: %v", left)
		}
		return nil
	})
}
