package switcher

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
)

// backOnceWithin is how long after a `back` a second one is refused: two people
// in the same incident would undo each other, and the bad release be live again.
const backOnceWithin = 10 * time.Minute

// VerifyCommand is how records name a failover.
const VerifyCommand = "verify"

// isBack says that nobody has named a color: it is the one that had the traffic
// before, and nothing of the live one is asked.
func (r Request) isBack() bool { return r.To == "" && !r.wayBack }

// short is the way back, in earnest, in a drill or from a bake: one good answer is
// enough, and the color that is left is asked nothing.
func (r Request) short() bool { return r.isBack() || r.returning || r.baker != nil }

// target is the color to go to. With two colors, the one that had the traffic
// before is always the other one: the history could name no third.
func (r Request) target(live Color) Color {
	if r.To == "" {
		return live.Other()
	}
	return r.To
}

// target is that of the request. Where a killed run had begun to leave the color
// that the files name, or name again, `back` is there already: it stays, has it
// loaded once more, and proves it.
func (p *part) target(live Color) Color {
	if p.unmoved {
		return live
	}
	if p.stays = p.staysOn(live); p.stays {
		return live
	}
	return p.survey.request.target(live)
}

// staysOn: a killed switch is undone, and a `back` that was killed goes where it
// went, not back from there.
func (p *part) staysOn(live Color) bool {
	if !p.survey.request.isBack() {
		return false
	}
	if p.cut = p.cutBack(); p.cut != nil {
		return p.cut.To == live
	}
	if p.drill = p.cutDrill(); p.drill != nil && time.Since(p.drill.Time).Abs() < backOnceWithin {
		return p.drill.From == live
	}
	return slices.ContainsFunc(p.files, func(f *livefile.File) bool { return p.survey.undone[f.Home] })
}

// cutBack is a `back` that began just now, and of which no record says that it was
// done: it was killed, or what it did could not be recorded, or not be read.
func (s *Switcher) cutBack() *statedir.Back {
	b, err := s.State.NewestBack()
	if err != nil || b == nil || time.Since(b.Time).Abs() >= backOnceWithin {
		return nil
	}
	if r, _, err := s.newestDone(); err == nil && r != nil && !r.Time.Before(b.Time) {
		return nil
	}
	return b
}

// cutWords tell of a `back` that was cut off.
func (p *part) cutWords() string {
	return fmt.Sprintf("%s began to go back from %s to %s %s, but no record says that it finished", p.cut.Who, p.cut.From, p.cut.To, Ago(time.Since(p.cut.Time).Abs()))
}

// noteBack notes that a `back` begins, so that the next one does not return to
// what this one leaves.
func (s *Survey) noteBack() error {
	return s.each(func(p *part) error {
		return p.State.NoteBack(statedir.Back{Time: s.began.UTC(), From: p.plan.From, To: p.plan.To, Who: s.request.Who})
	})
}

// beginBack says where `back` goes, and begins to note it.
func (s *Survey) beginBack() {
	for _, p := range s.parts {
		if s.request.isBack() || s.request.Restore {
			p.readings.soon()
			p.say(p.prefix() + p.goingBack())
		}
	}
	if s.request.isBack() && !s.request.DryRun {
		s.noted = begun(s.noteBack)
	}
}

// goingBack says it, with the releases as far as they are known at once: what is
// left may be what hangs.
func (p *part) goingBack() string {
	going, staying := "going back", "staying"
	if p.survey.request.DryRun {
		going, staying = "would go back", "would stay"
	}
	to := inWords(p.plan.To, p.before())
	text := fmt.Sprintf("%s from %s to %s", going, inWords(p.plan.From, p.left()), to)
	if p.plan.From == p.plan.To {
		text = fmt.Sprintf("%s on %s", staying, to)
	}
	if p.restoredAs != "" {
		text += ": " + p.restoredAs
	}
	return text
}

