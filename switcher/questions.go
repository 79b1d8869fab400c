package switcher

import (
	"context"
	"sync"

	"bgswitch/health"
	"bgswitch/switcher/nginx"
)

// questions are what is found out beside everything else, because it takes its
// time and needs no master. Each answer is waited for where it is needed.
type questions struct {
	census   census
	verdicts func() []health.Verdict // of the target
	untold   func() string           // what came through nginx that tells no color; empty: it told one, or was not asked
	ctx      context.Context         // ends them
	cancel   context.CancelFunc
}

func (s *Switcher) ask(ctx context.Context, r Request) *questions {
	q := &questions{
		census:   sync.OnceValues(nginx.Census),
		verdicts: func() []health.Verdict { return nil },
		untold:   func() string { return "" },
	}
	ctx, q.cancel = context.WithCancel(ctx)
	q.ctx = ctx
	go func() { _, _ = q.census() }()
	if r.wayBack {
		return q
	}
	if s.Site.Confirm != nil {
		q.untold = begun(func() string { return s.untold(ctx) })
	}
	return q
}

// beginAsking begins to ask the target, from where nginx is.
func (s *Survey) beginAsking() {
	q, to := s.questions, s.Plan.To
	if !s.request.wayBack && !s.request.Force {
		q.verdicts = begun(func() []health.Verdict { return s.askColor(q.ctx, s.running.asks(), s.check(s.request), to) })
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
	if r.To == "" {
		check.Passes = 1
	}
	return check
}
