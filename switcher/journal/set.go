package journal

import (
	"context"
	"errors"
	"slices"
	"time"

	"bgswitch/switcher/lock"
)

// Set is the journals of all files of a switch, in the order of their paths.
type Set []*Journal

// TakeAll takes the locks of several live files in the order of their paths, so
// that no two who want some of the same ones ever wait for each other. They
// wait at most for wait, all in all. After an error none is held.
func TakeAll(ctx context.Context, places []Place, wait time.Duration, command string, tell func(lock.Holder)) (Set, error) {
	places = slices.Compact(slices.SortedFunc(slices.Values(places), Place.compare))
	until := time.Now().Add(wait)
	var all Set
	for _, p := range places {
		j, err := Take(ctx, p, max(time.Until(until), 0), command, tell)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, j)
	}
	return all, nil
}

// Of is the journal of a live file; nil where it is not among them.
func (s Set) Of(live string) *Journal {
	for _, j := range s {
		if j.Live == live {
			return j
		}
	}
	return nil
}

// Close lets go of all and takes the journals away, the first one last: it
// speaks for the others.
func (s Set) Close() error { return s.backwards((*Journal).Close) }

// Leave lets go of all, and leaves the journals to the next run.
func (s Set) Leave() error { return s.backwards((*Journal).Leave) }

func (s Set) backwards(do func(*Journal) error) error {
	var errs []error
	for _, j := range slices.Backward(s) {
		errs = append(errs, do(j))
	}
	return errors.Join(errs...)
}