func inWords(color Color, carries Release) string { return string(color) + carries.InBrackets() }

// before is what the target carries or, where that is not known by now, carried
// as far as the history knows.
func (p *part) before() Release {
	if read := p.carried(p.readings.now(p.plan.To)); read.Name != "" {
		return read
	}
	return p.recordedOf(p.plan.To)
}

// recordedOf is what the newest switch that tells it says of a color. One that went
// to a color and does not know what that carries ends what is known of it.
func (s *Switcher) recordedOf(color Color) Release {
	for r, err := range s.State.Known(nil) {
		if err != nil {
			break
		}
		switch done := Outcome(r.Outcome) == Done; {
		case done && r.To == color:
			return Release{Name: string(r.ToRelease), Said: true}
		case done && r.From == color && r.FromRelease != "":
			return Release{Name: string(r.FromRelease), Said: true}
		}
	}
	return Release{}
}

// findUnmoved finds the sites that a switch of several had left where they were:
// to go back from it is to leave them there.
func (s *Survey) findUnmoved() {
	if !s.request.isBack() || len(s.parts) == 1 {
		return
	}
	moved := func(r *statedir.Record) bool { return r != nil && r.From != r.To }
	var newest []*statedir.Record
	for _, p := range s.parts {
		r, _, _ := p.newestDone() // what cannot be read keeps nobody from going back
		newest = append(newest, r)
	}
	for i, r := range newest {
		s.parts[i].unmoved = r != nil && !moved(r) && slices.ContainsFunc(newest, func(other *statedir.Record) bool {
			return moved(other) && other.Time.Equal(r.Time)
		})
	}
}

// newestDone is the newest switch that was done; nil where there is none.
func (s *Switcher) newestDone() (newest *statedir.Record, unread statedir.Unread, err error) {
	for r, err := range s.State.Known(&unread) {
		if err != nil {
			return nil, unread, err
		}
		if Outcome(r.Outcome) == Done && !r.Drill() {
			return &r, unread, nil
		}
	}
	return nil, unread, nil
}

// undoneAlready objects to a `back` that would return to what was fled just now: by
// a `back`, which undoes the newest switch once, a bake, or verify's failover. A
// history that cannot be read keeps nobody from going back; how much of it could
// not is told.
func (s *Switcher) undoneAlready(p Plan, restored bool) (statedir.Unread, Objections) {
	r, unread, err := s.newestDone()
	if r == nil || err != nil {
		return unread, nil
	}
	ago := time.Since(r.Time).Abs()
	if !isFlight(r) || ago >= backOnceWithin || r.To != p.From {
		return unread, nil
	}
	var hints []string
	if restored {
		hints = []string{fmt.Sprintf("`%s` puts it back on %s", s.toRestore(p.From), p.From)}
	}
	against := Objection{step: "go back once more", Hints: hints}
	switch {
	case r.Command == VerifyCommand:
		against.step = "go back"
		against.What = fmt.Sprintf("verify failed over from %s to %s %s, and a `back` would undo that: %s", r.From, r.To, Ago(ago), r.Reason)
	case r.From == r.To:
		against.What = fmt.Sprintf("%s's `back` stayed on %s %s: another one would leave it", cmp.Or(r.Who, "somebody"), r.To, Ago(ago))
	default:
		against.What = fmt.Sprintf("%s went back from %s to %s %s: a second `back` would undo that", cmp.Or(r.Who, "somebody"), r.From, r.To, Ago(ago))
	}
	return unread, Objections{against}
}

// isFlight says of a switch that it left a color because that was bad.
func isFlight(r *statedir.Record) bool {
	return slices.Contains([]string{"back", BakeCommand, VerifyCommand}, r.Command)
}

// Ago is how long ago something was, in words.
func Ago(ago time.Duration) string {
	if ago < time.Second {
		return "just now"
	}
	return health.Short(ago.Round(time.Second)) + " ago"
}
