package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"bgswitch/switcher/nginxtest"
)

func statOf(info os.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// inNamespace runs nginx as process 1 of a pid namespace of its own, and
// returns its pid as it is seen here.
func (v *victim) inNamespace() string {
	v.t.Helper()
	binary, err := nginxtest.Binary()
	if err != nil {
		v.t.Fatal(err)
	}
	cmd := exec.Command("unshare", "-p", "-f", "--mount-proc", "--kill-child", binary, "-p", v.Dir, "-c", v.Conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	var inner string
	if err := nginxtest.Eventually(patience, func() error {
		if got := nginxtest.Answers(v.URL(), 1); got["blue"] != 1 {
			return fmt.Errorf("answers %v", got)
		}
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		inner = strings.TrimSpace(string(list))
		return err
	}); err != nil {
		v.t.Fatal(err)
	}
	return inner
}
