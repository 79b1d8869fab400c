package rightstest

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// A Right is what not every machine and user gives a test.
type Right struct {
	name string
	Had  func() bool
}

// What tests may need.
var (
	Root = Right{"root", func() bool { return os.Geteuid() == 0 }}
	// Mounts is what bgswitch needs to test a new file beside the live one.
	Mounts = Right{"the right to make a mount namespace", sync.OnceValue(nginxtest.MayMount)}
	// OwnMounts is what a test needs to mount something for itself.
	OwnMounts = Right{"mounts of its own (a root folder that is a mount point; for an ordinary user, user namespaces)", sync.OnceValue(mayHaveOwnMounts)}
	// Namespaces is what starts a container.
	Namespaces = Right{"root that may make namespaces (a container)", sync.OnceValue(nginxtest.MayContain)}
	// SS is what the kernel's sockets are counted by, besides ourselves.
	SS = Right{"ss (of iproute2)", func() bool { _, err := exec.LookPath("ss"); return err == nil }}
	// Limits is what raises a hard limit.
	Limits = Right{"the right to raise a limit (CAP_SYS_RESOURCE)", func() bool {
		return exec.Command("sh", "-c", "ulimit -c 0 && ulimit -c 1").Run() == nil
	}}
)

// Needs skips a test that does not have one of the rights.
func Needs(t testing.TB, rights ...Right) {
	t.Helper()
	for _, right := range rights {
		if !right.Had() {
			Without(t, right.name)
		}
	}
}

// lackingVariable names a file that collects what a whole run did not test.
const lackingVariable = "BGSWITCH_TEST_LACKING"

// Without skips a test for something that is missing here, and notes it for
// the end of the whole run.
func Without(t testing.TB, what string) {
	t.Helper()
	if path := os.Getenv(lackingVariable); path != "" {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := fmt.Fprintf(file, "%s\t%s\n", what, t.Name()); err != nil {
			t.Fatal(err)
		}
	}
	t.Skip("not tested without " + what)
}

// ownMounts gives a process mounts of its own; without root, in a user namespace
// of its own.
func ownMounts() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

func mayHaveOwnMounts() bool {
	probe := exec.Command("true")
	probe.SysProcAttr = ownMounts()
	return probe.Run() == nil
}
