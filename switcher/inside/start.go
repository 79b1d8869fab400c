package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/aside"
	"bgswitch/switcher/command"
	"bgswitch/switcher/foreign"
)

// patience is how long the sealed copy may take to end what it began, and its
// output to end after that.
const patience = 5 * time.Second

// answerLimit bounds what the sealed copy answers, in bytes: transcripts of
// many backends, too.
const answerLimit = 16 << 20

// request is what the sealed copy is asked for, on its stdin: one of the two.
// When stdin ends, so does what was asked for.
type request struct {
	Run *runRequest
	Ask *askRequest
}

// answer is what came of it, on its own descriptor: only the sealed copy ever
// has that one.
type answer struct {
	Done     bool
	Cannot   string // why nothing was run
	Moved    bool   // aside.ErrMoved
	Signal   int    // that ended the program; its exit code is the copy's
	Verdicts []health.Verdict
}

// The descriptors of the sealed copy, beside its first three.
const (
	copyFD = 3 + iota
	answerFD
	givenFD // the first of those that a request needs
)

// start runs the sealed copy, and waits for its answer; what it prints goes to
// stdout and stderr. It has a session of its own: no terminal is anybody's in
// there (tty_ioctl(4), TIOCSTI).
func start(ctx context.Context, r request, files []*os.File, stdout, stderr io.Writer) (answer, error) {
	image, err := sealedCopy()
	if err != nil {
		return answer{}, err
	}
	from, to, err := os.Pipe()
	if err != nil {
		return answer{}, err
	}
	defer from.Close()
	cmd := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", copyFD))
	cmd.Args, cmd.Env, cmd.Dir = []string{name}, []string{}, "/"
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = append([]*os.File{image, to}, files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return answer{}, errors.Join(err, to.Close())
	}
	cmd.Cancel, cmd.WaitDelay = stdin.Close, patience
	err = cmd.Start()
	_ = to.Close()
	if err != nil {
		return answer{}, err
	}
	answered := make(chan answer, 1)
	go func() { answered <- readAnswer(from) }()
	_ = json.NewEncoder(stdin).Encode(r) // where it does not come through, there is no answer
	err = cmd.Wait()
	_ = from.SetReadDeadline(time.Now().Add(patience)) // what holds it still is not ours
	return finish(ctx, <-answered, err)
}

func readAnswer(from io.Reader) (a answer) {
	said := command.Output{Limit: answerLimit}
	_, _ = io.Copy(&said, from)
	if json.Unmarshal(said.Bytes, &a) != nil {
		return answer{}
	}
	return a
}

// finish says what came of it all. The error is an exec.ExitError where a
// program ran and said no.
func finish(ctx context.Context, a answer, err error) (answer, error) {
	switch {
	case ctx.Err() != nil:
		return a, errors.Join(ctx.Err(), err)
	case a.Moved:
		return a, aside.ErrMoved
	case a.Cannot != "":
		return a, errors.New("cannot run anything inside: " + foreign.Excerpt(a.Cannot))
	case !a.Done:
		return a, fmt.Errorf("cannot run anything inside: there was no answer: %w", errors.Join(err, io.ErrUnexpectedEOF))
	case a.Signal != 0:
		return a, fmt.Errorf("it was ended by a signal: %s", syscall.Signal(a.Signal))
	}
	return a, err
}
