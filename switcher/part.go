package switcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bgswitch/health"
	"bgswitch/switcher/accesslog"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"
)

// part is one of the sites of a survey: what is its own, where several are
// switched together.
type part struct {
	*Switcher
	survey *Survey

	plan      Plan
	files     files // as they were read
	verdicts  []health.Verdict
	questions *questions
	readings  readings // of what the colors carry
	loaded    Loaded
	already   bool
	unmoved   bool                 // `back`, where the newest switch of several had left the site as it was
	stays     bool                 // `back`, where the files name again what a killed run was to leave
	said      func() Release       // what is left was said to be that
	mark      *Fled                // what is left is marked as bad; nil: it is not
	against   Objections           // what speaks against the switch
	cut       *statedir.Back       // `back`, where an earlier one was killed
	unfit     func() string        // why the target cannot live with the database, when that is known
	drill     *statedir.Drill      // `back`, where a drill was killed
	elsewhere []statedir.Elsewhere // nil: unknown
	log       *accesslog.Log       // that a bake is to read

	restoredAs string // what the files are put back as; empty: they are not
}

// each does something for every site. An error says of which of several it is.
func (s *Survey) each(do func(*part) error) error {
	for _, p := range s.parts {
		if err := p.named(do(p)); err != nil {
			return err
		}
	}
	return nil
}

// all says whether something holds of every site.
func (s *Survey) all(is func(*part) bool) bool {
	return !slices.ContainsFunc(s.parts, func(p *part) bool { return !is(p) })
}

// named says of which of several sites an error is.
func (p *part) named(err error) error {
	var failed *Error
	switch {
	case err == nil || p.prefix() == "":
		return err
	case errors.As(err, &failed):
		failed.Err = fmt.Errorf("%s%w", p.prefix(), failed.Err)
		return err
	}
	return fmt.Errorf("%s%w", p.prefix(), err)
}

// prefix names the site where there are several.
func (p *part) prefix() string {
	if len(p.survey.parts) == 1 {
		return ""
	}
	return p.Site.Name + ": "
}

func (p *part) note(format string, args ...any) {
	p.survey.note("%s", p.prefix()+fmt.Sprintf(format, args...))
}

// targets are the colors that the sites go to, in words.
func (s *Survey) targets() string { return s.colors(func(p Plan) Color { return p.To }) }

// origins are those that they come from.
func (s *Survey) origins() string { return s.colors(func(p Plan) Color { return p.From }) }

func (s *Survey) colors(of func(Plan) Color) string {
	first := of(s.parts[0].plan)
	if s.all(func(p *part) bool { return of(p.plan) == first }) {
		return string(first)
	}
	var list []string
	for _, p := range s.parts {
		list = append(list, fmt.Sprintf("%s for %s", of(p.plan), p.Site.Name))
	}
	return strings.Join(list, " and ")
}

// commandBack is what is typed to come back to where one was.
func (s *Survey) commandBack() string {
	if color := s.origins(); color == string(Blue) || color == string(Green) {
		return s.to(Color(color))
	}
	var list []string
	for _, p := range s.parts {
		list = append(list, p.to(p.plan.From))
	}
	return strings.Join(list, "` and `")
}

func (p *part) read(ctx context.Context) error {
	if err := p.doubt(); err != nil {
		return err
	}
	if err := p.readFiles(); err != nil {
		return err
	}
	p.tellBaking()
	request := p.survey.request
	switch {
	case p.unmoved:
		p.note("the newest switch of several sites left it on %s, and so does `back`", p.plan.To)
	case p.cut != nil && p.stays:
		p.note("%s; `back` stays on %s and loads it once more", p.cutWords(), p.plan.To)
	case p.drill != nil && p.stays:
		p.note("a drill that began with %s live was killed; `back` stays there", p.drill.From)
	case p.stays:
		p.note("an earlier switch was killed and has been undone; `back` stays on %s", p.plan.To)
	case request.isBack():
		var unread statedir.Unread
		if unread, p.against = p.undoneAlready(p.plan, request.Restore); unread > 0 {
			p.note("%s; it is unknown whether somebody went back just now", unread)
		}
	}
	p.questions = p.ask(ctx, request)
	p.beginMisfit(p.questions.ctx)
	if !request.wayBack {
		p.beginReading(p.questions.ctx)
	}
	return nil
}

// doubt names what others may write of the live file: who may write it owns
// what root's nginx does.
func (p *part) doubt() error {
	doubts := p.Site.doubts()
	if len(doubts) > 0 && p.survey.request.Strict {
		return refuse(Failed, trust.Mend(doubts[0]), doubts[0])
	}
	for _, warning := range p.Site.warnings(doubts) {
		p.note("%s", warning)
	}
	return nil
}

