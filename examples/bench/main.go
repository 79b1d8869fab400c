// Command bench measures `bgswitch to` beside the recipe it stands in for
// (sed -i, nginx -t, nginx -s reload): on a private nginx, in one run, turn by
// turn, under steady traffic. The machine's pace cancels out in the ratios;
// times of one run are not to be held against those of another.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// options is what a run of the benchmark differs in.
type options struct {
	rounds  int
	sites   []int // further server blocks, one section each
	workers []int // worker_processes, one section each
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(1)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // clean up first
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err = run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{sites: []int{10, 500, 5000}, workers: []int{16}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 20, "`N` switches of each kind; large trees take fewer")
	flags.Var((*counts)(&o.sites), "sites", "also with trees of `N,N,...` server blocks; empty: none")
	flags.Var((*counts)(&o.workers), "workers", "also with `N,N,...` nginx workers; empty: none")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.rounds < 1 {
		fmt.Fprintln(os.Stderr, "-rounds: at least 1 is needed")
		return options{}, strconv.ErrRange
	}
	return o, nil
}

// counts is a flag that holds several numbers.
type counts []int

func (c *counts) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*c), " ", ","), "[]")
}

// Set reads numbers with commas between them.
func (c *counts) Set(text string) error {
	*c = nil
	for field := range strings.SplitSeq(text, ",") {
		if field == "" {
			continue
		}
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no positive number", field)
		}
		*c = append(*c, n)
	}
	return nil
}

// run prints one section after the other.
func run(ctx context.Context, o options, stdout io.Writer) error {
	if err := usual(ctx, o, stdout); err != nil {
		return err
	}
	if err := goingBack(ctx, o, stdout); err != nil {
		return err
	}
	for _, workers := range o.workers {
		if err := withWorkers(ctx, o, workers, stdout); err != nil {
			return err
		}
	}
	if err := contained(ctx, o, stdout); err != nil {
		return err
	}
	if err := growth(ctx, o, stdout); err != nil {
		return err
	}
	return verified(ctx, o, stdout)
}
