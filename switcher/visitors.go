package switcher

import (
	"fmt"
	"time"

	"bgswitch/switcher/accesslog"
)

// readLog counts what the access log tells, and judges it.
func (b *Baker) readLog() error {
	if b.log == nil {
		return nil
	}
	var counts accesslog.Counts
	counts, b.look.LogErr = b.log.Read()
	b.lines.Add(counts)
	*b.look.Log, b.look.Unmarked = b.visitors()
	all, within := *b.look.Log, b.late.add(*b.look.Log, time.Now())
	switch {
	case b.tooMany(all):
		return b.tooManyErrors(all, "since the switch")
	case b.tooMany(within):
		return b.tooManyErrors(within, "in the last minute")
	}
	return nil
}

// visitors are the lines that are not of our own questions. A log that never shows who
// asked has as many of those as were asked: they are taken off.
func (b *Baker) visitors() (c accesslog.Counts, unmarked int) {
	if c = b.lines; c.Own > 0 {
		return c, 0
	}
	unmarked = min(int(b.asked.Load()), c.Unsigned)
	c.Requests -= unmarked
	c.Errors = min(c.Errors-min(int(b.refused.Load()), unmarked, c.Errors), c.Requests)
	return c, unmarked
}

func (b *Baker) tooMany(c accesslog.Counts) bool {
	return c.Requests >= b.bake.MinRequests && share(c) > b.bake.Max5xx
}

func (b *Baker) tooManyErrors(c accesslog.Counts, when string) error {
	return fmt.Errorf("%d of %s %s were answered with 5xx: %s, more than %g%%", c.Errors, Counted(c.Requests, "request"), when, Share(c.Errors, c.Requests), b.bake.Max5xx)
}

func share(c accesslog.Counts) float64 {
	return 100 * float64(c.Errors) / float64(max(c.Requests, 1))
}

// Share is how many of all there are, in words.
func Share(part, all int) string {
	return fmt.Sprintf("%.3g%%", share(accesslog.Counts{Requests: all, Errors: part}))
}

// lately is what stood in a log a minute ago, so that a color that was well for
// long is not believed for as long.
type lately []mark

type mark struct {
	at    time.Time
	count accesslog.Counts
}

const latelyFor = time.Minute

// add takes in what there is now, and returns what of it came within the last
// minute. A mark is set each second.
func (l *lately) add(now accesslog.Counts, at time.Time) accesslog.Counts {
	marks := *l
	if len(marks) == 0 || at.Sub(marks[len(marks)-1].at) >= time.Second {
		marks = append(marks, mark{at, now})
	}
	for len(marks) > 1 && at.Sub(marks[1].at) >= latelyFor {
		marks = marks[1:]
	}
	*l = marks
	before := marks[0].count
	return accesslog.Counts{Requests: now.Requests - before.Requests, Errors: now.Errors - before.Errors}
}
