package switcher

import (
	"context"
	"sync"

	"bgswitch/health"
)

// questions are what is found out beside everything else, because it takes its
// time and needs no master. Each answer is waited for where it is needed.
type questions struct {
	verdicts func() []health.Verdict // of the target
	home     func() []health.Verdict // of the live color; nil: it is not asked
	untold   func() string           // what came through nginx that tells no color; empty: it told one, or was not asked
	ctx      context.Context         // ends them
	cancel   context.CancelFunc
}

func (s *Switcher) ask(ctx context.Context, r Request) *questions {
	q := &questions{
		verdicts: func() []health.Verdict { return nil },
		untold:   func() string { return "" },
	}
	ctx, q.cancel = context.WithCancel(ctx)
	q.ctx = ctx
	if s.Site.Confirm != nil && !r.short() && !r.wayBack {
		q.untold = begun(func() string { return s.untold(ctx) })
	}
	return q
}

// beginAsking begins to ask the target, from where nginx is.
func (p *part) beginAsking() {
	q, to, request := p.questions, p.plan.To, p.survey.request
	if !request.wayBack && !request.Force {
		q.verdicts = begun(func() []health.Verdict { return p.askColor(q.ctx, p.survey.running.asks(), p.check(request), to) })
	}
	if home := p.plan.From; request.returns && len(p.Site.Backends(home)) > 0 {
		q.home = begun(func() []health.Verdict { return p.askColor(q.ctx, p.survey.running.asks(), p.check(request), home) })
	}
}

// stop ends what nobody waits for any more.
func (q *questions) stop() {
	if q != nil {
		q.cancel()
	}
}

// begun begins something and returns how to wait for what comes of it.
func begun[T any](do func() T) func() T {
	came := make(chan T, 1)
	go func() { came <- do() }()
	return sync.OnceValue(func() T { return <-came })
}

// check asks once where one good answer is enough: on the way back.
func (s *Switcher) check(r Request) health.Check {
	check := s.Site.Check
	if r.short() {
		check.Passes = 1
	}
	return check
}
