package switcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
				return nil, fmt.Errorf("it is not known what %s carries: %w", words, err)
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
