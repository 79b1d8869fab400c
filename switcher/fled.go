package switcher

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// Fled is a release that was left for it was bad.
type Fled struct {
	Release string    `json:"release"`
	Color   Color     `json:"color"` // that carried it
	Time    time.Time `json:"time"`
	Who     string    `json:"who"`
	Host    string    `json:"host"`
	Why     string    `json:"why"`
}

func (f Fled) String() string {
	return fmt.Sprintf("fled by %s at %s: %s", f.Who, InZone(f.Time), f.Why)
}

// fledFile is where they are kept, newest first, in the state folder.
const fledFile = "fled.json"

// fledSchema is the version of fledRecords: one that is not known is not read.
const fledSchema = 1

type fledRecords struct {
	Schema int    `json:"schema"`
	Fled   []Fled `json:"fled"`
}

// fledLimit is how many are kept: the oldest go.
const fledLimit = 100

// Fled are the releases that were fled, newest first. What cannot be read is an
// error, and never none.
func (s *Switcher) Fled() ([]Fled, error) {
	var kept fledRecords
	found, err := s.State.Load(fledFile, &kept)
	if err == nil && found && kept.Schema != fledSchema {
		err = fmt.Errorf("%s/%s is of another version of bgswitch", s.State.Path, fledFile)
	}
	if err != nil {
		return nil, fmt.Errorf("which releases were fled cannot be read: %w", err)
	}
	return kept.Fled, nil
}

const stepFlee = "mark the release as bad"

// flee marks what the colors carry that are left, before anything changes: who is
// killed on the way has left none that is not marked.
func (s *Survey) flee() error {
	if s.request.Bad == "" {
		return nil
	}
	return s.take(stepFlee, func() error {
		return s.each(func(p *part) error {
			if p.plan.From == p.plan.To {
				p.note("%s is not left: nothing is marked", p.plan.From)
			} else {
				p.flee()
			}
			return nil
		})
	})
}

// flee marks what the color carries. It is left all the same where that cannot be
// done: that is what matters now.
func (p *part) flee() {
	from := p.plan.From
	left := p.left()
	if left.Name == "" {
		left = p.readings.wait(from)
	}
	block := fmt.Sprintf("nothing is marked; `%s` keeps everybody from it", p.Command("block", string(from), "--reason", p.survey.request.Bad))
	switch {
	case from == "":
		p.note("which color is left is not known: nothing is marked")
		return
	case left.Name == "":
		p.note("what %s carries is not known: %s", from, block)
		return
	case left.Name == p.carried(p.readings.now(p.plan.To)).Name:
		p.note("%s carries %s as well: %s", p.plan.To, left.Name, block)
		return
	}
	mark := Fled{Release: left.Name, Color: from, Time: p.survey.began.UTC(), Who: p.survey.request.Who, Host: p.Host, Why: p.survey.request.Bad}
	kept, err := p.Fled()
	if err == nil {
		kept = append([]Fled{mark}, slices.DeleteFunc(kept, func(f Fled) bool { return f.Release == mark.Release && f.Color == mark.Color })...)
		err = p.State.Store(fledFile, fledRecords{fledSchema, kept[:min(len(kept), fledLimit)]})
	}
	if err != nil {
		p.note("%s could not be marked as bad: %v", left.Name, err)
		return
	}
	p.marked = left.Name
	p.note("%s is marked as bad: nobody goes to it again without --override", left.Name)
}

// afterFlight objects to a release that was fled, and to what may still be it. Who
// only looks, and may not read which were, is told that: an error.
func (p *part) afterFlight() (Objections, error) {
	kept, err := p.Fled()
	switch {
	case errors.Is(err, fs.ErrPermission) && p.survey.request.DryRun:
		return nil, err
	case errors.As(err, new(*fs.PathError)): // it may be all right
		return Objections{{What: err.Error(), Hints: []string{"see why it cannot be read"}}}, nil
	case err != nil:
		return Objections{{What: err.Error(), Hints: []string{fmt.Sprintf("look at it; without it none was fled: `%s`", p.pastedAs("rm", filepath.Join(p.State.Path, fledFile)))}}}, nil
	case len(kept) == 0:
		return nil, nil
	}
	return p.fledStill(kept), nil
}

// fledStill objects where the target carries, or may carry, one of them.
func (p *part) fledStill(kept []Fled) Objections {
	to := p.plan.To
	carries := p.carriesNow()
	if i := slices.IndexFunc(kept, func(f Fled) bool { return f.Release == carries.Name }); i >= 0 {
		return Objections{{What: fmt.Sprintf("%s carries %s, which was %s", to, kept[i].Release, kept[i]), Hints: []string{"deploy another release to " + string(to)}}}
	}
	i := slices.IndexFunc(kept, func(f Fled) bool { return f.Color == to })
	if carries.Name != "" || i < 0 || p.wentToSince(kept[i]) {
		return nil
	}
	hint := "`" + p.survey.Again("--release", "RELEASE") + "` says what it carries"
	if carries.Err != nil {
		hint = "what it carries is unknown: " + carries.Err.Error()
	}
	return Objections{{What: fmt.Sprintf("%s may still carry %s, which was %s", to, kept[i].Release, kept[i]), Hints: []string{hint}}}
}

// carriesNow is what the target carries. Who only asks for the way back has not
// begun to find it out.
func (p *part) carriesNow() Release {
	if p.survey.request.wayBack {
		return p.carries(p.questions.ctx, p.plan.To)
	}
	return p.carried(p.readings.wait(p.plan.To))
}

// wentToSince says that somebody has gone to the color since it was fled, who has
// known what he does. A history that cannot be read says nothing.
func (p *part) wentToSince(f Fled) bool {
	for r, err := range p.State.Records(nil) {
		if err != nil || !r.Time.After(f.Time) {
			return false
		}
		if Outcome(r.Outcome) == Done && r.To == f.Color {
			return true
		}
	}
	return false
}

// findFled finds out which of the releases that the colors carry were fled.
func (s *Switcher) findFled(all map[Color]Release) error {
	if all[Blue].Name == "" && all[Green].Name == "" {
		return nil
	}
	kept, err := s.Fled()
	for color, r := range all {
		if i := slices.IndexFunc(kept, func(f Fled) bool { return f.Release == r.Name }); i >= 0 {
			r.Fled = &kept[i]
			all[color] = r
		}
	}
	return err
}
