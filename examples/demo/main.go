// Command demo switches a site between two colors on a private nginx, with
// traffic going through it all the while. It runs the real bgswitch, shows what
// was typed and what was answered, and counts the requests that failed.
//
// Nothing of the system's nginx is touched, ports come from the kernel, and
// everything is gone when the demo ends, also by Ctrl-C. It exits 1 when a
// request failed or a command did not end as it should.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"bgswitch/switcher/nginxtest"
)

func main() {
	// A closed pipe must not end the demo before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run sets everything up in a temporary folder, plays the demo and takes
// everything down again.
func run(ctx context.Context, stdout io.Writer) (err error) {
	if _, err := nginxtest.Binary(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bgswitch-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	site, err := nginxtest.StartSite(dir, nginxtest.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.Stop()) }()
	program, err := nginxtest.Build(ctx, dir, site.Settings)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	d := &demo{site: site, program: program, stdout: stdout}
	return d.play(ctx)
}
