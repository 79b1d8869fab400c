package switcher

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"bgswitch/switcher/moment"
	"bgswitch/switcher/statedir"
)

// Fled is a release that was left for it was bad.
type Fled struct {
	Release statedir.Text `json:"release"`
	Unread  bool          `json:"unread"` // what the color carried could not be read: the release is what it was said to be, and empty where not even that is known
	Color   Color         `json:"color"`  // that carried it
	Time    time.Time     `json:"time"`
	Who     statedir.Text `json:"who"`
	Host    statedir.Text `json:"host"`
	Why     statedir.Text `json:"why"`
}

func (f Fled) String() string {
	if f.Who == "" { // who looks may not know
		return "marked as bad at " + moment.Text(f.Time)
	}
	return fmt.Sprintf("marked as bad by %s at %s: %s", f.Who, moment.Text(f.Time), f.Why)
}

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
	found, err := s.State.Load(statedir.FledFile, &kept)
	if err == nil && found && kept.Schema != fledSchema {
		err = fmt.Errorf("%s/%s is of another version of bgswitch", s.State.Path, statedir.FledFile)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read which releases are marked as bad: %w", err)
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
				p.note("nothing leaves %s, so no release is marked as bad", p.plan.From)
			} else {
				p.flee()
			}
			return nil
		})
	})
}

// flee marks what the color carries. It is left all the same where that cannot be
// done: that is what matters now. Its app may be the one that hangs, and is not
// waited for: what it does not tell by now is marked as unread, and settled later.
func (p *part) flee() {
	from, left := p.plan.From, p.left()
	_, readable := p.Site.Releases.Of[from]
	mark := Fled{Release: statedir.Text(left.Name), Color: from, Time: p.survey.began.UTC(), Who: statedir.Text(p.survey.request.Who), Host: statedir.Text(p.Host), Why: statedir.Text(p.survey.request.Bad)}
	mark.Unread = readable && (left.Name == "" || left.Said)
	switch as := left.Name != "" && left.Name == p.carried(p.readings.now(p.plan.To)).Name; {
	case from == "":
		p.note("it is not known which color is left, so no release is marked as bad")
		return
	case left.Name == "" && !readable:
		p.note("it is not known what %s carries: %s", from, p.blockInstead())
		return
	case as && mark.Unread:
		mark.Release = "" // the target is not what is bad
	case as:
		p.note("%s", p.asWell(left.Name))
		return
	}
	if err := p.remark(mark, &mark); err != nil {
		p.note("cannot mark what %s carries as bad: %v", from, err)
		return
	}
	if p.mark = &mark; !mark.Unread {
		p.note("%s", mark.kept())
	}
}

func (p *part) blockInstead() string {
	return fmt.Sprintf("no release is marked as bad; `%s` keeps everybody from that color", p.Command("block", string(p.plan.From), "--reason", p.survey.request.Bad))
}

func (p *part) asWell(name string) string {
	return fmt.Sprintf("%s also carries %s: %s", p.plan.To, name, p.blockInstead())
}

// settle says what an unread mark is of, once that is told: where the switch is
// done, whoever was left has its time for it.
func (p *part) settle(done bool) (note string) {
	if p.mark == nil || !p.mark.Unread {
		return ""
	}
	from, to := p.plan.From, p.plan.To
	read, target := p.readings.now(from), p.carried(p.readings.now(to)).Name
	if done && read == (Release{}) {
		p.say(fmt.Sprintf("%s%s is live; asking %s what it carries, to mark it", p.prefix(), to, from))
		read = p.readings.wait(from)
	}
	mark := *p.mark
	as := &mark
	switch read.Name {
	case "":
		if string(mark.Release) == target {
			mark.Release = ""
		}
	case target:
		as = nil
	default:
		mark.Release, mark.Unread = statedir.Text(read.Name), false
	}
	if err := p.remark(*p.mark, as); err != nil {
		return fmt.Sprintf("cannot mark what %s carries by its name (%s): %v; %s", from, read, err, p.mark.kept())
	}
	if p.mark = as; as == nil {
		return p.asWell(read.Name)
	}
	return as.kept()
}

// remark puts a mark, or none, in the place of that of the same flight, and of an
// older one of the same release.
func (s *Switcher) remark(flight Fled, mark *Fled) error {
	kept, err := s.Fled()
	if err != nil {
		return err
	}
	kept = slices.DeleteFunc(kept, func(f Fled) bool {
		same := mark != nil && !mark.Unread && !f.Unread && f.Release == mark.Release
		return f.Color == flight.Color && (same || f.Time.Equal(flight.Time))
	})
	if mark != nil {
		kept = append([]Fled{*mark}, kept...)
	}
	return s.State.Store(statedir.FledFile, fledRecords{fledSchema, kept[:min(len(kept), fledLimit)]})
}

