package nginxtest

import (
	"errors"
	"os/exec"
	"syscall"
)

// MayMount says whether this process may make a private mount namespace, which
// a test of a new file beside the live one needs.
func MayMount() bool {
	probe := exec.Command("true")
	probe.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return !errors.Is(probe.Run(), syscall.EPERM)
}
