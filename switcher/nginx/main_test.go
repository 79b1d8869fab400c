package nginx_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/inside"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"

	"go.uber.org/goleak"
)

// hiddenConf names, for a test that runs itself, the configuration whose master
// it has to look for as nobody.
const hiddenConf = "BGSWITCH_TEST_HIDDEN_CONF"

func TestMain(m *testing.M) {
	inside.Main()
	if conf := os.Getenv(hiddenConf); conf != "" {
		lookAsNobody(conf)
		return
	}
	goleak.VerifyTestMain(m)
}

// running is a private nginx and the one that we take it for.
type running struct {
	*nginxtest.Nginx
	ours *nginx.Nginx
	t    *testing.T
}

// start runs nginx below dir, with the binary that we look for; line, where it
// is not empty, is a command of the shell in dir in place of nginx's usual one.
func start(t *testing.T, dir string, o nginxtest.Options, line string) *running {
	t.Helper()
	o.Server = "return 200;"
	if line != "" {
		o.Launch = []string{"sh", "-c", `cd "$0" && exec ` + line, dir}
	}
	private, err := nginxtest.Start(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := private.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &running{Nginx: private, ours: &nginx.Nginx{Binary: binary(t), Conf: private.Conf, Prefix: private.Dir}, t: t}
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := nginxtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// only finds the master and makes sure that it is the only one.
func only(n *nginx.Nginx) (*nginx.Master, error) {
	m, err := n.FindMaster()
	if err != nil {
		return nil, err
	}
	census, err := nginx.Census()
	if err == nil {
		err = n.Only(m, census)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// isMaster makes sure that the nginx that runs is found.
func (r *running) isMaster() {
	r.t.Helper()
	m, err := only(r.ours)
	if err != nil {
		r.t.Error(err)
		return
	}
	defer m.Close()
	if m.PID != r.PID {
		r.t.Errorf("found process %d, want %d", m.PID, r.PID)
	}
}

// beside runs another process, ended with the test.
func beside(t *testing.T, as *syscall.Credential, argv ...string) int {
	t.Helper()
	process := exec.Command(argv[0], argv[1:]...)
	process.Dir = "/"
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL)
		_ = process.Wait()
	})
	return process.Process.Pid
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	if err := nginxtest.Eventually(nginxtest.Patience, check); err != nil {
		t.Fatal(err)
	}
}

// titled waits until a process calls itself so.
func titled(t *testing.T, pid int, title string) {
	t.Helper()
	eventually(t, func() error {
		got, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && !strings.HasPrefix(string(got), title) {
			err = fmt.Errorf("process %d is %q", pid, got)
		}
		return err
	})
}

// copyTo copies a file that can be run.
func copyTo(t *testing.T, path, from string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = nginxtest.WriteRunnable(path, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
