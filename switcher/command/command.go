// Package command runs outside programs: by their argv, never through a shell,
// bounded in time and output, and with nothing of theirs left behind.
package command

import (
	"cmp"
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// OutputLimit is how much of a program's output Run returns.
const OutputLimit = 64 << 10

// outputPatience is how long output may go on after its program ended: a child
// of its may hold it open for ever, and a busy machine needs its time to read it.
const outputPatience = 5 * time.Second

// Command is one outside program.
type Command struct {
	Argv   []string
	Env    []string            // nil: ours
	User   *syscall.Credential // nil: ours
	Caps   []uintptr           // capabilities that User keeps (capabilities(7), ambient)
	Stdout *Output             // where stdout goes; nil: to what Run returns, with stderr
	End    bool                // of what is printed the end is returned, and not the beginning
	// Patience is how long output may go on after its program ended, where some
	// of what it began has it open; 0: five seconds.
	Patience time.Duration
}

// Output keeps the first Limit bytes that are written to it, or the last, and
// swallows the rest: a program that says too much is not held up.
type Output struct {
	Limit int
	End   bool
	Bytes []byte
	Cut   bool // more than Limit bytes came
}

func (o *Output) Write(p []byte) (int, error) {
	if o.End {
		all := append(o.Bytes, p...)
		o.Cut = o.Cut || len(all) > o.Limit
		o.Bytes = append(o.Bytes[:0], all[max(0, len(all)-o.Limit):]...)
		return len(p), nil
	}
	kept := min(len(p), o.Limit-len(o.Bytes))
	o.Bytes = append(o.Bytes, p[:kept]...)
	o.Cut = o.Cut || kept < len(p)
	return len(p), nil
}

// Run runs the command in the root folder, and not in the caller's (docker would
// read a compose file there), and returns what it printed. It has a process group of
// its own, so that its children end with it when ctx does, and a Ctrl-C at the
// terminal does not reach them. The error wraps ctx's where that ended it.
func Run(ctx context.Context, c Command) ([]byte, error) {
	out := &Output{Limit: OutputLimit, End: c.End}
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", c.Env, out, out
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.User, AmbientCaps: c.Caps}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = cmp.Or(c.Patience, outputPatience)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return out.Bytes, err
}

// Exited says that a program ran and ended by itself, with a code that is not 0.
func Exited(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Exited()
}
