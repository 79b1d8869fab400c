// Command bgswitch points a site at its blue or its green copy through nginx.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"bgswitch/switcher/caller"
	"bgswitch/switcher/inside"
)

// gcPercent lets the heap grow to 16 MiB before the first collection, four
// times Go's default: a run is over sooner than that, and a collection costs a
// tenth of it.
const gcPercent = 400

func main() {
	inside.Main()
	caller.ForgetEnvironment()
	_ = caller.KeepDescriptors() // without /proc there is no nginx to be found either
	debug.SetGCPercent(gcPercent)
	// A closed terminal or pipe must not end a switch half way: writes to it
	// fail, and nothing more; nor must a limit of the caller's. A handler, unlike
	// SIG_IGN, is not inherited by the commands that are run.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGXFSZ, syscall.SIGXCPU)
	// It is never stopped: between that and the exit a Ctrl-C would end a switch
	// that is done with 130.
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}
