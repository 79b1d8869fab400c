package main

import (
	"errors"
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
)

func releasesCommand() *command {
	prune := &command{
		Command: &cli.Command{
			Name:  "prune",
			Usage: "remove the oldest releases that nothing uses",
			Description: "Removes the oldest of those that are called <time>-<sha>, as 20261123-1a2b3c4, but for\n" +
				"the newest (--keep), those that a color of any site, another link beside them or a\n" +
				"process uses, and the newest before the live one that was not fled. It follows no link,\n" +
				"enters nothing that is mounted, and touches nothing else. Where another user could lead\n" +
				"a link or the folder elsewhere, it goes by his rights; where several could, nothing is\n" +
				"removed. What cannot be removed keeps nothing else from it, and is shown as half removed.\n" +
				"A switch waits for none of it.",
			Flags: []cli.Flag{
				&cli.IntFlag{Name: "keep", Value: 5, Usage: "keep the newest `N`, whatever they are"},
				&cli.BoolFlag{Name: "dry-run", Usage: "only show what would be removed"},
				&cli.DurationFlag{Name: "wait-lock", Usage: "wait this `DURATION` (60, 90s or 2m) for another bgswitch"},
			},
		},
		examples: []example{
			{"look first", "sudo bgswitch releases prune --keep 5 --dry-run"},
			{"after a deploy", "sudo bgswitch releases prune --keep 5"},
		},
		exits: saying(exitsOf(exitDone, exitFailed, exitBusy, exitInterrupted), exitInterrupted, "interrupted; the next run goes on"),
	}
	return &command{
		Command: &cli.Command{
			Name:      "releases",
			Category:  kindLook,
			Usage:     "what each color carries, and which releases are there",
			ArgsUsage: "[prune]",
			Description: "Shows what each color carries, and which releases were fled. Where `release:` names\n" +
				"a link for each color, also the folders beside those that the links lead to.",
			Action: releases,
		},
		examples: []example{{"what there is", "sudo bgswitch releases"}},
		exits:    exitsOf(exitDone, exitFailed),
		under:    []*command{prune},
	}
}

func releases(c *cli.Context) error {
	t := terminalOf(c)
	prunes := c.Args().Len() == 1 && c.Args().First() == "prune"
	switch line := typedOf(c); {
	case c.Args().Len() > 0 && !prunes:
		return usage("`"+line.Command("releases", "prune", "--dry-run")+"` shows what would be removed", "releases takes prune or nothing, not %q", strings.Join(c.Args().Slice(), " "))
	case !prunes && (c.IsSet("keep") || c.IsSet("dry-run") || c.IsSet("wait-lock")):
		return usage("`"+line.Again(toPrune(c)...)+"` shows what would be removed", "--keep, --dry-run and --wait-lock work only with `releases prune`")
	case c.Int("keep") < 1:
		return usage("write it as --keep 5", "--keep: %d is not allowed: prune keeps at least one release", c.Int("keep"))
	}
	if err := noneNegative(c, "wait-lock"); err != nil {
		return err
	}
	s, site, err := setupSite(c, t)
	if err != nil {
		return err
	}
	switching := s.switcherFor(site, t)
	if prunes {
		return t.prune(c, switching)
	}
	o, p, _ := t.releasesNow(c, switching, 0)
	return t.showReleases(o, p)
}

// toPrune is what the line lacks to show what would be removed.
func toPrune(c *cli.Context) []string {
	if c.Bool("dry-run") {
		return []string{"prune"}
	}
	return []string{"prune", "--dry-run"}
}

// releasesNow is what there is. Folders there are only where links lead to them.
func (t *terminal) releasesNow(c *cli.Context, s *switcher.Switcher, keep int) (o releasesObject, p switcher.Pruning, err error) {
	live, carried, unread := s.Released(c.Context)
	p, err = s.PruningOf(keep)
	if !errors.Is(err, switcher.ErrNoLinks) {
		unread = errors.Join(unread, err)
	}
	o = releasesObject{Schema: schema, Site: s.Site.Name, Live: live, Releases: releasesOf(carried), Fled: []switcher.Fled{}, Error: errorText(unread)}
	if fled, err := s.Fled(); err == nil {
		o.Fled = append(o.Fled, fled...)
	}
	o.take(p)
	return o, p, err
}

