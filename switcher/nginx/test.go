package nginx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bgswitch/switcher/aside"
	"bgswitch/switcher/caller"
	"bgswitch/switcher/command"
	"bgswitch/switcher/foreign"
)

// Tested is what one run of nginx's test showed.
type Tested struct {
	Took time.Duration
	Dump *Dump // what nginx read; nil where that is unknown
}

// ErrRefused says that nginx's test did not accept the configuration; the
// error's text holds nginx's own words.
var ErrRefused = errors.New("nginx refuses the configuration")

// ErrRightsMissing says that nginx's test stopped at a file that we may not
// open, the pid file or a log: it says nothing of the configuration.
var ErrRightsMissing = errors.New("nginx -t needs more rights")

// TestAsIs runs nginx's test on the configuration as it stands. The error wraps
// ErrRefused when nginx says no, ErrRightsMissing when it could not look; any
// other error says that the test could not be run.
func (n *Nginx) TestAsIs(ctx context.Context, m *Master) (Tested, error) {
	if len(n.Test) > 0 {
		return n.testByOperator(ctx)
	}
	if n.Within != nil {
		return n.testInside(ctx, m, nil)
	}
	var tested Tested
	err := aside.OnOwnThread(func() (err error) {
		tester, err := n.tester(m)
		if err != nil {
			return err
		}
		if err := tester.enter(); err != nil {
			return err
		}
		tested, err = tester.run(ctx)
		return err
	})
	return tested, err
}

// TestAside runs nginx's test on the configuration with contents in the place of
// some files, in a private mount namespace: nothing outside it sees them, the
// files are not touched. ErrNoAside says that this process may not do that.
func (n *Nginx) TestAside(ctx context.Context, m *Master, contents []Content) (Tested, error) {
	if len(n.Test) > 0 {
		return Tested{}, fmt.Errorf("%w: the settings have a `test:` of their own", ErrNoAside)
	}
	if n.Within != nil {
		return n.testInside(ctx, m, contents)
	}
	var tested Tested
	err := aside.OnOwnThread(func() (err error) {
		tester, err := n.tester(m)
		if err != nil {
			return err
		}
		tested, err = tester.runAside(ctx, contents)
		return err
	})
	return tested, err
}

// Content is what stands in for a live file in a test aside.
type Content = aside.Content

func (n *Nginx) testByOperator(ctx context.Context) (Tested, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	began := time.Now()
	out, err := command.Run(ctx, command.Command{Argv: n.Test, Env: caller.OperatorEnv()})
	if err != nil {
		return Tested{}, refusal(n.Test, out, err)
	}
	return Tested{Took: time.Since(began)}, nil
}

// ReloadByOperator runs the operator's own reload. Its exit code proves
// nothing when it is 0.
func (n *Nginx) ReloadByOperator(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	out, err := command.Run(ctx, command.Command{Argv: n.Reload, Env: caller.OperatorEnv()})
	if err != nil {
		return fmt.Errorf("%s: %w%s", strings.Join(n.Reload, " "), err, saying(out))
	}
	return nil
}

// refusal turns a failed test into words: what nginx said of it, or why it
// could not be run.
func refusal(argv []string, out []byte, err error) error {
	name := strings.Join(argv, " ")
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s did not end: %w", name, err)
	}
	if !command.Exited(err) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%w: %s", ErrRefused, worstLine(out))
}

// worstLine is the line that says why: the first [emerg], else the last line.
func worstLine(out []byte) string {
	last := "it said nothing"
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if i := strings.Index(line, "[emerg]"); i >= 0 {
			return foreign.Excerpt(line[i:])
		}
		if line != "" {
			last = line
		}
	}
	return foreign.Excerpt(last)
}

func saying(out []byte) string {
	text := strings.TrimSpace(string(out))
	if text == "" {
		return ""
	}
	return ": " + foreign.Excerpt(worstLine(out))
}
