package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/trust"
)

// ReleaseFolder is the folder of one release, below that of all.
type ReleaseFolder struct {
	Name string
	Kept string // why it is not removed; empty: it may be
	Fled *Fled  // it was; nil: it was not
}

// Pruning is what becomes of the releases of a site.
type Pruning struct {
	Folder  string          // of all releases, without a link
	Folders []ReleaseFolder // newest first
	Half    []string        // names of those that an earlier run has begun to remove
	Removed []string        // what is gone
}

// ToRemove are the names of those that are kept by nothing, oldest first.
func (p Pruning) ToRemove() (names []string) {
	for _, f := range slices.Backward(p.Folders) {
		if f.Kept == "" {
			names = append(names, f.Name)
		}
	}
	return names
}

// releaseName is `<time>-<sha>`, in whatever way the time is written. They sort by
// it.
var releaseName = regexp.MustCompile(`^[0-9]{4}-?[0-9]{2}-?[0-9]{2}[0-9A-Za-z._:+-]*$`)

// half begins the name of a folder that is being removed: no link names that, and
// the next run goes on with it.
const half = ".bgswitch-removing-"

// PruningOf looks at what there is to prune, where the newest are kept, so many of
// them, and changes nothing.
func (s *Switcher) PruningOf(keep int) (p Pruning, err error) {
	leads, err := s.leadsTo()
	if err != nil {
		return p, err
	}
	p.Folder = filepath.Dir(leads[Blue])
	live, err := s.liveColor()
	if err != nil {
		return p, err
	}
	fled, err := s.Fled()
	if err != nil {
		return p, err
	}
	folder, err := trust.OpenFolder(p.Folder)
	if err != nil {
		return p, err
	}
	defer folder.Close()
	if err := p.read(folder, fled); err != nil {
		return p, err
	}
	p.keepUsed(s.used(p.Folder, leads))
	p.keepGood(filepath.Base(leads[live]))
	for i := range min(keep, len(p.Folders)) {
		p.keep(i, "one of the newest")
	}
	return p, nil
}

// ErrNoLinks says that no links lead to the releases of both colors.
var ErrNoLinks = errors.New("`release:` names no link for both colors, and so nobody knows which releases are in use")

// leadsTo are the folders that the links of both colors name. Without both, nobody
// knows what is in use.
func (s *Switcher) leadsTo() (map[Color]string, error) {
	leads := map[Color]string{}
	for _, color := range []Color{Blue, Green} {
		source := s.Site.Releases.Of[color]
		if source.Link == "" {
			return nil, ErrNoLinks
		}
		to, err := source.LeadsTo()
		if err != nil {
			return nil, fmt.Errorf("what %s carries is not known: %s: %w", color, source.Link, err)
		}
		leads[color] = to
	}
	if filepath.Dir(leads[Blue]) != filepath.Dir(leads[Green]) {
		return nil, fmt.Errorf("blue's link leads to %s, and green's to %s: those are not in one folder", leads[Blue], leads[Green])
	}
	return leads, nil
}

func (s *Switcher) liveColor() (Color, error) {
	files, err := s.Site.read()
	if err != nil {
		return "", err
	}
	_, live, err := s.Site.understand(files)
	return live, err
}

// read finds the folders, newest first, and those that are half gone. What is no
// folder, or has no name of a release, is not looked at.
func (p *Pruning) read(folder trust.Folder, fled []Fled) error {
	names, err := folder.Names()
	if err != nil {
		return err
	}
	mounts, err := livefile.MountsBelow(p.Folder)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		stat, err := folder.Lstat(name)
		isFolder := err == nil && stat.Mode&syscall.S_IFMT == syscall.S_IFDIR
		switch {
		case isFolder && strings.HasPrefix(name, half):
			p.Half = append(p.Half, name)
		case isFolder && releaseName.MatchString(name):
			f := ReleaseFolder{Name: name}
			if i := slices.IndexFunc(fled, func(f Fled) bool { return string(f.Release) == name }); i >= 0 {
				f.Fled = &fled[i]
			}
			if slices.ContainsFunc(mounts, func(at string) bool { return isBelow(at, filepath.Join(p.Folder, name)) }) {
				f.Kept = "something is mounted there"
			}
			p.Folders = append(p.Folders, f)
		}
	}
	return nil
}

