package nginxtest

import (
	"errors"
	"os"
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

// MayContain says whether this process may start a Container.
func MayContain() bool {
	try := "mount --bind / /mnt && mount -t proc none /proc"
	return os.Geteuid() == 0 && exec.Command("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "sh", "-c", try).Run() == nil
}
