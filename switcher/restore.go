package switcher

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
)

// keepProved keeps the bytes by which nginx was proved to serve a color just now,
// for the day on which somebody has made something of the file that nobody
// understands. Whole files need none of it: each color has its own.
func (p *part) keepProved(outcome Outcome) error {
	if outcome != Done || p.wholly() {
		return nil
	}
	proved := statedir.Proved{Time: p.survey.began.UTC(), Color: p.plan.To}
	for _, c := range p.changes() {
		proved.Files = append(proved.Files, statedir.ProvedFile{Path: c.file.Home, Bytes: c.After})
	}
	return p.State.KeepProved(proved)
}

// wholly says whether whole files decide.
func (s *Switcher) wholly() bool {
	return slices.ContainsFunc(s.Site.Files, func(f LiveFile) bool { return f.Whole != nil })
}

// kept is whether anything was kept to put back.
func (s *Switcher) kept() bool {
	for _, color := range []Color{Blue, Green} {
		if proved, err := s.State.Proved(color); err == nil && proved != nil {
			return true
		}
	}
	return false
}

// toRestore is the command that puts back what was last proved; a color is named
// where somebody did.
func (s *Switcher) toRestore(color Color) string {
	if color == "" {
		return s.Command("back", "--restore")
	}
	return s.Command("to", string(color), "--restore")
}

// restored plans to put the files back as they were when the target was last
// proved, whatever they have become.
func (p *part) restored() (Plan, error) {
	from, err := p.liveOrRecorded()
	if err != nil {
		return Plan{}, err
	}
	to := p.target(from)
	if p.wholly() {
		return Plan{}, p.notRestorable(to)
	}
	var why []string
	for _, color := range []Color{to, to.Other()} {
		restored, at, err := p.asProved(color, to)
		if err == nil {
			p.restoredAs = fmt.Sprintf("the %s as it was when %s was last proved (%s)", p.word("file", "files"), color, Ago(time.Since(at).Abs()))
			if color != to {
				p.restoredAs += fmt.Sprintf(", with %s in %s", to, p.word("it", "them"))
			}
			restored.From = from
			return restored, nil
		}
		why = append(why, err.Error())
	}
	return Plan{}, refuse(NotAccepted, fmt.Sprintf("fix the %s by hand (`%s` shows what is not understood), or leave out --restore", p.word("file", "files"), p.Command("status")),
		fmt.Errorf("there is nothing to put back: %s", strings.Join(why, "; ")))
}

// asProved plans to make the files what they were when a color was last proved;
// where that is the other one, edited as a switch would have.
func (p *part) asProved(color, to Color) (Plan, time.Time, error) {
	proved, err := p.State.Proved(color)
	if err == nil && proved == nil {
		err = fmt.Errorf("no switch has proved %s", color)
	}
	if err != nil {
		return Plan{}, time.Time{}, err
	}
	was, err := p.files.as(*proved)
	if err != nil {
		return Plan{}, time.Time{}, err
	}
	restored, err := plan(p.Site, was, func(Color) Color { return to })
	if err == nil && restored.From != color {
		err = fmt.Errorf("what was proved as %s means %s by the present settings", color, restored.From)
	}
	for i := range restored.Edits {
		restored.Edits[i].Before = p.files[i].Bytes
	}
	return restored, proved.Time, err
}

// as are the files with the bytes that were kept of them.
func (f files) as(proved statedir.Proved) (was files, err error) {
	for _, file := range f {
		i := slices.IndexFunc(proved.Files, func(of statedir.ProvedFile) bool { return of.Path == file.Home })
		if i < 0 {
			return nil, fmt.Errorf("what was proved of %s was not in %s", proved.Color, file.Home)
		}
		again := *file
		again.Bytes = proved.Files[i].Bytes
		was = append(was, &again)
	}
	return was, nil
}

// liveOrRecorded is the color that the files name or, where they are not
// understood, that was live by what was noted of the last switch.
func (p *part) liveOrRecorded() (Color, error) {
	_, live, err := p.Site.understand(p.files)
	if err == nil {
		return live, nil
	}
	if live = p.recordedLive(); live != "" {
		return live, nil
	}
	if to := p.survey.request.To; to != "" {
		return to.Other(), nil
	}
	return "", refuse(NotAccepted, fmt.Sprintf("name the color: `%s` or `%s`", p.toRestore(Blue), p.toRestore(Green)),
		fmt.Errorf("no record says which color was live, and the %s not understood: %w", p.word("file is", "files are"), err))
}

// recordedLive is the color that was live by the records; empty where there are
// none.
func (s *Switcher) recordedLive() Color {
	if cut := s.cutBack(); cut != nil {
		return cut.From
	}
	if r, _, err := s.newestDone(); err == nil && r != nil {
		return r.To
	}
	var live Color
	var newest time.Time
	for _, color := range []Color{Blue, Green} {
		if proved, err := s.State.Proved(color); err == nil && proved != nil && proved.Time.After(newest) {
			live, newest = color, proved.Time
		}
	}
	return live
}

// notRestorable: where whole files decide, the color's own file is what is kept.
func (p *part) notRestorable(to Color) error {
	var commands []string
	for i, f := range p.Site.Files {
		if f.Whole == nil {
			continue
		}
		copied := []string{"cp", f.Whole[to], f.Path}
		if step, linked := f.selecting(); linked {
			copied = []string{"ln", "-sfn", f.Whole[to], step.At}
		}
		if _, err := f.understand(p.files[i]); err != nil {
			commands = append(commands, foreign.Shell(copied...))
		}
	}
	commands = append(commands, p.to(to))
	return refuse(NotAccepted, fmt.Sprintf("`%s` puts it back and proves it", strings.Join(commands, " && ")),
		fmt.Errorf("whole files decide here, and nothing is kept besides %s_file", to))
}

// gone is what to do about a live file that is not there any more.
func (s *Switcher) gone(color Color) (hint string, is bool) {
	var lost []string
	for _, f := range s.Site.Files {
		if _, err := livefile.Resolve(f.Path); err != nil {
			lost = append(lost, f.Path)
		}
	}
	if len(lost) == 0 || s.wholly() || !s.kept() {
		return "", false
	}
	return fmt.Sprintf("`%s && %s` puts back what was last proved; or name another file with `--file`, or `file:` in the settings",
		foreign.Shell(append([]string{"touch"}, lost...)...), s.toRestore(color)), true
}

// restorable is the command that would put the files back as they were when the
// target was last proved, where it is one site and anything is kept of it.
func (s *Survey) restorable() string {
	r := s.request
	if r.Restore || r.Command == "" || len(s.parts) > 1 || !s.kept() {
		return ""
	}
	return s.toRestore(r.To)
}
