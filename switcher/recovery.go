package switcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/trust"
)

// remains are what a killed run had under way: one file, or several that it
// switched together. The first one's journal speaks for all.
type remains struct {
	parts []remaining // those whose journals still tell of it
	whole bool        // nothing has to be put back
}

// remaining is one file of them.
type remaining struct {
	*journal.Journal
	journal.Entry
}

// recover mends what killed runs left, as their journals tell: files that are
// not sure to be whole, or that nginx has not accepted, are taken out again, all
// of those that were to be switched together, and what was kept is removed. Those
// that nginx has accepted stay: what nginx has loaded of them is looked at like
// everything else.
func (s *Survey) recover(ctx context.Context) error {
	if s.request.DryRun {
		s.foretell()
		return nil
	}
	for _, j := range s.journals {
		if j.WasHooked() {
			s.note("%s", KilledBefore)
		}
		left, found, err := j.Left()
		if found {
			err = s.mend(ctx, j, left)
			s.undone[j.Live] = leftover(j.Place, left).IsUndone()
		}
		if errors.Is(err, journal.ErrNotUnderstood) {
			s.note("%v: what it kept was left in %s", err, j.Folder)
		} else if err != nil {
			s.leftover = true
			return err
		}
	}
	return nil
}

// mend takes the locks of the other files for as long as it lasts, but never
// waits for one.
func (s *Survey) mend(ctx context.Context, j *journal.Journal, left journal.Entry) error {
	r, borrowed, err := s.remains(ctx, j, left)
	if err == nil {
		err = r.mend(s)
	}
	if err != nil {
		return errors.Join(err, borrowed.Leave())
	}
	return borrowed.Close()
}

// remains finds all that belongs to what a journal tells of.
func (s *Survey) remains(ctx context.Context, j *journal.Journal, left journal.Entry) (r remains, borrowed journal.Set, err error) {
	if len(left.With) == 0 {
		return remains{[]remaining{{j, left}}, left.Whole}, nil, nil
	}
	r.whole = true // as long as the first one's journal does not deny it
	for i, place := range left.With {
		other := s.journals.Of(place.Live)
		if other == nil {
			if other, err = s.borrow(ctx, place); err != nil {
				return remains{}, borrowed, err
			}
			if other == nil {
				continue
			}
			borrowed = append(borrowed, other)
		}
		entry, found, err := other.Left()
		if err != nil {
			return remains{}, borrowed, err
		}
		if found && slices.Equal(entry.With, left.With) {
			r.parts = append(r.parts, remaining{other, entry})
			if i == 0 {
				r.whole = entry.Whole
			}
		}
	}
	return r, borrowed, nil
}

// borrow takes the lock of a file that is none of this site's; nil where its
// journal is gone, and so all is done with it. A journal is believed of another
// file only where nobody else could lead us astray there.
func (s *Survey) borrow(ctx context.Context, place journal.Place) (*journal.Journal, error) {
	if _, err := os.Lstat(place.Path()); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	folder, err := livefile.Resolve(filepath.Dir(place.Live))
	if err == nil && (folder != filepath.Dir(place.Live) || s.journalFolder(place.Live) != place.Folder) {
		err = errors.New("it was somewhere else")
	}
	hint := "look at both files, and remove the journals beside them once they agree"
	if doubts := trust.Doubts(place.Live); err == nil && len(doubts) > 0 {
		err, hint = doubts[0], trust.Mend(doubts[0])
	}
	if err != nil {
		return nil, refuse(Failed, hint, fmt.Errorf("repair what an earlier run left, together with %s: %w", place.Live, err))
	}
	taken, err := journal.Take(ctx, place, 0, s.request.Command, nil)
	if lock.IsBusy(err) {
		return nil, refuse(Busy, fmt.Sprintf("retry when it is done; `%s` shows where the traffic is", s.Command("status")), fmt.Errorf("%s, at %s, which an earlier run left half done", err, place.Live))
	}
	if err != nil {
		return nil, s.notLocked(err)
	}
	if taken.WasHooked() {
		s.note("%s", KilledBefore)
	}
	return taken, nil
}

// mend puts back what has to be, and only then forgets: the first one last, as
// long as which a run that is killed here leaves all to the next.
func (r remains) mend(s *Survey) error {
	for _, part := range r.parts {
		if r.whole {
			break
		}
		if err := s.restore(part); err != nil {
			return fmt.Errorf("put back what an earlier run left: %w", err)
		}
	}
	for _, part := range r.parts {
		if err := leftover(part.Place, part.Entry).Sweep(); err != nil {
			s.note("what an earlier run kept: %v", err)
		}
	}
	for _, part := range slices.Backward(r.parts) {
		if err := part.Forget(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Survey) restore(part remaining) error {
	r, err := leftover(part.Place, part.Entry).Replacement()
	if err != nil || r == nil {
		return err
	}
	put := r.IsPut()
	err = r.Restore()
	if errors.Is(err, livefile.ErrChanged) {
		return nil // somebody else's, since
	}
	if err == nil && put {
		s.note("%s: the old %s is back%s", killedUnsure(part.Entry), part.Live, s.whose(part.Live))
	}
	return err
}

// whose tells of a file that is none of the sites' that its site was switched, too.
func (s *Survey) whose(live string) string {
	if s.journals.Of(live) != nil {
		return ""
	}
	return ", which is not a file of " + s.names() + ": what it decides goes back to its old color, too"
}

func (s *Survey) names() string {
	var names []string
	for _, p := range s.parts {
		names = append(names, p.Site.Name)
	}
	return strings.Join(names, " and ")
}

func killedUnsure(e journal.Entry) string {
	return "an earlier run was killed before its " + worded(len(e.With), "file was", "files were") + " sure to be right"
}

func leftover(p journal.Place, e journal.Entry) livefile.Leftover {
	return livefile.Leftover{
		Live: p.Live, Kept: filepath.Join(p.Folder, e.Kept), Before: e.Before, After: e.After, InPlace: e.InPlace,
		Link: e.Link, Led: e.Led,
	}
}

// foretell is recover for a dry run: it says what would be put back, and touches
// nothing.
func (s *Survey) foretell() {
	for _, p := range s.parts {
		places, _ := p.places() // the files could be read a moment ago
		for _, place := range places {
			e, found := place.CutOff()
			if found {
				s.undone[place.Live] = leftover(place, e).IsUndone()
			}
			for _, live := range toPutBack(place, e) {
				s.note("%s; the next switch puts the old %s back first", killedUnsure(e), live)
			}
		}
	}
}

// toPutBack are the live files that the next switch puts back for what a killed
// run left at a place.
func toPutBack(at journal.Place, e journal.Entry) (lives []string) {
	if e.Schema == 0 || e.Whole {
		return nil
	}
	with := e.With
	if len(with) == 0 {
		with = []journal.Place{at}
	}
	for _, place := range with {
		if of, found := place.CutOff(); found && slices.Equal(of.With, e.With) && leftover(place, of).IsPut() {
			lives = append(lives, place.Live)
		}
	}
	return lives
}
