package switcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// Undo is the only way back from a commit that failed: the old bytes come back,
// nginx is told again and proved again. A time-out is no verdict, so a slow load
// of the new file has to be followed by one of the old. The error says where the
// traffic is; it is an *Error, never nil.
func (p *Prepared) Undo(ctx context.Context) error {
	if p.cause == nil { // the commit succeeded, and is not wanted all the same
		p.cause = &Error{Step: "keep the switch", Err: errors.New("it is undone as a whole")}
	}
	if !p.touched() {
		return p.untouched()
	}
	p.proof = Proof{}
	p.say(p.failed() + "; rolling back")
	if err := p.back(); err != nil {
		p.leftover = p.leftover || len(p.replaced()) > 1 && !errors.Is(err, livefile.ErrChanged) // the next run goes on
		return p.stuck(ctx, fmt.Errorf("cannot put back the old %s: %w", p.word("file", "files"), err))
	}
	if !p.first.Signalled && !errors.Is(p.cause, nginx.ErrMasterEnded) {
		return p.rolledBack(ctx)
	}
	second, err := p.loadOld(ctx)
	kind := ByGeneration
	if err == nil && p.running.window() > 0 {
		kind, err = ByIdentity, p.confirmed(ctx, origin)
	}
	switch {
	case err == nil:
		p.proof = Proof{kind, second.generation}
		return p.rolledBack(ctx)
	case p.changed() && p.running.never(p.first, second):
		p.proof = p.asBefore()
		return p.rolledBack(ctx)
	case p.changed() && p.answersAsBefore(ctx, second):
		return p.rolledBack(ctx)
	}
	if !p.changed() {
		return p.stuck(ctx, fmt.Errorf("the %s named %s before, and %s may still load it: %w", p.word("file", "files"), p.targets(), p.Site.Server(), err))
	}
	return p.stuck(ctx, fmt.Errorf("%s does not load the old %s either: %w", p.Site.Server(), p.word("file", "files"), err))
}

func origin(plan Plan) Color { return plan.From }

// touched says whether there is anything to take back: our bytes in a file, or
// a signal that was given.
func (p *Prepared) touched() bool {
	for _, c := range p.Changes {
		if c.touched() {
			return true
		}
	}
	return p.first.Signalled
}

// untouched ends a commit that failed before it had changed anything.
func (p *Prepared) untouched() error {
	for _, c := range p.Changes {
		p.discard(c)
	}
	return p.cause
}

// discard removes a new file that does not stand in its place.
func (p *Prepared) discard(c *Change) {
	if err := c.finish(); err != nil {
		p.note("cannot remove the new file: %v; the next switch removes it", err)
		p.leftover = true
	}
}

