// Command mutants breaks the program on purpose, one line at a time, and makes
// sure that the tests notice each time.
//
//	mutants [-limit DURATION] [NAME...]
//
// It is run at the top of the tree, works on a copy of it, and leaves nothing
// behind. The list is in cmd/mutants/mutants.txt; a NAME may be a pattern
// (sync-*), and none means all. Exit code 1: a mutant lives, or the list is not
// right.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path"
	"slices"
	"syscall"
	"time"
)

const listFile = "cmd/mutants/mutants.txt"

func main() {
	limit := flag.Duration("limit", 2*time.Minute, "how long the tests of one mutant may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *limit, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, limit time.Duration, names []string) (err error) {
	mutants, err := readList(listFile)
	if err != nil {
		return err
	}
	if mutants, err = chosen(mutants, names); err != nil {
		return err
	}
	bed, err := newBed(".", limit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bed.remove()) }()
	if err := bed.sound(ctx, mutants); err != nil {
		return err
	}
	living := 0
	for _, m := range mutants {
		began := time.Now()
		end, err := bed.try(ctx, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if end.lives {
			living++
		}
		fmt.Printf("%s (%s; %s)\n", m, end, time.Since(began).Round(100*time.Millisecond))
	}
	fmt.Printf("%d mutants: %d died, %d lives\n", len(mutants), len(mutants)-living, living)
	if living > 0 {
		return errors.New("no test notices what lives: write one")
	}
	return nil
}

// chosen are the mutants whose names match one of the patterns, each of which
// has to match some.
func chosen(all []mutant, patterns []string) ([]mutant, error) {
	if len(patterns) == 0 {
		return all, nil
	}
	var some []mutant
	for _, pattern := range patterns {
		found := slices.DeleteFunc(slices.Clone(all), func(m mutant) bool {
			matched, _ := path.Match(pattern, m.name)
			return !matched
		})
		if len(found) == 0 {
			return nil, fmt.Errorf("no mutant is called %s", pattern)
		}
		some = append(some, found...)
	}
	return some, nil
}
