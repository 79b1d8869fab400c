package nginxtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Program is a bgswitch that was built for one site.
type Program struct {
	Path     string
	Settings string // path of the settings, which every command finds in its environment
}

// BuildTags are those of `task build`: without them the command-line library
// links a writer of manual pages.
const BuildTags = "urfave_cli_no_docs"

// Build builds bgswitch from this module's source into dir, as `task build`
// does. When ctx ends, go and its compilers end with it, and leave nothing
// outside dir.
func Build(ctx context.Context, dir, settings string) (Program, error) {
	p := Program{Path: filepath.Join(dir, "bgswitch"), Settings: settings}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", BuildTags, "-ldflags=-s -w", "-o", p.Path, "bgswitch/cmd/bgswitch")
	command.Env = append(os.Environ(), "GOTMPDIR="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	out, err := command.CombinedOutput()
	if err != nil {
		return Program{}, fmt.Errorf("cannot build bgswitch: %w: %s", err, out)
	}
	return p, nil
}

// Command is `bgswitch args...`, ready to start. When ctx ends, bgswitch is
// asked to end (SIGTERM) rather than killed in the middle of a switch.
func (p Program) Command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.Path, args...)
	command.Env = append(os.Environ(), "BGSWITCH_CONFIG="+p.Settings)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	return command
}
