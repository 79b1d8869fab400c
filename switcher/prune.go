package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/trust"
)

// StepPrune is how an error of it begins.
const StepPrune = "prune the releases"

// pruneLock keeps those apart who prune a folder, for whatever site: it stands in
// that. A switch does not wait for it: there may be much to remove.
const pruneLock = ".bgswitch-prune.lock"

// Prune removes what nothing keeps, the oldest first, and what an earlier run had
// begun to remove. tell hears of every name that is gone. What cannot be removed
// keeps nothing else from it, and stays hidden. An error is an *Error.
func (s *Switcher) Prune(ctx context.Context, keep int, wait time.Duration, tell func(release string, gone int)) (Pruning, error) {
	p, err := s.prune(ctx, keep, wait, tell)
	if err == nil && len(p.left) > 0 {
		err = p.leftOver(s.Again())
	}
	if ctx.Err() != nil {
		err = &Error{Outcome: Interrupted, Step: StepPrune, Err: errInterrupted, Hint: fmt.Sprintf("`%s` goes on", s.Again())}
	}
	return p, NotPruned(err)
}

// NotPruned is an error of PruningOf, told as one of Prune.
func NotPruned(err error) error {
	if err == nil {
		return nil
	}
	failed := asError(StepPrune, err)
	if failed.Hint == "" && errors.Is(err, trust.ErrUnsafe) {
		failed.Hint = trust.Mend(err)
	}
	return failed
}

func (s *Switcher) prune(ctx context.Context, keep int, wait time.Duration, tell func(string, int)) (p Pruning, err error) {
	if p, err = s.PruningOf(keep); err != nil {
		return p, err
	}
	user, alone := p.user, (*lock.Lock)(nil)
	err = p.withRights(func() (err error) {
		alone, err = lock.Take(ctx, filepath.Join(p.Folder, pruneLock), wait, "releases prune", s.waiting(wait).forLock)
		return err
	})
	switch {
	case err != nil && (p.user == nil || lock.IsBusy(err)):
		return p, s.notLocked(err)
	case err != nil:
		return p, refuse(Failed, "make one user, or root, the owner of the links, the folder and the way to them", err)
	}
	defer func() { err = errors.Join(err, trust.As(user, alone.Release)) }()
	// What an earlier run has left goes first: it may have the name that another one needs.
	if err := p.remove(ctx, slices.Sorted(slices.Values(p.Half)), tell); err != nil {
		return p, err
	}
	hidden, err := s.hideUnused(ctx, keep, wait, &p)
	if err != nil {
		return p, err
	}
	return p, p.remove(ctx, hidden, tell)
}

// hideUnused hides what nothing keeps by now, with the locks of the live files: no
// switch comes in between, and none waits for longer than this takes.
func (s *Switcher) hideUnused(ctx context.Context, keep int, wait time.Duration, p *Pruning) (hidden []string, err error) {
	locks, err := s.Lock(ctx, wait, "releases prune")
	if err != nil {
		return nil, s.notLocked(err)
	}
	for _, j := range locks {
		if _, found, err := j.Left(); found || err != nil || j.WasHooked() {
			_ = locks.Leave() // the lock goes with us anyway
			return nil, refuse(Failed, s.hintStatus(), errors.New("an earlier switch was killed, and the next switch has to repair that first"))
		}
	}
	defer func() { err = errors.Join(err, locks.Close()) }()
	now, err := s.PruningOf(keep)
	if err != nil {
		return nil, err
	}
	if now.Folder != p.Folder {
		return nil, fmt.Errorf("the links were changed from %s to %s in the meantime", p.Folder, now.Folder)
	}
	now.Removed, now.left = p.Removed, p.left
	*p = now
	for _, name := range p.ToRemove() {
		switch err := s.hide(p, name); {
		case err == nil:
			hidden = append(hidden, name)
		case errors.Is(err, errLed):
			p.left = append(p.left, err)
			return hidden, nil
		default:
			p.left = append(p.left, err)
		}
	}
	return hidden, nil
}

// errLed says that somebody leads links elsewhere at this very moment.
var errLed = errors.New("in the meantime, or to nothing")

// hide gives a folder a name that no link leads to, for good, before anything of it
// is gone. Where somebody has led a link to it meanwhile, it has its own name again.
func (s *Switcher) hide(p *Pruning, name string) error {
	rename := func(from, to string) error {
		return p.inFolder(func(folder trust.Folder) error { return folder.Rename(from, to) })
	}
	if slices.Contains(p.Half, name) {
		return fmt.Errorf("%s stays until what is left of an earlier one of that name is gone", name)
	}
	if err := rename(name, half+name); err != nil {
		return fmt.Errorf("%s stays: %w", name, err)
	}
	uses, err := s.uses(p.Folder)
	for _, u := range uses {
		if u.at == "" && !slices.Contains(p.uses, u) {
			err = fmt.Errorf("%s was changed to lead to %s %w", u.link, name, errLed)
		}
	}
	if err != nil {
		return errors.Join(err, rename(half+name, name))
	}
	p.Half = append(p.Half, name)
	p.Folders = slices.DeleteFunc(p.Folders, func(f ReleaseFolder) bool { return f.Name == name })
	return nil
}

// remove removes what is hidden. The error is ctx's, or that the folder cannot be
// opened.
func (p *Pruning) remove(ctx context.Context, releases []string, tell func(string, int)) error {
	return p.inFolder(func(folder trust.Folder) error {
		for _, release := range releases {
			gone := 0
			err := folder.RemoveFolder(ctx, half+release, func() {
				gone++
				tell(release, gone)
			})
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				p.left = append(p.left, fmt.Errorf("%s is not completely removed: %w", release, err))
				continue
			}
			p.Removed = append(p.Removed, release)
			p.Half = slices.DeleteFunc(p.Half, func(name string) bool { return name == release })
		}
		return nil
	})
}

// leftOver is the error that something could not be removed.
func (p Pruning) leftOver(again string) error {
	var why []string
	var hint string
	if p.user != nil {
		hint = fmt.Sprintf("it removes with the rights of user %d; ", p.user.Uid)
	}
	found := false
	for _, err := range p.left {
		why = append(why, strings.ReplaceAll(err.Error(), "\n", ": "))
		if at := (*fs.PathError)(nil); !found && errors.As(err, &at) {
			folder := foreign.Shell(filepath.Dir(at.Path))
			found, hint = true, hint+fmt.Sprintf("`ls -lan %s` shows whose it is, `lsattr -a %s` whether it may be changed; ", folder, folder)
		}
	}
	return refuse(Failed, hint+"`"+again+"` goes on", errors.New(strings.Join(why, "; ")))
}
