// Package switcher switches a site: a Survey looks at everything and writes
// nothing, a failure there refuses the switch; a Prepared has the new files and
// the journal on the disk; its Commit puts them in place and proves that nginx
// took them; from the first byte that changes, a failure ends in its Undo.
package switcher

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/access"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"github.com/rs/zerolog"
)

// Switcher is what a switch needs: a site and the effects.
type Switcher struct {
	Typed
	Site  Site
	Sites []Site // all of the settings: releases may be shared
	Nginx *nginx.Nginx
	State statedir.Folder
	Asker health.Asker
	Host  string // the name of this host, for the records
	Log   zerolog.Logger
	Say   func(text string) // what is told on the way; nil: nothing
}

// Request is what somebody asked for.
type Request struct {
	To       Color // empty: back to the other color
	Force    bool  // skip the target's health
	Restore  bool  // put the files back as they were when the target was last proved
	Reason   string
	Override string        // why to go there although something speaks against it; empty: then not
	Release  string        // what the target carries, as is said; where it can be read, it has to be the same
	Bad      string        // why the release that is left is bad: it is marked, and nobody goes to it again; empty: it is not
	Expect   string        // refuse a target that carries another release; empty: any will do
	Wait     time.Duration // keep asking until the target is healthy, at most this long
	WaitLock time.Duration // wait for another bgswitch, at most this long
	DryRun   bool
	Handover nginx.Handover
	Strict   bool   // refuse what others may write
	Command  string // as it is recorded: to, back
	Who      string
	Still    *Seen // refuse where this is no longer so when the lock is held; nil: it was decided on nothing
	Bake     *Bake // watch the target afterwards; nil: nobody does

	wayBack   bool   // only verify's question whether a switch would be possible
	held      *held  // locks that were taken before; nil: they have to be
	returns   bool   // a drill goes there, and will come back
	returning bool   // and comes back
	baker     *Baker // who goes back; nil: it is no bake that does
}

// Result is what came of a request.
type Result struct {
	Site     string
	Outcome  Outcome
	Plan     Plan
	Server   string // what serves the site: nginx, or an app
	Loaded   Loaded // what nginx had of the file before
	Record   statedir.Record
	Verdicts []health.Verdict
	Release  Release  // what the target carries
	Steps    []string // the steps that a dry run did not take
	Notes    []string // what the operator has to know besides
	Draining int      // old workers that still finish connections, in the end
	Stop     string   // what to type before the color that was left is stopped
	Baker    *Baker   // who watches the target, and has to; nil: nobody does
}

// Lock takes the locks of the site's live files: nobody switches them meanwhile,
// by whatever name, from whatever state folder. Who waits is told for whom. The
// errors are those of lock.Take.
func (s *Switcher) Lock(ctx context.Context, wait time.Duration, command string) (journal.Set, error) {
	return lockAll(ctx, []*Switcher{s}, wait, command)
}

func lockAll(ctx context.Context, sites []*Switcher, wait time.Duration, command string) (journal.Set, error) {
	var places []journal.Place
	for _, s := range sites {
		of, err := s.places()
		if err != nil {
			return nil, err
		}
		places = append(places, of...)
	}
	for _, p := range places {
		if p.Folder != filepath.Dir(p.Live) {
			if err := (statedir.Folder{Path: p.Folder}).Create(); err != nil {
				return nil, err
			}
		}
	}
	return journal.TakeAll(ctx, places, wait, command, sites[0].waiting(wait).forLock)
}

// Holder says who switches one of the site's live files now; ok is false when
// nobody does. It takes nothing.
func (s *Switcher) Holder() (holder lock.Holder, ok bool, err error) {
	places, err := s.places()
	if err != nil {
		return lock.Holder{}, false, nil // then nobody can
	}
	for _, p := range places {
		if holder, ok, err = journal.Held(p); ok || err != nil {
			return holder, ok, err
		}
	}
	return lock.Holder{}, false, nil
}

// cutOff says whether files disagree because a switch was killed between them;
// last is the color of the one that was the last to be switched.
func (s *Switcher) cutOff(err error) (last Color, is bool) {
	var d *disagreement
	if !errors.As(err, &d) {
		return "", false
	}
	places, err := s.places()
	return d.last, err == nil && slices.ContainsFunc(places, func(p journal.Place) bool {
		_, found := p.CutOff()
		return found
	})
}

// places are where the journals of the live files stand.
func (s *Switcher) places() (places []journal.Place, err error) {
	for _, f := range s.Site.Files {
		live, err := f.home()
		if err != nil {
			return nil, err
		}
		places = append(places, journal.Place{Folder: s.journalFolder(live), Live: live})
	}
	return places, nil
}

// journalFolder is where the journal of a live file stands: beside it, so that
// all who switch it meet. Only where that folder cannot be written, and the
// file is mounted there by itself, it is in a folder of the file's own below the
// state folder: sites that share the file meet there.
func (s *Switcher) journalFolder(live string) string {
	beside := filepath.Dir(live)
	if access.Writable(beside) == nil {
		return beside
	}
	file, err := livefile.Read(live)
	if err != nil {
		return beside
	}
	if mounted, err := file.MountPoint(); err != nil || !mounted {
		return beside
	}
	return filepath.Join(filepath.Dir(s.State.Path), ".mounted-"+livefile.Hash([]byte(live))[:16])
}

func (s *Switcher) say(text string) {
	if s.Say != nil {
		s.Say(text)
	}
}
