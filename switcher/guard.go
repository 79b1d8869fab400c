package switcher

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"bgswitch/switcher/statedir"
)

// Objection is one thing that speaks against going to a color.
type Objection struct {
	What  string   // the reason, and who gave it when; also in the record of a switch that passes it
	Hints []string // what to type, besides --override
	step  string   // of what speaks against `back` itself, and only `to` passes: how the refusal begins; empty: it is none
}

// Objections are what speaks against one switch. As an error they are one line.
type Objections []Objection

func (o Objections) Error() string { return strings.Join(o.texts(), "; ") }

func (o Objections) texts() (list []string) {
	for _, one := range o {
		list = append(list, one.What)
	}
	return list
}

// sayWhy stands for the reason in a command that a hint names.
const sayWhy = "say why"

// guard refuses a switch that something speaks against, and is the one place that
// does: every way to a color is a survey. An override passes it, once.
func (s *Survey) guard(context.Context) error {
	if err := s.each((*part).guarded); err != nil {
		return err
	}
	if s.request.Override != "" && s.all(func(p *part) bool { return len(p.against) == 0 }) {
		s.note("nothing was in the way; --override was not needed")
	}
	return nil
}

func (p *part) guarded() error {
	if p.goesNowhere() {
		p.against = nil
		return nil
	}
	against, err := p.objections()
	if err != nil {
		return err
	}
	comingBack, err := p.comingBack()
	if err != nil {
		return err
	}
	p.against = slices.Concat(p.against, against, comingBack)
	if refused := p.notPassed(); len(refused) > 0 {
		return p.refuseFor(refused)
	}
	for _, o := range p.against {
		if p.survey.request.DryRun {
			p.note("%s; --override would pass that", o.What)
		} else {
			p.note("%s; passed by --override", o.What)
		}
	}
	return nil
}

// notPassed is what no override has passed: who types `back` once more is not to
// return to what was fled, whatever he says.
func (p *part) notPassed() Objections {
	if p.survey.request.Override == "" {
		return p.against
	}
	return slices.DeleteFunc(slices.Clone(p.against), func(o Objection) bool { return o.step == "" })
}

// comingBack is what speaks against the way back of a drill.
func (p *part) comingBack() (Objections, error) {
	if !p.survey.request.returns {
		return nil, nil
	}
	home := *p
	home.plan.From, home.plan.To = p.plan.To, p.plan.From
	home.beginMisfit(p.questions.ctx)
	return home.objections()
}

// goesNowhere: the color has the traffic already. A file that merely names it may
// have been edited by hand, and its color never have been loaded.
func (p *part) goesNowhere() bool {
	return p.already || !p.plan.Changes() && p.loaded.Is != nil && *p.loaded.Is
}

// objections are those besides what was found when the file was read. What takes
// its time was begun then. Who only looks may have fewer rights than who switches:
// of the way back an error says that it is unknown.
func (p *part) objections() (Objections, error) {
	against, unread := p.blocked(p.plan.To)
	fled, err := p.afterFlight()
	if against = append(against, fled...); unread != nil && err != nil {
		err = fmt.Errorf("%w; %w", unread, err)
	}
	unread = cmp.Or(err, unread)
	if why := p.unfit(); why != "" {
		against = append(against, Objection{What: why})
	}
	if unread != nil && !p.survey.request.wayBack {
		p.note("%v", unread)
		unread = nil
	}
	return against, unread
}

// overrode is what an override has passed.
func (p *part) overrode() []string {
	if p.survey.request.Override == "" || len(p.notPassed()) > 0 {
		return nil
	}
	return p.against.texts()
}

func (p *part) refuseFor(against Objections) error {
	var hints []string
	for _, o := range against {
		hints = append(hints, o.Hints...)
	}
	hints = append(hints, p.allTheSame())
	step := cmp.Or(against[0].step, "go to "+string(p.plan.To))
	return &Error{Outcome: Blocked, Step: step, Err: against, Hint: strings.Join(slices.Compact(hints), "; ")}
}

// allTheSame is what is typed to go there all the same: what was typed, or `to`
// where nobody has typed a switch, or `back` would be refused again.
func (p *part) allTheSame() string {
	if p.survey.request.Command == statedir.DrillCommand {
		return "a drill cannot pass that" // nor moves production for good
	}
	words, once := []string{"to", string(p.plan.To)}, ""
	if p.survey.request.Restore {
		words = append(words, "--restore")
	}
	final := p.against[0].step != ""
	if !final || len(p.against) > 1 {
		words, once = append(words, "--override", sayWhy), ", once"
	}
	again := "`" + p.survey.Again("--override", sayWhy) + "` "
	switch c := p.survey.request.Command; {
	case final || c != "to" && c != "back":
		return fmt.Sprintf("`%s` goes there anyway%s", p.Command(words...), once)
	case p.survey.request.DryRun:
		return again + "looks further anyway"
	}
	return again + "goes there anyway, once"
}
