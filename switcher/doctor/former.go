package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// formerNames are state folders that hold the history of this very site by another
// name.
func (x *site) formerNames() (found []Finding) {
	own, named := x.s.State.Path, filepath.Join(x.host.StateDir, x.s.Site.Name)
	if own != named {
		found = append(found, advice(moving(own, named), "the history of the site lies in %s, by the name that it had before", own))
	}
	entries, err := os.ReadDir(x.host.StateDir)
	if err != nil && !isMissing(err) {
		return append(found, unknown(x.s.AsRoot(), "whether a state folder is of a former name of the site: %v", err))
	}
	for _, entry := range entries {
		folder := statedir.Of(x.host.StateDir, entry.Name())
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || x.inUse(folder) || !x.isOf(folder) {
			continue
		}
		to := own
		if _, err := os.Lstat(own); err == nil { // which has a history of its own since
			to = "/var/backups/"
		}
		found = append(found, advice(moving(folder.Path, to), "%s holds switches of the same live file, by a former name of the site: nothing reads it", folder.Path))
	}
	return found
}

// moving is what moves a state folder. The summary beside it is made anew by verify.
func moving(folder, to string) string {
	return foreign.Shell("mv", folder, to) + " && " + foreign.Shell("rm", "-f", statedir.Folder{Path: folder}.Summary())
}

func (x *site) inUse(folder statedir.Folder) bool {
	return slices.ContainsFunc(x.all, func(s *switcher.Switcher) bool { return s.State.Path == folder.Path })
}

// isOf says whether the newest record of a folder is about one of the live files.
func (x *site) isOf(folder statedir.Folder) bool {
	newest, err := folder.Newest()
	if err != nil || newest == nil {
		return false
	}
	return slices.ContainsFunc(newest.Files(), func(of statedir.FileRecord) bool {
		return slices.ContainsFunc(x.Seen, func(f switcher.SeenFile) bool { return string(of.Path) == f.Path })
	})
}

// unwatched asks when verify was last there.
func (x *site) unwatched() []Finding {
	last, err := verify.LastRun(x.s.State)
	if err != nil {
		return []Finding{unknown(x.s.AsRoot(), "whether verify runs: %v", err)}
	}
	return x.host.unwatched(last, x.s.Command("verify"), x.s.Command("init", "--cron"))
}

// clock: by it a block ends, and a failover waits.
func (x *site) clock() (found []Finding) {
	if x.Last != nil {
		found = x.host.setBack("a switch was recorded", x.Last.Time)
	}
	if last, err := verify.LastRun(x.s.State); err == nil && len(found) == 0 {
		found = x.host.setBack("verify ran", last)
	}
	return found
}