func (p *part) readFiles() (err error) {
	if p.files, err = p.Site.read(); err != nil {
		return p.unreadable(err, p.survey.request)
	}
	if p.plan, err = p.planned(); err != nil {
		return p.notUnderstood(err, p.survey.request)
	}
	for i, edit := range p.plan.Edits {
		f := p.Site.Files[i]
		if err := p.survey.change(p.files[i], edit, f, p.plan); err != nil {
			return err
		}
		if f.Whole == nil {
			if err := f.selectedByLink(p.files[i], p.plan.From); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *part) planned() (Plan, error) {
	if p.survey.request.Restore {
		return p.restored()
	}
	return plan(p.Site, p.files, p.target)
}

// alreadySo is for files that name the target: only a record of ours, or the
// answers, can say that nginx has them. One that was touched since is loaded
// once more, whatever it holds: a reload that somebody has begun may have read
// something else in between.
func (p *part) alreadySo(ctx context.Context) bool {
	given, err := p.lastGiven()
	if err != nil {
		p.Log.Debug().Err(err).Msg("the history is not readable")
	}
	running := p.survey.running
	if p.loaded = running.knows(p.files, given); p.plan.Changes() || p.stays {
		return false
	}
	if p.Site.Confirm == nil {
		return p.loaded.given
	}
	if _, commanded := running.(*commandedNginx); !p.loaded.given && !commanded {
		return false // an app may answer with another release of the color; and nginx loads it in less time than it takes to ask for certain
	}
	err = p.stillAnswers(ctx, p.plan.To, running.window())
	if err != nil {
		p.note("%s is %s once more: %v", p.Site.Server(), p.Site.worded("loaded", "started"), err)
	}
	return err == nil
}

// askTarget never asks the live color: going back does not depend on the side
// that is broken.
func (p *part) askTarget() error {
	if err := p.wouldReturn(); err != nil {
		return err
	}
	to := p.plan.To
	if p.survey.request.Force {
		p.note("the health of %s was not checked (--force)", to)
		if p.Site.Confirm != nil && p.plan.Changes() {
			p.say(p.prefix() + fmt.Sprintf("--force does not skip `confirm`; unless %s answers %s with its mark, the switch is rolled back", to, p.Site.Through()))
		}
		return nil
	}
	if len(p.Site.Backends(to)) == 0 {
		p.note("%s was not asked whether it is healthy, because it runs only once it is live; `confirm` shows it", to)
		return nil
	}
	p.verdicts = p.questions.verdicts()
	if health.Healthy(p.verdicts) {
		return nil
	}
	return refuse(Unhealthy, p.hintUnhealthy(), fmt.Errorf("%s: %s", to, firstUnhealthy(p.verdicts)))
}

// hintUnhealthy: a drill neither waits nor forces.
func (p *part) hintUnhealthy() string {
	to := string(p.plan.To)
	check := fmt.Sprintf("`%s` shows what it answers", p.Command("check", to))
	if p.survey.request.Command == statedir.DrillCommand {
		return fmt.Sprintf("fix %s and retry; %s", to, check)
	}
	force := ""
	if p.Site.Confirm != nil {
		force = fmt.Sprintf(" (not `confirm`: if %s does not answer %s either, the switch is rolled back)", to, p.Site.Through())
	}
	return fmt.Sprintf("fix %s and retry; --wait 1m waits, --force skips the health check%s; %s", to, force, check)
}

// wouldReturn refuses a drill that would find no way back.
func (p *part) wouldReturn() error {
	if p.questions.home == nil {
		return nil
	}
	if verdicts := p.questions.home(); !health.Healthy(verdicts) {
		return refuse(Unhealthy, fmt.Sprintf("`%s` shows what it answers", p.Command("check", string(p.plan.From))),
			fmt.Errorf("%s, which the drill would come back to: %s", p.plan.From, firstUnhealthy(verdicts)))
	}
	return nil
}

func firstUnhealthy(verdicts []health.Verdict) string {
	for _, verdict := range verdicts {
		if !verdict.Healthy {
			return verdict.String()
		}
	}
	return "no verdict"
}

// confirms says whether the site can be asked through nginx.
func (p *part) confirms() bool { return p.Site.Confirm != nil }

// confirmed makes sure that a color answers through nginx, where that can be
// asked.
func (s *Survey) confirmed(ctx context.Context, color func(Plan) Color) error {
	return s.each(func(p *part) error {
		if !p.confirms() {
			return nil
		}
		return p.answered(ctx, color(p.plan), s.running.window())
	})
}