func (t *terminal) showReleases(o releasesObject, p switcher.Pruning) error {
	if t.json {
		return t.object(o)
	}
	t.result("%s", t.painted(sgrBold, o.Site))
	for _, r := range o.Releases {
		is := ""
		if r.Color == o.Live {
			is = ", live"
		}
		t.line(string(r.Color), string(r.carried.String()+is))
	}
	t.showFolders(p, "")
	if o.Error != "" {
		t.say(string(o.Error))
	}
	return nil
}

func (t *terminal) showFolders(p switcher.Pruning, otherwise string) {
	if p.Folder != "" {
		t.line("folder", p.Folder)
	}
	for _, f := range p.Folders {
		words := f.Kept
		if words == "" {
			words = otherwise
		}
		if f.Fled != nil {
			words = strings.TrimPrefix(words+"; "+f.Fled.String(), "; ")
		}
		t.result("  %s", strings.TrimSpace(string(inked("%-24s %s", f.Name, words))))
	}
	for _, name := range p.Half {
		words := "half removed"
		if otherwise != "" {
			words += ", the rest " + otherwise
		}
		t.result("  %s", string(inked("%-24s %s", name, words)))
	}
}

func (t *terminal) prune(c *cli.Context, s *switcher.Switcher) error {
	o, pruning, err := t.releasesNow(c, s, c.Int("keep"))
	if c.Bool("dry-run") {
		if err == nil {
			o.Would = append([]string{}, pruning.ToRemove()...)
			t.showFolders(pruning, "would be removed")
			t.result("dry run: nothing was removed")
		} else {
			err = switcher.NotPruned(err)
		}
	} else {
		pruning, err = t.pruned(c, s)
		o.take(pruning)
		o.Removed = append([]string{}, pruning.Removed...)
	}
	if t.json {
		o.Error = errorText(err)
		t.showObject(o)
	}
	return err
}

// pruned removes them, and tells of each.
func (t *terminal) pruned(c *cli.Context, s *switcher.Switcher) (switcher.Pruning, error) {
	progress := t.progress()
	pruning, err := s.Prune(c.Context, c.Int("keep"), c.Duration("wait-lock"), func(release string, gone int) {
		progress.tell("removing "+release, switcher.Counted(gone, "name")+" gone")
	})
	progress.end()
	for _, name := range pruning.Removed {
		t.result("removed %s", name)
	}
	if err == nil && len(pruning.Removed) == 0 {
		t.result("nothing was removed: every release is kept (%s)", switcher.Counted(len(pruning.Folders), "release"))
	}
	return pruning, err
}

// releasesObject is what `releases` prints with --json.
type releasesObject struct {
	Schema   int             `json:"schema"`
	Site     string          `json:"site"`
	Live     switcher.Color  `json:"live"`
	Releases []releaseObject `json:"releases"`
	Fled     []switcher.Fled `json:"fled"`
	Folder   statedir.Text   `json:"folder"`
	Folders  []folderObject  `json:"folders"`
	Half     []string        `json:"half"`
	Would    []string        `json:"would"`
	Removed  []string        `json:"removed"`
	Error    statedir.Text   `json:"error"`
}

type folderObject struct {
	Release string         `json:"release"`
	Kept    statedir.Text  `json:"kept"`
	Fled    *switcher.Fled `json:"fled"`
}

func (o *releasesObject) take(p switcher.Pruning) {
	o.Folder, o.Folders, o.Half = statedir.Text(p.Folder), []folderObject{}, append([]string{}, p.Half...)
	for _, f := range p.Folders {
		o.Folders = append(o.Folders, folderObject{f.Name, statedir.Text(f.Kept), f.Fled})
	}
}
