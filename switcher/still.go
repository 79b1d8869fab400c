package switcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgswitch/switcher/statedir"
)

// Seen is what somebody sees who decides to switch without being asked to.
type Seen struct {
	Live    Color     // by the file
	Changed time.Time // when a file last changed in any way
	Last    time.Time // of the newest record; the zero time where there is none
}

func seen(live Color, files files, last *statedir.Record) Seen {
	s := Seen{Live: live, Changed: files.lastChanged()}
	if last != nil {
		s.Last = last.Time
	}
	return s
}

// Same says whether nothing has changed between two looks.
func (s Seen) Same(other Seen) bool {
	return s.Live == other.Live && s.Changed.Equal(other.Changed) && s.Last.Equal(other.Last)
}

// See looks, once more, at the files and the newest record alone.
func (s *Switcher) See() (Seen, error) {
	last, err := s.State.Newest()
	if err != nil {
		return Seen{}, err
	}
	files, err := s.Site.read()
	if err != nil {
		return Seen{}, err
	}
	_, live, err := s.Site.understand(files)
	if err != nil {
		return Seen{}, err
	}
	return seen(live, files, last), nil
}

// still refuses where the decision was made on something that is no longer so:
// what somebody does by hand is never overridden. The lock is held.
func (s *Survey) still(context.Context) error {
	if b := s.request.baker; b != nil {
		return b.still(s.parts[0].plan.From)
	}
	if s.request.Still == nil {
		return nil
	}
	last, err := s.State.Newest()
	if err != nil {
		return err
	}
	was, now := *s.request.Still, seen(s.parts[0].plan.From, s.files(), last)
	switch {
	case last != nil && !now.Last.Equal(was.Last):
		err = fmt.Errorf("in the meantime, `bgswitch %s` by %s: %s", last.Command, last.Who, last.Outcome)
	case now.Live != was.Live:
		err = fmt.Errorf("the %s %s now", s.word("file names", "files name"), now.Live)
	case !now.Changed.Equal(was.Changed):
		err = fmt.Errorf("%s was changed in the meantime", s.files().newest().Path)
	default:
		return nil
	}
	return refuse(Overtaken, s.hintStatus(), err)
}

// still refuses to go back from a color that bakes no more.
func (b *Baker) still(live Color) error {
	switch {
	case b.lock.Lost():
		return refuse(Overtaken, b.hintStatus(), errors.New(b.overtaker()))
	case live != b.record.To:
		return refuse(Overtaken, b.hintStatus(), errors.New(b.namesNow()))
	}
	return nil
}
