package switcher

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// practice is the traffic of a drill: so many questions a second through nginx,
// each on a connection of its own.
type practice struct {
	*Switcher
	rate int

	mutex   sync.Mutex
	asked   []asked
	came    chan struct{} // closed and made anew with each answer
	waiting sync.WaitGroup
	cancel  context.CancelFunc
}

// asked is one question, and what came.
type asked struct {
	began  time.Time
	color  Color // empty: it failed
	failed string
}

// begin begins to ask. Where nginx does not answer, no more than the questions of
// so many seconds as one waits for an answer are open at the same time.
func (p *practice) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.came = cancel, make(chan struct{})
	open := make(chan struct{}, 1+p.rate*int(statusTimeout/time.Second))
	p.waiting.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(p.rate))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case open <- struct{}{}:
				p.waiting.Go(func() { p.ask(ctx); <-open })
			default:
			}
		}
	})
}

func (p *practice) ask(ctx context.Context) {
	a := asked{began: time.Now()}
	if a.color, a.failed, _ = p.answer(ctx, statusTimeout); a.color != "" {
		a.failed = ""
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if ctx.Err() != nil && a.color == "" {
		return // it was not waited for
	}
	p.asked = append(p.asked, a)
	close(p.came)
	p.came = make(chan struct{})
}

// end stops asking.
func (p *practice) end() {
	p.cancel()
	p.waiting.Wait()
}

// drillAnswers is how many answers show that a color has the traffic.
const drillAnswers = 5

// sees waits until a color has answered some questions that were asked from then
// on, or something else has come as often and patience is over.
func (p *practice) sees(ctx context.Context, color Color, from time.Time) error {
	until := time.After(p.Site.Patience() + statusTimeout + 2*drillAnswers*time.Second/time.Duration(p.rate))
	for {
		good, other, came := p.since(color, from)
		if good >= drillAnswers {
			return nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return ctx.Err()
		case <-until:
			return fmt.Errorf("%s has answered %d of %d requests at %s%s", color, good, good+other.n, p.Site.Confirm.URL, other.first)
		}
	}
}

// others are the answers of another color, or none.
type others struct {
	n     int
	first string
}

func (p *practice) since(color Color, from time.Time) (good int, other others, came chan struct{}) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, a := range p.asked {
		switch {
		case a.began.Before(from):
		case a.color == color:
			good++
		default:
			if other.n++; other.n == 1 {
				other.first = ": " + a.words()
			}
		}
	}
	return good, other, p.came
}

func (a asked) words() string {
	if a.failed != "" {
		return a.failed
	}
	return string(a.color) + " answered"
}

// lastOld is when the last question began, from a leg's beginning until the next
// one's, that the color answered which it left; late are those that began when it
// had ended.
func (p *practice) lastOld(old Color, began, ended, next time.Time) (last *float64, late int) {
	for _, a := range p.asked {
		if a.color != old || a.began.Before(began) || a.began.After(next) {
			continue
		}
		ms := milliseconds(a.began.Sub(began))
		if last == nil || ms > *last {
			last = &ms
		}
		if a.began.After(ended) {
			late++
		}
	}
	return last, late
}

// failures are the questions that nobody answered.
func (p *practice) failures() (n int, first string) {
	slices.SortFunc(p.asked, func(a, b asked) int { return a.began.Compare(b.began) })
	for _, a := range p.asked {
		if a.failed == "" {
			continue
		}
		if n++; n == 1 {
			first = a.failed
		}
	}
	return n, first
}
