package switcher

import (
	"errors"
	"fmt"
	"path/filepath"

	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
)

// recover mends what a killed run left, as its journal tells: a file that is not
// sure to be whole, or that nginx has not accepted, is taken out again, and what
// was kept is removed. One that nginx has accepted stays: what nginx has loaded
// of it is looked at like everything else.
func (s *Survey) recover() error {
	left, found, err := s.journal.Left()
	if err != nil {
		s.note("%v: what it kept was left in %s", err, s.journal.Folder)
	}
	if !found {
		return nil
	}
	live, err := livefile.Resolve(s.Site.Files[0].Path)
	if err != nil {
		return s.unreadable(err)
	}
	kept := filepath.Join(s.journal.Folder, left.Kept)
	if !left.Whole {
		if err := s.restore(live, kept, left); err != nil {
			return fmt.Errorf("put back what an earlier run left: %w", err)
		}
	}
	if err := leftover(live, kept, left).Sweep(); err != nil {
		s.note("what an earlier run kept: %v", err)
	}
	return s.journal.Forget()
}

func (s *Survey) restore(live, kept string, left journal.Entry) error {
	r, err := leftover(live, kept, left).Replacement()
	if err != nil || r == nil {
		return err
	}
	was, err := livefile.Read(live)
	if err != nil {
		return err
	}
	err = r.Restore()
	if errors.Is(err, livefile.ErrChanged) {
		return nil // somebody else's, since
	}
	if err == nil && was.Hash() != left.Before {
		s.note("an earlier run was killed before its file was sure to be right: the old one is back")
	}
	return err
}

func leftover(live, kept string, left journal.Entry) livefile.Leftover {
	return livefile.Leftover{
		Live: live, Kept: kept, Before: left.Before, After: left.After, InPlace: left.InPlace,
		Link: left.Link, Led: left.Led,
	}
}
