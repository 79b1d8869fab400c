package switcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/release"
	"bgswitch/switcher/statedir"
)

// Releases say where the names come from of what the colors carry.
type Releases struct {
	Of      map[Color]release.Source // none for a color: nobody says
	Folder  string                   // of all releases, that links lead into; empty: it is found by the links
	Timeout time.Duration            // of finding one out
}

// DefaultReleaseTimeout is that where none is set.
const DefaultReleaseTimeout = 2 * time.Second

// releaseTimeoutLimit is the longest: a switch may wait for it.
const releaseTimeoutLimit = time.Minute

// Validate finds what cannot work, as health.Mistakes at their settings.
func (r Releases) Validate() error {
	var m health.Mistakes
	if len(r.Of) == 0 {
		m.Add(errors.New("neither blue nor green is set; set at least one, for example blue: {link: /srv/myapp/blue}"))
	}
	if r.Timeout <= 0 || r.Timeout > releaseTimeoutLimit {
		m.Add(fmt.Errorf("%s is not allowed; use more than 0 and at most %s", health.Short(r.Timeout), health.Short(releaseTimeoutLimit)), "timeout")
	}
	if r.Folder != "" && r.Of[Blue].Link == "" && r.Of[Green].Link == "" {
		m.Add(errors.New("it is the folder that links lead into, but neither color has a link"), "folder")
	}
	return m.Found()
}

// Release is what a color carries, by name.
type Release struct {
	Name string // empty: it is not known
	Err  error  // why it is not, where the settings say how to find it out
	Said bool   // it was not read: it is what was said, or known when it was switched to or left
	Fled *Fled  // it was; nil: it was not
}

func (r Release) String() string {
	words := "unknown"
	switch {
	case r.Name != "":
		words = r.word()
	case r.Err != nil:
		words += ": " + r.Err.Error()
	}
	switch {
	case r.Fled == nil:
		return words
	case r.Fled.is(r):
		return fmt.Sprintf("%s (%s)", words, r.Fled)
	}
	return fmt.Sprintf("%s (may be what was %s)", words, r.Fled)
}

// word is the name, and that it was only said.
func (r Release) word() string {
	if r.Said {
		return "said to be " + r.Name
	}
	return r.Name
}

// InBrackets is the name behind a color's own; empty where it is not known.
func (r Release) InBrackets() string {
	if r.Name == "" {
		return ""
	}
	return " (" + r.word() + ")"
}

// carries finds out what a color carries, within the time that the settings give
// it. A color for which they name no source carries what nobody knows.
func (s *Switcher) carries(ctx context.Context, color Color) (r Release) {
	if source, set := s.Site.Releases.Of[color]; set {
		r.Name, r.Err = source.Read(ctx, s.Asker, s.Site.Releases.Timeout)
	}
	return r
}

// saidOf is what was said to be a color's release when it was switched to last.
func (s *Switcher) saidOf(color Color) Release {
	newest, _, err := s.newestDone()
	if err != nil || newest == nil || newest.To != color || newest.ToRelease == "" {
		return Release{}
	}
	return Release{Name: string(newest.ToRelease), Said: true}
}

// Carried are what both colors carry. Of the live one it is what was said, where
// nobody can be asked. The error is about which of them were fled.
func (s *Switcher) Carried(ctx context.Context, live Color) (map[Color]Release, error) {
	var blue, green Release
	var both sync.WaitGroup
	both.Go(func() { blue = s.carries(ctx, Blue) })
	both.Go(func() { green = s.carries(ctx, Green) })
	both.Wait()
	all := map[Color]Release{Blue: blue, Green: green}
	if _, set := s.Site.Releases.Of[live]; live != "" && !set {
		all[live] = s.saidOf(live)
	}
	return all, s.findFled(all)
}

// Released is the live color, and what both carry; each is known as far as the error
// does not say that it is not.
func (s *Switcher) Released(ctx context.Context) (live Color, carried map[Color]Release, err error) {
	live, err = s.liveColor()
	carried, unread := s.Carried(ctx, live)
	return live, carried, errors.Join(err, unread)
}

// readings are the releases that are found out beside the rest of a survey.
type readings map[Color]*reading

// reading is one of them.
type reading struct {
	wait func() Release
	came chan struct{} // is closed then
}

func (p *part) beginReading(ctx context.Context) {
	p.readings = readings{}
	for color := range p.Site.Releases.Of {
		r := &reading{came: make(chan struct{})}
		r.wait = begun(func() Release {
			defer close(r.came)
			return p.carries(ctx, color)
		})
		p.readings[color] = r
	}
}

// now is what has been found out by now.
func (r readings) now(color Color) Release {
	if of := r[color]; of != nil {
		select {
		case <-of.came:
			return of.wait()
		default:
		}
	}
	return Release{}
}

// wait is now, when it has been found out.
func (r readings) wait(color Color) Release {
	if of := r[color]; of != nil {
		return of.wait()
	}
	return Release{}
}

// soon gives the app that a color is left for, or that it runs, a moment to tell: a
// link or a file needs no longer.
func (r readings) soon() {
	moment := time.After(soon)
	for _, of := range r {
		select {
		case <-of.came:
		case <-moment:
			return
		}
	}
}

