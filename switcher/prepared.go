package switcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"bgswitch/health"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// Prepared is a switch that is ready: the new files and the journal are on the
// disk, and nothing that serves was changed.
type Prepared struct {
	*Survey
	proof Proof
	first loading // what was seen of loading the new files
	cause *Error  // why the commit failed
}

// Proof is how strongly a switch was confirmed.
type Proof struct {
	Kind       string            // "generation", or "identity"; empty: none was had
	Generation *nginx.Generation // nil: it cannot be seen
}

// The kinds of proof.
const (
	ByGeneration = "generation" // every worker that accepts has loaded the files
	ByIdentity   = "identity"   // on top of that, the target answers through nginx
)

const stepPrepare = "write the new file"

// Prepare writes the new files beside the live ones, and the journal. After an
// error nothing of it is left.
func (s *Survey) Prepare() (*Prepared, error) {
	if err := s.noted(); err != nil { // before any journal tells of it: what is undone would be left there
		s.note("cannot record that this goes back, so nothing keeps a second `back` from undoing it: %v", err)
	}
	if !s.changed() {
		if err := s.prepareAll(); err != nil { // nothing is written here
			return nil, asError(stepRead, err)
		}
		return &Prepared{Survey: s}, nil
	}
	if err := s.take(stepPrepare, s.prepareAll); err != nil {
		return nil, err
	}
	return &Prepared{Survey: s}, nil
}

// prepareAll prepares them at the same time: all wait for the disk. Where they
// are several, the first one's journal speaks for all, and is forgotten last.
func (s *Survey) prepareAll() error {
	replaced := s.replaced()
	var with []journal.Place
	for _, c := range replaced {
		if len(replaced) > 1 {
			with = append(with, c.journal.Place)
		}
	}
	var ends []func() error
	for _, c := range s.Changes {
		ends = append(ends, begun(func() error { return c.prepare(s.accepted.new, with) }))
	}
	var err error
	for _, end := range ends {
		err = errors.Join(err, end())
	}
	if err == nil {
		return nil
	}
	for _, c := range slices.Backward(replaced) {
		err = errors.Join(err, c.forget())
	}
	return s.notWritten(err)
}

// replaced are the changes that replace their file, in the order of their locks.
func (s *Survey) replaced() (list []*Change) {
	for _, j := range s.journals {
		for _, c := range s.Changes {
			if c.journal == j && c.needed() {
				list = append(list, c)
			}
		}
	}
	return list
}

// step is one of those that change something. A dry run tells its name.
type step struct {
	name string
	do   func(context.Context) error
	skip bool
}

// asked says whether any of the sites is asked through nginx.
func (p *Prepared) asked() bool { return slices.ContainsFunc(p.parts, (*part).confirms) }

func (p *Prepared) steps() []step {
	return []step{
		{name: p.stepPut(), do: p.put, skip: !p.changed()},
		{name: "test the new file in place", do: p.testInPlace, skip: !p.changed() || p.accepted.new},
		{name: p.stepLoad(), do: p.load},
		{name: p.stepConfirm(), do: p.confirm, skip: !p.asked()},
		{name: "look at the file again", do: p.lookAgain},
		{name: "look at the release again", do: p.releaseAgain, skip: !p.expects()},
	}
}

// would are the names of the steps that a dry run does not take.
func (p *Prepared) would() []string {
	var names []string
	if p.anyHook(func(h Hooks) [][]string { return h.Before }) {
		names = append(names, stepBefore)
	}
	if p.request.Bad != "" {
		names = append(names, stepFlee)
	}
	if p.changed() {
		names = append(names, stepPrepare)
	}
	for _, step := range p.steps() {
		if !step.skip {
			names = append(names, step.name)
		}
	}
	if p.anyHook(func(h Hooks) [][]string { return h.After }) {
		names = append(names, stepAfter)
	}
	if bake := p.request.Bake; bake != nil && p.targets() != p.origins() {
		names = append(names, fmt.Sprintf("let %s bake for %s", p.targets(), health.Short(bake.For)))
	}
	return names
}

// Commit puts the new files in place, has nginx load them, and proves it. After
// an error something may have changed: Undo is for that.
func (p *Prepared) Commit(ctx context.Context) (Proof, error) {
	for _, step := range p.steps() {
		if step.skip {
			continue
		}
		if err := p.take(step.name, func() error { return step.do(ctx) }); err != nil {
			p.cause = asError(step.name, err)
			return p.proof, err
		}
	}
	return p.proof, nil
}

