package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/nginxtest"

	"github.com/rogpeppe/go-internal/diff"
)

// demo is a site with traffic, and bgswitch at work on it.
type demo struct {
	site    *nginxtest.Site
	program nginxtest.Program
	stdout  io.Writer
	loads   []*nginxtest.Load
	start   []byte // the live file before the first switch
	green   []byte // and after it
}

var errInterrupted = errors.New("interrupted")

// scene is one thing that happens.
type scene func(context.Context) error

func (d *demo) play(ctx context.Context) error {
	if err := d.prepare(); err != nil {
		return err
	}
	d.startTraffic()
	err := d.all(ctx,
		d.types(0, "status"),
		d.types(0, "to", "green", "--dry-run"),
		d.types(0, "to", "green", "--reason", "release 42"),
		d.keepGreen,
		d.sickens(d.site.Blue, true),
		d.types(3, "to", "blue"),
		d.sickens(d.site.Blue, false),
		d.types(0, "back", "--reason", "the end of the demo"),
		d.types(0, "history"),
	)
	seen := d.stopTraffic()
	if err != nil {
		return err
	}
	return d.sumUp(ctx, seen)
}

func (d *demo) all(ctx context.Context, scenes ...scene) error {
	for _, scene := range scenes {
		err := scene(ctx)
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare writes settings that name both colors' marks. nginx loads its
// configuration once more, as it has on every machine that runs for a while:
// so far its workers are as young as the live file, and `status` would have to
// say that it cannot tell which came first.
func (d *demo) prepare() (err error) {
	if d.start, err = os.ReadFile(d.site.Live); err != nil {
		return err
	}
	if err := os.WriteFile(d.site.Settings, []byte(d.site.SettingsText(d.site.ConfirmText())), 0o600); err != nil {
		return err
	}
	before := d.site.Workers()
	if err := d.site.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return nginxtest.Eventually(nginxtest.Patience, func() error { return d.site.Reloaded(before) })
}

func (d *demo) startTraffic() {
	d.loads = []*nginxtest.Load{
		{URL: d.site.URL(), Clients: 2, Pause: time.Millisecond},
		{URL: d.site.URL(), Clients: 2, Pause: time.Millisecond, KeepAlive: true},
	}
	for _, load := range d.loads {
		load.Start()
	}
	d.tell("nginx listens at %s, blue at %s, green at %s.", d.site.Addr, d.site.Blue.Addr, d.site.Green.Addr)
	d.tell("From now on 4 clients ask nginx all the time, 2 of them on fresh connections.")
}

// stopTraffic adds up what the clients saw.
func (d *demo) stopTraffic() nginxtest.Counts {
	var sum nginxtest.Counts
	for _, load := range d.loads {
		seen := load.Stop()
		sum.Requests += seen.Requests
		sum.Failed += seen.Failed
		if sum.FirstFailure == "" {
			sum.FirstFailure = seen.FirstFailure
		}
	}
	return sum
}

// types runs a command as a user would, and shows it and its answer.
func (d *demo) types(want int, args ...string) scene {
	return func(ctx context.Context) error {
		d.tell("\n$ bgswitch %s", foreign.Shell(args...))
		command := d.program.Command(ctx, args...)
		command.Stdout, command.Stderr = d.stdout, d.stdout
		got, err := exitCode(command.Run())
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("`bgswitch %s` exited %d, not %d", foreign.Shell(args...), got, want)
		}
		if want != 0 {
			d.tell("(exit %d)", got)
		}
		return nil
	}
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func (d *demo) keepGreen(context.Context) (err error) {
	d.green, err = os.ReadFile(d.site.Live)
	return err
}

func (d *demo) sickens(app *nginxtest.App, sick bool) scene {
	return func(context.Context) error {
		app.Sicken(sick)
		if sick {
			d.tell("\n%s falls ill: it answers 503 from now on.", app.Color)
		} else {
			d.tell("\n%s is well again.", app.Color)
		}
		return nil
	}
}

// sumUp prints the figures and judges them.
func (d *demo) sumUp(ctx context.Context, seen nginxtest.Counts) error {
	cutOver, err := d.cutOver(ctx)
	if err != nil {
		return err
	}
	end, err := os.ReadFile(d.site.Live)
	if err != nil {
		return err
	}
	d.tell("\nWhat `to green` changed in the file (comments are neither believed nor edited):\n%s", diff.Diff("blue is live", d.start, "green is live", d.green))
	d.tell("requests sent        %d", seen.Requests)
	d.tell("requests failed      %d", seen.Failed)
	d.tell("cut-over to green    %.1f ms, from the signal until no old worker accepted any more", cutOver)
	return verdict(seen, d.start, end)
}

// verdict is an error when a request failed, or when the live file is not byte
// for byte what it was.
func verdict(seen nginxtest.Counts, start, end []byte) error {
	switch {
	case seen.Requests == 0:
		return errors.New("no request was sent")
	case seen.Failed > 0:
		return fmt.Errorf("%d of %d requests failed: %s", seen.Failed, seen.Requests, seen.FirstFailure)
	case !bytes.Equal(start, end):
		return fmt.Errorf("the file is not what it was before the switches:\n%s", diff.Diff("before", start, "after", end))
	}
	return nil
}

// cutOver is that of the first switch, in milliseconds.
func (d *demo) cutOver(ctx context.Context) (float64, error) {
	out, err := d.program.Command(ctx, "history", "--json", "-n", "0").Output()
	if err != nil {
		return 0, err
	}
	var history struct {
		Records []struct {
			Outcome   string
			CutOverMS float64 `json:"cut_over_ms"`
		}
	}
	if err := json.Unmarshal(out, &history); err != nil {
		return 0, err
	}
	for i := len(history.Records) - 1; i >= 0; i-- {
		if history.Records[i].Outcome == "done" {
			return history.Records[i].CutOverMS, nil
		}
	}
	return 0, errors.New("the history holds no switch")
}