func isBelow(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func (p *Pruning) keep(i int, why string) {
	if p.Folders[i].Kept == "" {
		p.Folders[i].Kept = why
	}
}

// use is a path in the folder of all releases, and what uses it.
type use struct{ path, by string }

// keepUsed keeps what is used; the first use is told.
func (p *Pruning) keepUsed(uses []use) {
	for i, f := range p.Folders {
		for _, u := range uses {
			if isBelow(u.path, filepath.Join(p.Folder, f.Name)) {
				p.keep(i, u.by)
			}
		}
	}
}

// keepGood keeps the newest good one before the live one: what one would go back
// to, and deploy once more.
func (p *Pruning) keepGood(live string) {
	for i, f := range p.Folders {
		if f.Name < live && f.Fled == nil {
			p.keep(i, "the newest good one before the live one")
			return
		}
	}
}

// used is what the links of the colors use, whatever other link stands in the folder
// or beside it, as `current` does, the live files, and the processes that are to be
// seen.
func (s *Switcher) used(folder string, leads map[Color]string) (uses []use) {
	for _, color := range []Color{Blue, Green} {
		uses = append(uses, use{leads[color], string(color) + " carries it"})
	}
	var links []string
	for _, file := range s.Site.Files {
		links = append(links, file.Path)
	}
	for _, of := range []string{folder, filepath.Dir(folder)} {
		entries, _ := os.ReadDir(of)
		for _, entry := range entries {
			if entry.Type() == fs.ModeSymlink {
				links = append(links, filepath.Join(of, entry.Name()))
			}
		}
	}
	for _, link := range links {
		if at, err := filepath.EvalSymlinks(link); err == nil && at != link {
			uses = append(uses, use{at, link + " leads to it"})
		}
	}
	for _, of := range []string{"cwd", "root", "exe"} {
		processes, _ := filepath.Glob("/proc/[0-9]*/" + of)
		for _, process := range processes {
			if at, err := os.Readlink(process); err == nil && isBelow(at, folder) {
				uses = append(uses, use{at, "process " + strings.Split(process, "/")[2] + " runs there"})
			}
		}
	}
	return uses
}

// StepPrune is how an error of it begins.
const StepPrune = "prune the releases"

// pruneLock keeps those who prune apart. A switch does not wait for it: there may be
// much to remove.
const pruneLock = "prune.lock"

// Prune removes what nothing keeps, the oldest first, and what a killed run had
// begun to remove. tell hears of every name that is gone. An error is an *Error.
func (s *Switcher) Prune(ctx context.Context, keep int, wait time.Duration, tell func(release string, gone int)) (Pruning, error) {
	p, err := s.prune(ctx, keep, wait, tell)
	if err == nil {
		return p, nil
	}
	failed := asError(StepPrune, err)
	if ctx.Err() != nil {
		failed = &Error{Outcome: Interrupted, Step: failed.Step, Err: errInterrupted, Hint: fmt.Sprintf("`%s` goes on", s.Again())}
	}
	return p, failed
}

func (s *Switcher) prune(ctx context.Context, keep int, wait time.Duration, tell func(string, int)) (p Pruning, err error) {
	alone, err := s.State.TryLock(pruneLock)
	switch {
	case lock.IsBusy(err):
		return p, refuse(Busy, "type it again when that one is through", err)
	case err != nil:
		return p, s.unusable(err)
	}
	defer func() { err = errors.Join(err, alone.Release()) }()
	if p, err = s.hideUnused(ctx, keep, wait); err != nil {
		return p, err
	}
	slices.Sort(p.Half)
	return p, p.inFolder(func(folder trust.Folder) error {
		for _, name := range p.Half {
			gone, release := 0, strings.TrimPrefix(name, half)
			err := folder.RemoveFolder(ctx, name, func() {
				gone++
				tell(release, gone)
			})
			if err != nil {
				return err
			}
			p.Removed = append(p.Removed, release)
		}
		return nil
	})
}

// hideUnused hides what nothing keeps, with the locks of the live files: no switch
// comes in between, and none waits for longer than this takes.
func (s *Switcher) hideUnused(ctx context.Context, keep int, wait time.Duration) (p Pruning, err error) {
	locks, err := s.Lock(ctx, wait, "releases prune")
	if err != nil {
		return p, s.notLocked(err)
	}
	for _, j := range locks {
		if _, found, err := j.Left(); found || err != nil || j.WasHooked() {
			_ = locks.Leave() // the lock goes with us anyway
			return p, refuse(Failed, s.hintStatus(), errors.New("an earlier switch was killed, and the next one has to mend that first"))
		}
	}
	defer func() { err = errors.Join(err, locks.Close()) }()
	if p, err = s.PruningOf(keep); err != nil {
		return p, err
	}
	return p, p.inFolder(func(folder trust.Folder) error {
		for _, name := range p.ToRemove() {
			if err := s.hide(folder, name); err != nil {
				return err
			}
			p.Half = append(p.Half, half+name)
		}
		return nil
	})
}

// inFolder does something in the folder of all releases, with the rights of whoever
// has it in his hands.
func (p Pruning) inFolder(do func(trust.Folder) error) error {
	user, err := trust.Behind(p.Folder)
	if err != nil {
		return refuse(Failed, trust.Mend(err), err)
	}
	return trust.As(user, func() error {
		folder, err := trust.OpenFolder(p.Folder)
		if err != nil {
			return err
		}
		defer folder.Close()
		return do(folder)
	})
}

// hide gives a folder a name that no link leads to, for good, before anything of it
// is gone. Where somebody has led a link to it meanwhile, it has its own name again.
func (s *Switcher) hide(folder trust.Folder, name string) error {
	if err := folder.Rename(name, half+name); err != nil {
		return err
	}
	for _, color := range []Color{Blue, Green} {
		if _, err := s.Site.Releases.Of[color].LeadsTo(); err != nil {
			return errors.Join(fmt.Errorf("%s's link was led to %s meanwhile, or nowhere: %w", color, name, err), folder.Rename(half+name, name))
		}
	}
	return nil
}
