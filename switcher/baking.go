package switcher

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"bgswitch/switcher/lock"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/statedir"
)

// Baking is a bake that has not ended. It stands in the site's state folder, in a
// file that is locked by whoever watches, from before the switch is recorded:
// once he was killed, by whatever, the file tells that nobody does. The next
// switch takes the file from him, which ends his bake.
type Baking struct {
	Schema int       `json:"bake"`
	From   Color     `json:"from"`
	To     Color     `json:"to"`
	Began  time.Time `json:"began"` // the time of the switch, as in its record
	Until  time.Time `json:"until"`

	Holder *lock.Holder `json:"-"` // who watches; nil: it was cut off
}

const (
	bakingSchema = 1
	bakingFile   = "bake.lock"
)

func (s *Switcher) bakingPath() string { return filepath.Join(s.State.Path, bakingFile) }

// Baking is the bake that is under way, or was cut off; nil where there is none, or
// that may not be read.
func (s *Switcher) Baking() *Baking {
	b, _ := s.findBaking()
	return b
}

// findBaking is Baking; the error says why that is unknown.
func (s *Switcher) findBaking() (*Baking, error) {
	b, err := s.lookAtBaking()
	if b == nil {
		return nil, err
	}
	if holder, held, err := lock.Held(s.bakingPath()); held || err != nil {
		b.Holder = &holder
		return b, nil
	}
	if again, err := s.lookAtBaking(); again == nil || !again.Began.Equal(b.Began) {
		return again.unlessEnded(s), err // its holder has just gone
	}
	return b.unlessEnded(s), nil
}

func (s *Switcher) lookAtBaking() (*Baking, error) {
	var b Baking
	lines, _, err := lock.Look(s.bakingPath())
	for _, line := range lines {
		_ = json.Unmarshal(line, &b)
	}
	if b.Schema != bakingSchema || b.To == "" {
		return nil, err
	}
	return &b, err
}

// unlessEnded: who was killed once he had recorded how it ended has cut nothing off.
func (b *Baking) unlessEnded(s *Switcher) *Baking {
	if b == nil {
		return nil
	}
	last, err := s.State.Newest()
	if err == nil && last != nil && last.Time.Equal(b.Began) && last.Bake != nil && last.Bake.Outcome != statedir.BakeBegun {
		return nil
	}
	return b
}

// mayBake is what the records tell who may not see the bake itself: nil where nothing
// can bake.
func (s *Switcher) mayBake(closed error) error {
	r, _, err := s.newestDone()
	switch {
	case err != nil:
		return closed
	case r == nil || r.Bake == nil || r.Bake.Outcome != statedir.BakeBegun:
		return nil
	}
	return fmt.Errorf("%s was to bake until %s; `%s` sees whether it does", r.To, moment.Text(r.Bake.Until), s.StatusAsRoot())
}

// CutOff says that nobody watches any more who was to.
func (b *Baking) CutOff() bool { return b != nil && b.Holder == nil }

// String tells of it.
func (b *Baking) String() string {
	if b.CutOff() {
		return fmt.Sprintf("the bake of %s after the switch at %s was interrupted; outcome unknown", b.To, moment.Text(b.Began))
	}
	return fmt.Sprintf("%s bakes until %s, watched by process %d; if it fails, %s becomes live again", b.To, moment.Clock(b.Until), b.Holder.PID, b.From)
}

// begin takes the file from whoever has it, and notes the bake. The lock of the
// live files is held.
func (b Baking) begin(s *Switcher) (*lock.Lock, error) {
	if err := lock.Expel(s.bakingPath()); err != nil {
		return nil, err
	}
	held, err := lock.Take(context.Background(), s.bakingPath(), 0, BakeCommand, nil)
	if err != nil {
		return nil, err
	}
	if err = held.Append(b); err == nil {
		err = held.File.Sync()
	}
	if err == nil {
		err = held.Folder.Sync()
	}
	if err != nil {
		_ = held.Release()
		return nil, err
	}
	return held, nil
}

// endBaking ends the bake that a switch finds, once that is done; where there was
// nothing to do, only what was cut off before it: that has been told.
func (p *part) endBaking(r *Result) {
	b := p.Baking()
	if b == nil || p.survey.journals == nil || r.Outcome != Done && (r.Outcome != Already || !b.CutOff()) {
		return
	}
	if err := lock.Expel(p.bakingPath()); err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("cannot end the bake of %s: %v", b.To, err))
	} else if b.CutOff() {
		r.Notes = append(r.Notes, "the interrupted bake is now forgotten; you will not be told of it again")
	}
	if !b.CutOff() && p.survey.request.baker == nil {
		r.Notes = append(r.Notes, fmt.Sprintf("this ends the bake of %s that process %d watched", b.To, b.Holder.PID))
	}
}

// tellBaking tells of a bake that was cut off.
func (p *part) tellBaking() {
	if p.survey.request.wayBack || p.survey.request.baker != nil {
		return
	}
	if b := p.Baking(); b.CutOff() {
		p.note("%s", b)
	}
}

// bakes is what becomes of bakes with a switch: of the one that it ends, the one that
// it is the end of, and the one that begins with it.
func (p *part) bakes(r *Result) {
	request := p.survey.request
	if request.baker != nil && p.survey.recorded(*r) {
		r.Record.Bake = request.baker.closes(r.Record) // before the file goes that tells of it
	}
	p.endBaking(r)
	switch {
	case request.Bake == nil:
	case r.Outcome == Already && p.Baking() != nil:
		r.Notes = append(r.Notes, fmt.Sprintf("nothing was switched, so no other bake begins: %s", p.Baking()))
	case r.Outcome == Already:
		r.Notes = append(r.Notes, "nothing was switched, so nothing bakes")
	case r.Outcome == Done && r.Plan.From == r.Plan.To:
		r.Notes = append(r.Notes, fmt.Sprintf("the %s %s before: no color to go back to is known, so nothing bakes", p.word("file named", "files named"), r.Plan.To))
	case r.Outcome == Done:
		p.beginBake(r)
	}
}

func (p *part) beginBake(r *Result) {
	baker, err := p.newBaker(r.Record, p.told(BakeCommand))
	if err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%s does not bake, because the bake could not be recorded: %v", r.Plan.To, err))
		return
	}
	r.Record.Bake = baker.noted(statedir.BakeBegun, "")
	r.Record.Bake.TookMS = nil
	r.Baker = baker
}
