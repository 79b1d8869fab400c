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

	"bgswitch/switcher/foreign"
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
	Half    []string        // those that are hidden, to be removed: nobody uses them any more
	Removed []string        // what is gone

	user *syscall.Credential // whose rights go; nil: ours
	uses []use
	left []error // why something could not be removed
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
	if p.user, err = s.hands(leads[Blue]); err != nil {
		return p, err
	}
	live, err := s.liveColor()
	if err != nil {
		return p, err
	}
	fled, err := s.Fled()
	if err != nil {
		return p, err
	}
	if err := p.inFolder(func(folder trust.Folder) error { return p.read(folder, fled) }); err != nil {
		return p, err
	}
	if p.uses, err = s.uses(p.Folder); err != nil {
		return p, err
	}
	p.keepUsed()
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

// hands is whose rights go: his who could lead one of the links elsewhere, or the
// folder of all releases, which one of them is in.
func (s *Switcher) hands(inFolder string) (*syscall.Credential, error) {
	paths := []string{s.Site.Releases.Of[Blue].Link, s.Site.Releases.Of[Green].Link, inFolder}
	if folder := s.Site.Releases.Folder; folder != "" {
		paths = append(paths, filepath.Join(folder, filepath.Base(inFolder)))
	}
	return trust.Hands(paths...)
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
			p.Half = append(p.Half, strings.TrimPrefix(name, half))
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

// use is a path that is used, and what uses it.
type use struct {
	link string // that leads there; empty: it is none
	at   string // empty: it leads nowhere
	by   string
}

// keepUsed keeps what is used; the first use is told.
func (p *Pruning) keepUsed() {
	for i, f := range p.Folders {
		for _, u := range p.uses {
			if isBelow(u.at, filepath.Join(p.Folder, f.Name)) {
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

// uses is what the colors of all sites use, whatever other link stands in the folder
// or beside it, as `current` does, the live files, and the processes that are to be
// seen.
func (s *Switcher) uses(folder string) (uses []use, err error) {
	for _, site := range slices.Concat([]Site{s.Site}, s.Sites) {
		of, err := s.usedBy(site)
		if err != nil {
			return nil, err
		}
		uses = append(uses, of...)
	}
	for _, of := range []string{folder, filepath.Dir(folder)} {
		entries, _ := os.ReadDir(of)
		for _, entry := range entries {
			if link := filepath.Join(of, entry.Name()); entry.Type() == fs.ModeSymlink {
				uses = append(uses, leading(link))
			}
		}
	}
	for _, of := range []string{"cwd", "root", "exe"} {
		processes, _ := filepath.Glob("/proc/[0-9]*/" + of)
		for _, process := range processes {
			if at, err := os.Readlink(process); err == nil && isBelow(at, folder) {
				uses = append(uses, use{at: at, by: "process " + strings.Split(process, "/")[2] + " runs there"})
			}
		}
	}
	return uses, nil
}

// usedBy is what the colors of a site carry, and where its live files are. Of what a
// color carries it has to be known where that is, or that it is nowhere.
func (s *Switcher) usedBy(site Site) (uses []use, err error) {
	for _, color := range []Color{Blue, Green} {
		words := string(color)
		if site.Name != s.Site.Name {
			words += " of " + site.Name
		}
		source := site.Releases.Of[color]
		for _, path := range []string{source.Link, source.Git, source.File} {
			if path == "" {
				continue
			}
			at, err := filepath.EvalSymlinks(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("what %s carries is not known: %w", words, err)
			}
			uses = append(uses, use{path, at, words + " carries it"})
		}
	}
	for _, file := range site.Files {
		uses = append(uses, leading(file.Path))
	}
	return uses, nil
}

func leading(link string) use {
	at, _ := filepath.EvalSymlinks(link)
	return use{link, at, link + " leads to it"}
}

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
		return p, refuse(Failed, "let the links, the folder and the way to them belong to one user, or to root", err)
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
			return nil, refuse(Failed, s.hintStatus(), errors.New("an earlier switch was killed, and the next one has to mend that first"))
		}
	}
	defer func() { err = errors.Join(err, locks.Close()) }()
	now, err := s.PruningOf(keep)
	if err != nil {
		return nil, err
	}
	if now.Folder != p.Folder {
		return nil, fmt.Errorf("the links were led from %s to %s meanwhile", p.Folder, now.Folder)
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
var errLed = errors.New("meanwhile, or nowhere")

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
			err = fmt.Errorf("%s was led to %s %w", u.link, name, errLed)
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
				p.left = append(p.left, fmt.Errorf("%s is not all gone: %w", release, err))
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
		hint = fmt.Sprintf("it goes by the rights of user %d; ", p.user.Uid)
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

// withRights does something with the rights of whoever has the folder in his hands.
func (p Pruning) withRights(do func() error) error {
	err := trust.As(p.user, do)
	if err != nil && p.user != nil && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("with the rights of user %d, who could lead the links or the folder elsewhere: %w", p.user.Uid, err)
	}
	return err
}

// inFolder does something in the folder of all releases, with those rights.
func (p Pruning) inFolder(do func(trust.Folder) error) error {
	return p.withRights(func() error {
		folder, err := trust.OpenFolder(p.Folder)
		if err != nil {
			return err
		}
		defer folder.Close()
		return do(folder)
	})
}