// back brings every file back that was replaced. Where one of them is somebody
// else's by now, all stay as they are: they shall not disagree. As soon as one is
// put back, they are whole no more, and the next run goes on where this one is
// killed.
func (p *Prepared) back() error {
	replaced := p.replaced()
	var errs []error
	for _, c := range replaced {
		if len(replaced) > 1 && c.touched() {
			errs = append(errs, c.replacement.Ours())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(replaced) > 0 {
		if err := replaced[0].journal.NotWhole(); err != nil {
			p.note("%v", err)
		}
	}
	for _, c := range slices.Backward(p.Changes) {
		if c.needed() && !c.touched() { // it was not put yet, or its put has taken itself back
			p.discard(c)
			continue
		}
		errs = append(errs, c.back())
		for _, note := range c.notes() {
			p.note("%v", note)
			p.leftover = true
		}
	}
	return errors.Join(errs...)
}

// busyFor is how long a master may be busy with the new file: a resolver that
// is mute holds it for ten seconds per name (resolv.conf(5), timeout, attempts).
const busyFor = time.Minute

// loadOld loads what was put back. A master that has opened the new file, and
// not the old one since, is still at the new one, and may yet put it to use:
// nobody is told that it was rolled back before that is over.
func (p *Prepared) loadOld(ctx context.Context) (loading, error) {
	if err := p.watchOld(ctx); err != nil {
		p.note("nobody watched whether nginx opens each file of the old folder: %v", err)
	}
	began := time.Now()
	for {
		l, err := p.running.load(ctx, p.order())
		switch took := time.Since(began); {
		case errors.Is(err, nginx.ErrLate) && p.first.Opened && !l.Opened && took < busyFor:
			p.say("nginx is still busy with the new file; waiting until it loads the old one")
		case errors.Is(err, nginx.ErrNotLoaded) && !p.running.never(p.first, l) && took < p.accepted.limit:
			p.say("nginx refuses the configuration that it accepted a moment ago; trying again")
		default:
			return l, err
		}
	}
}

// watchOld finds out what nginx reads in a folder that a link leads to again.
func (p *Prepared) watchOld(ctx context.Context) error {
	if !slices.ContainsFunc(p.Changes, func(c *Change) bool { return c.file.IsFolder() && !c.of.Released }) {
		return nil
	}
	tested, err := p.running.testAsIs(ctx)
	if err != nil || tested.Dump == nil {
		return cmp.Or(err, errors.New("nginx does not say what it reads"))
	}
	for _, c := range p.Changes {
		c.readBy(tested.Dump, c.Before)
	}
	return p.watch()
}

// answersAsBefore asks who answers where the workers tell nothing: some of them
// were lost, and what came after them may have either file. A master that has
// opened the old file after our second signal is through with the new one, so
// that the answers stay what they are.
func (p *Prepared) answersAsBefore(ctx context.Context, second loading) bool {
	if !second.Opened || !p.all((*part).confirms) {
		return false
	}
	return p.each(func(site *part) error { return site.answered(ctx, site.plan.From, confirmWindow) }) == nil
}

// asBefore is what nginx serves that never took the new file. Whether it had
// loaded the old one is known as well as it was before.
func (p *Prepared) asBefore() Proof {
	seen, is := p.running.(*seenNginx)
	if !is || !p.all(func(site *part) bool { return site.loaded.Is != nil && *site.loaded.Is }) {
		return Proof{}
	}
	return Proof{Generation: seen.generation()}
}

func (p *Prepared) rolledBack(ctx context.Context) error {
	cause := p.cause
	cause.Outcome = RolledBack
	if p.changed() {
		cause.Traffic = fmt.Sprintf("rolled back: the %s as %s, and %s serves %s", p.word("file is", "files are"), p.word("it was", "they were"), p.Site.Server(), p.origins())
	} else {
		cause.Traffic = fmt.Sprintf("nothing was put back: the %s named %s before", p.word("file", "files"), p.targets())
	}
	cause.Traffic += p.whoAnswers(ctx)
	cause.Hint = p.hintStatus()
	return cause
}

func (p *Prepared) stuck(ctx context.Context, err error) error {
	cause := p.cause
	cause.Outcome = Stuck
	cause.Traffic = fmt.Sprintf("stuck: %v; %s%s", err, p.fileNow(), p.whoAnswers(ctx))
	if errors.Is(err, livefile.ErrChanged) {
		cause.Traffic += "; what somebody else wrote was left alone" + p.kept()
	}
	look := p.Site.worded("`nginx -t` and nginx's error log, fix what they name", "what the app and its restart say, fix that")
	cause.Hint = fmt.Sprintf("look at %s, then run `%s`", look, p.commandBack())
	if errors.Is(err, nginx.ErrMasterEnded) {
		cause.Hint = "end the workers that it left (`ps -C nginx -o pid,ppid,args`), which still serve the old configuration, and start nginx"
	}
	return cause
}

// kept is where the old files stand that could not be put back.
func (p *Prepared) kept() string {
	var kept []string
	for _, c := range p.replaced() {
		kept = append(kept, c.replacement.Kept)
	}
	if len(kept) == 0 {
		return ""
	}
	return ", the old " + worded(len(kept), "file is", "files are") + " in " + strings.Join(kept, " and ")
}

// fileNow is what the live files say now.
func (p *Prepared) fileNow() string {
	var texts []string
	for _, site := range p.parts {
		texts = append(texts, site.prefix()+site.fileNow())
	}
	return strings.Join(texts, "; ")
}

func (p *part) fileNow() string {
	says := worded(len(p.Site.Files), "file says", "files say")
	files, err := p.Site.read()
	if err == nil {
		var now Plan
		if now, err = plan(p.Site, files, Color.Other); err == nil {
			return fmt.Sprintf("the %s %s", says, now.From)
		}
	}
	return fmt.Sprintf("bgswitch does not understand what the %s (%v)", says, err)
}

// whoAnswers is told, not asked for: the color that is left may be the broken
// one.
func (p *Prepared) whoAnswers(ctx context.Context) (text string) {
	for _, site := range p.parts {
		if !site.confirms() {
			continue
		}
		got, said, _ := site.answer(ctx, statusTimeout)
		if got == "" {
			said = site.Site.Through() + ": " + said
		}
		text += "; " + site.prefix() + said
	}
	return text
}