func (p *Prepared) put(context.Context) error {
	if err := p.running.permitted(); err != nil {
		return err
	}
	for _, c := range p.Changes {
		if err := c.put(); err != nil {
			return p.notWritten(err)
		}
		if c.writtenOver() {
			p.note("%s is mounted by itself; it was written in place, because a rename would not be seen", p.called(c.file))
		}
	}
	if !p.accepted.new {
		return nil
	}
	return p.whole()
}

// whole tells the next run that nothing has to be put back any more, where that
// was not said from the start.
func (p *Prepared) whole() error {
	replaced := p.replaced()
	if first := replaced[0]; len(replaced) > 1 || !p.accepted.new || first.writtenOver() {
		return first.journal.Whole()
	}
	return nil
}

func (p *Prepared) testInPlace(ctx context.Context) (err error) {
	p.note("the new file was tested in place: %v", p.accepted.why)
	if p.accepted, err = p.tests.inPlace(ctx, p.accepted); err != nil {
		return err
	}
	if err := cmp.Or(p.watch(), p.standing()); err != nil {
		return err
	}
	return p.whole()
}

// watch opens what is known only now that nginx has to open.
func (p *Prepared) watch() error {
	for _, c := range p.Changes {
		if err := c.watch(); err != nil {
			return err
		}
	}
	return nil
}

// standing makes sure that what nginx has tested is what was put: an operator's
// own test shows nothing of what it read.
func (p *Prepared) standing() error {
	for _, c := range p.Changes {
		if _, err := c.unchanged(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Prepared) load(ctx context.Context) (err error) {
	signalled := p.first.Signalled
	p.first, err = p.running.load(ctx, p.order())
	p.first.Signalled = p.first.Signalled || signalled
	if err != nil {
		return err
	}
	if p.first.generation != nil {
		p.proof = Proof{ByGeneration, p.first.generation}
	}
	return nil
}

func (p *Prepared) order() load {
	l := load{limit: p.accepted.limit, asked: p.accepted.asked, handover: p.request.Handover}
	for _, c := range p.Changes {
		l.files = append(l.files, c.opened.Files...)
	}
	return l
}

// confirm makes sure that the target answers through nginx.
func (p *Prepared) confirm(ctx context.Context) error {
	if err := p.confirmed(ctx, func(plan Plan) Color { return plan.To }); err != nil {
		return err
	}
	p.proof.Kind = ByIdentity
	return nil
}

// lookAgain makes sure that what was put is what was proved: the live path still
// names it, it holds our bytes, and the workers that loaded it serve. Where
// somebody only touched it, one more load tells what nginx has.
func (p *Prepared) lookAgain(ctx context.Context) error {
	again := p.running.lives(p.first) != nil
	for _, c := range p.Changes {
		touched, err := c.unchanged()
		if err != nil {
			return err
		}
		again = again || touched
	}
	if !again {
		return nil
	}
	if err := p.load(ctx); err != nil {
		return err
	}
	for _, c := range p.Changes {
		if touched, err := c.unchanged(); err != nil || touched {
			return errors.Join(err, fmt.Errorf("%w: %s: while %s loaded it", livefile.ErrChanged, c.file.Path, p.Site.Server()))
		}
	}
	if p.asked() {
		if err := p.confirm(ctx); err != nil {
			return err
		}
	}
	return p.running.lives(p.first)
}

// releaseAgain makes sure that what is live now is what was expected.
func (p *Prepared) releaseAgain(ctx context.Context) error {
	return p.each(func(site *part) error { return site.carriesStill(ctx) })
}

// finish removes what was kept for the way back. What somebody wrote to the old
// file meanwhile is in nobody's live file: a human has to look at it.
func (p *Prepared) finish() *Error {
	var written []error
	for _, c := range p.Changes {
		err := c.finish()
		switch {
		case errors.Is(err, livefile.ErrChanged):
			written = append(written, err)
		case err != nil:
			p.note("cannot remove the old file: %v; the next switch removes it", err)
			p.leftover = true
		}
	}
	if err := errors.Join(written...); err != nil {
		return p.overwrote(err)
	}
	return nil
}

func (p *Prepared) overwrote(err error) *Error {
	return &Error{
		Outcome: Stuck, Step: "keep what others wrote", Err: err,
		Traffic: fmt.Sprintf("stuck: the switch took place: the %s %s, and %s has loaded %s; what somebody else wrote in the meantime is not in %[4]s", p.word("file says", "files say"), p.targets(), p.Site.Server(), p.word("it", "them")),
		Hint:    "compare what they wrote with the live file; " + p.hintStatus(),
	}
}
