package switcher

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"bgswitch/switcher/livefile"
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
var ErrNoLinks = errors.New("`release:` does not name a link for both colors, so nobody knows which releases are in use")

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
			return nil, fmt.Errorf("it is not known what %s carries: %s: %w", color, source.Link, err)
		}
		leads[color] = to
	}
	if filepath.Dir(leads[Blue]) != filepath.Dir(leads[Green]) {
		return nil, fmt.Errorf("blue's link leads to %s and green's to %s, which are not in the same folder", leads[Blue], leads[Green])
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