// soon is no time that anybody who goes back would notice.
const soon = 10 * time.Millisecond

// end waits for those that nobody waits for any more, and that have been ended.
func (r readings) end() {
	for _, of := range r {
		of.wait()
	}
}

// carried is what the target carries: as it was read, and else as it was said.
func (p *part) carried(read Release) Release {
	if said := p.survey.request.Release; read.Name == "" && said != "" {
		return Release{Name: said, Err: read.Err, Said: true}
	}
	return read
}

// left is what the color carries that is left. Its app may be the one that hangs:
// what it does not tell at once is known from when it was switched to.
func (p *part) left() Release {
	if read := p.readings.now(p.plan.From); read.Name != "" {
		return read
	}
	if p.said == nil { // once: the record of this very switch says nothing of it
		p.said = sync.OnceValue(func() Release { return p.saidOf(p.plan.From) })
	}
	return p.said()
}

// releaseRecord is what the record says of the releases, as far as it is known by now.
func (p *part) releaseRecord() statedir.ReleaseRecord {
	left, to := p.left(), p.carried(p.readings.now(p.plan.To))
	r := statedir.ReleaseRecord{FromRelease: statedir.Text(left.Name), FromSaid: left.Said, ToRelease: statedir.Text(to.Name), ToSaid: to.Said}
	if p.mark != nil {
		r.Fled, r.FledUnread = p.mark.Release, p.mark.Unread
	}
	return r
}

// addRelease waits for what the target carries, where it is the one that is live
// now or would be, and for what was left, where that is marked. The switch is
// recorded by then: it is told once more.
func (p *part) addRelease(r *Result) {
	read := p.readings.now(p.plan.To)
	if r.Outcome == Done || r.Outcome == Already || r.Outcome == Planned {
		read = p.readings.wait(p.plan.To)
	}
	if r.Release = p.carried(read); read.Err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%sit is unknown what %s carries: %v", p.prefix(), p.plan.To, read.Err))
	}
	if r.Outcome == Already && r.Release.Said {
		r.Notes = append(r.Notes, fmt.Sprintf("%s%s was live before, so it is not recorded that it carries %s", p.prefix(), p.plan.To, r.Release.Name))
	}
	if note := p.settle(r.Outcome == Done); note != "" {
		r.Notes = append(r.Notes, p.prefix()+note)
	}
	if from := p.Site.Releases.Of[p.plan.From]; from.Link != "" || from.File != "" { // what is read at once is not told as what was said
		p.readings.wait(p.plan.From)
	}
	if now := p.releaseRecord(); now != r.Record.ReleaseRecord {
		r.Record.ReleaseRecord = now
		if p.survey.recorded(*r) {
			if failed := p.State.Append(r.Record); failed != nil {
				r.Notes = append(r.Notes, fmt.Sprintf("%scannot record what the colors carry: %v", p.prefix(), failed))
			}
		}
	}
}

// expected refuses a target that carries another release than the one that it is
// switched to for, and one of which that cannot be told.
func (p *part) expected() error {
	to, want, said := p.plan.To, p.survey.request.Expect, p.survey.request.Release
	_, set := p.Site.Releases.Of[to]
	carries := p.readings.wait(to)
	hint := fmt.Sprintf("neither the live file nor nginx was touched; `%s` shows what each color carries", p.Command("status"))
	switch {
	case said != "" && carries.Name != "" && carries.Name != said:
		return refuse(Unexpected, hint, fmt.Errorf("%s carries %s, not %s as was said", to, carries.Name, said))
	case want == "", carries.Name == want:
		return nil
	case carries.Name != "":
		return refuse(Unexpected, hint, fmt.Errorf("%s carries %s, not %s", to, carries.Name, want))
	case set:
		return refuse(Unexpected, hint, fmt.Errorf("it is unknown whether %s carries %s: %w", to, want, carries.Err))
	}
	why := "the settings do not say where to find its release"
	if said != "" {
		why += fmt.Sprintf(", and %s is only what was said", said)
	}
	return refuse(Unexpected, "set `release:` in the settings to say where to find it", fmt.Errorf("it is unknown whether %s carries %s: %s", to, want, why))
}

const stepExpected = "make sure that it is the right release"

// carriesStill makes sure that what was proved to be live is what was expected: it
// may have been replaced since it was looked at.
func (p *part) carriesStill(ctx context.Context) error {
	want := p.survey.request.Expect
	if _, set := p.Site.Releases.Of[p.plan.To]; want == "" || !set {
		return nil
	}
	switch now := p.carries(ctx, p.plan.To); {
	case now.Name == "":
		return fmt.Errorf("it is unknown whether %s still carries %s: %w", p.plan.To, want, now.Err)
	case now.Name != want:
		return fmt.Errorf("%s now carries %s, no longer %s", p.plan.To, now.Name, want)
	}
	return nil
}

// expects says that a release is expected that can be looked at once more.
func (s *Survey) expects() bool {
	return s.request.Expect != "" && slices.ContainsFunc(s.parts, func(p *part) bool { return p.readings[p.plan.To] != nil })
}
