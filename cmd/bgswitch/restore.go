package main

import (
	"slices"
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/livefile"
)

// restorable refuses what --restore could do harm to: another site's color, where
// that stands in the same file.
func (s switching) restorable(dry bool) error {
	if len(s.of) > 1 {
		return usage("name one at a time", "--restore is for one site, but --site names several")
	}
	site := s.of[0].Site
	others := s.sharing(site)
	if len(others) == 0 || dry {
		return nil
	}
	return usage("fix the file by hand; `"+s.typedFor(site).Again("--dry-run")+"` shows what was last proved",
		"--restore would also put back %s, which is in the same file as %s", strings.Join(others, " and "), site.Name)
}

// sharing are the other sites of which a live file is one of this site's.
func (s settings) sharing(site switcher.Site) (names []string) {
	for _, other := range s.sites {
		if other.Name != site.Name && slices.ContainsFunc(other.Files, func(f switcher.LiveFile) bool { return stands(site, f) }) {
			names = append(names, other.Name)
		}
	}
	return names
}

func stands(site switcher.Site, in switcher.LiveFile) bool {
	at, err := livefile.Resolve(in.Path)
	return slices.ContainsFunc(site.Files, func(f switcher.LiveFile) bool {
		own, unknown := livefile.Resolve(f.Path)
		return err == nil && unknown == nil && own == at || f.Path == in.Path
	})
}