// kept says that it is marked.
func (f Fled) kept() string {
	switch {
	case !f.Unread:
		return fmt.Sprintf("%s is marked as bad; nobody can switch to it again without --override", f.Release)
	case f.Release == "":
		return fmt.Sprintf("what %s carries could not be read; nobody can switch to it again without --override", f.Color)
	}
	return fmt.Sprintf("what %s carries could not be read, and was said to be %s; nobody can switch to either again without --override", f.Color, f.Release)
}

// afterFlight objects to a release that was fled, and to what may still be it. Who
// only looks, and may not read which were, is told that: an error.
func (p *part) afterFlight() (Objections, error) {
	kept, err := p.Fled()
	switch {
	case errors.Is(err, fs.ErrPermission) && p.survey.request.DryRun:
		return nil, err
	case err != nil:
		return Objections{{What: err.Error(), Hints: []string{p.hintUnread(err, filepath.Join(p.State.Path, statedir.FledFile), "no release is marked as bad")}}}, nil
	case len(kept) == 0:
		return nil, nil
	}
	return p.fledStill(kept), nil
}

// fledStill objects where the target carries, or may carry, one of them.
func (p *part) fledStill(kept []Fled) Objections {
	to := p.plan.To
	carries := p.carriesNow()
	if i := slices.IndexFunc(kept, func(f Fled) bool { return f.is(carries) }); i >= 0 {
		return Objections{{What: fmt.Sprintf("%s carries %s, which was %s", to, kept[i].Release, kept[i]), Hints: []string{"deploy another release to " + string(to)}}}
	}
	i := slices.IndexFunc(kept, func(f Fled) bool { return p.mayBe(f, to, carries) })
	if i < 0 {
		return nil
	}
	hint := "`" + p.survey.Again("--release", "RELEASE") + "` says what it carries"
	switch {
	case kept[i].Unread:
		hint = "see whether " + string(to) + " carries a different release now"
		if carries.Name == "" {
			hint += ", and name it with --release"
		}
	case carries.Err != nil:
		hint = "it is unknown what it carries: " + carries.Err.Error()
	}
	return Objections{{What: fmt.Sprintf("%s may still carry %s", to, kept[i].which()), Hints: []string{hint}}}
}

// is says that it is this release by name.
func (f Fled) is(r Release) bool { return r.Name != "" && string(f.Release) == r.Name }

// which it is, in words.
func (f Fled) which() string {
	switch {
	case !f.Unread:
		return fmt.Sprintf("%s, which was %s", f.Release, f)
	case f.Release == "":
		return fmt.Sprintf("what was %s (it could not be read then)", f)
	}
	return fmt.Sprintf("what was %s (it could not be read then, and was said to be %s)", f, f.Release)
}

// mayBe says that a color may carry it still.
func (s *Switcher) mayBe(f Fled, color Color, carries Release) bool {
	return f.Color == color && (f.Unread || carries.Name == "") && !s.wentToSince(f)
}

// carriesNow is what the target carries. Who only asks for the way back has not
// begun to find it out.
func (p *part) carriesNow() Release {
	if p.survey.request.wayBack {
		return p.carries(p.questions.ctx, p.plan.To)
	}
	return p.carried(p.readings.wait(p.plan.To))
}

// wentToSince says that the color has been live since it was fled, with a release
// that is known and another. An override passes a mark once; one of a release that
// nobody knows is lifted by it, for nothing else could. A history that cannot be
// read says nothing.
func (s *Switcher) wentToSince(f Fled) bool {
	for r, err := range s.State.Known(nil) {
		if err != nil || !r.Time.After(f.Time) {
			return false
		}
		another := r.ToRelease != "" && r.ToRelease != f.Release
		if Outcome(r.Outcome) == Done && r.To == f.Color && another && (r.Override == "" || f.Unread) {
			return true
		}
	}
	return false
}

// findFled finds out which of the releases that the colors carry were fled.
func (s *Switcher) findFled(all map[Color]Release) error {
	if all[Blue] == (Release{}) && all[Green] == (Release{}) {
		return nil
	}
	kept, err := s.Fled()
	for color, r := range all {
		i := slices.IndexFunc(kept, func(f Fled) bool { return f.is(r) })
		if i < 0 {
			i = slices.IndexFunc(kept, func(f Fled) bool { return f.Unread && s.mayBe(f, color, r) })
		}
		if i >= 0 {
			r.Fled = &kept[i]
			all[color] = r
		}
	}
	return err
}
