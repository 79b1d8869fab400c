package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"bgswitch/switcher/nginxtest"
)

// switched is what one switch took, and what the traffic saw of it.
type switched struct {
	exit     time.Duration // from the start of the first command to the end of the last
	lastOld  time.Duration // from that start to the last question that the old color answered
	requests int
	failed   int
	nginx    time.Duration // in exit: nginx's own test and load (known of bgswitch only)
}

// command switches to an app.
type command func(ctx context.Context, from, to *nginxtest.App) (nginx time.Duration, err error)

// recipe is the three commands that bgswitch stands in for.
func (b *bench) recipe(ctx context.Context, from, to *nginxtest.App) (time.Duration, error) {
	test, err := b.nginx("-t")
	if err != nil {
		return 0, err
	}
	reload, err := b.nginx("-s", "reload")
	if err != nil {
		return 0, err
	}
	for _, argv := range [][]string{{"sed", "-i", "s/" + from.Addr + "/" + to.Addr + "/", b.site.Live}, test, reload} {
		if _, err := output(exec.CommandContext(ctx, argv[0], argv[1:]...)); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// nginx is a command line of the site's nginx: in a container by way of nsenter,
// which does what a runtime's exec does, without its daemon.
func (b *bench) nginx(args ...string) ([]string, error) {
	binary, err := nginxtest.Binary()
	if err != nil {
		return nil, err
	}
	if b.site.Container != nil {
		return append([]string{"nsenter", "--target", strconv.Itoa(b.site.PID), "--all", binary, "-c", nginxtest.ContainerConf}, args...), nil
	}
	return append([]string{binary, "-p", b.site.Dir, "-c", b.site.Conf}, args...), nil
}

// to is the one command.
func (b *bench) to(ctx context.Context, _, to *nginxtest.App) (time.Duration, error) {
	return b.switches(ctx, "to", to.Color)
}

// back is the one that nobody has to think about.
func (b *bench) back(ctx context.Context, _, _ *nginxtest.App) (time.Duration, error) {
	return b.switches(ctx, "back")
}

func (b *bench) switches(ctx context.Context, args ...string) (time.Duration, error) {
	out, err := output(b.program.Command(ctx, append(args, "--json")...))
	if err != nil {
		return 0, err
	}
	return nginxSteps(out)
}

func output(command *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%v: %w: %s", command.Args, err, &stderr)
	}
	return stdout.Bytes(), nil
}

// nginxSteps adds up the steps in which bgswitch only waits for nginx.
func nginxSteps(result []byte) (time.Duration, error) {
	var object struct {
		Steps []struct {
			Step   string
			TookMS float64 `json:"took_ms"`
		}
	}
	if err := json.Unmarshal(result, &object); err != nil {
		return 0, err
	}
	sum, found := 0.0, 0
	for _, step := range object.Steps {
		switch step.Step {
		case "test the new file in place": // once more, where the test aside is not permitted
			sum += step.TookMS
		case "test the new file", "reload nginx":
			sum, found = sum+step.TookMS, found+1
		}
	}
	if found != 2 {
		return 0, fmt.Errorf("%d steps of nginx's, not a test and a load: %s", found, result)
	}
	return time.Duration(sum * float64(time.Millisecond)), nil
}

// measure runs one switch under load, and returns when nginx has come to rest.
func (b *bench) measure(ctx context.Context, load *nginxtest.Load, do command, from, to *nginxtest.App) (switched, error) {
	before, workers := load.Seen(), b.site.Workers()
	began := time.Now()
	nginx, err := do(ctx, from, to)
	took := time.Since(began)
	if err != nil {
		return switched{}, err
	}
	if err := b.rest(ctx, load, workers); err != nil {
		return switched{}, err
	}
	seen := load.Seen()
	return switched{
		exit: took, nginx: nginx,
		lastOld:  max(0, seen.Last[from.Color].Sub(began)),
		requests: seen.Requests - before.Requests, failed: seen.Failed - before.Failed,
	}, nil
}
