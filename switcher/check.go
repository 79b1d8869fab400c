package switcher

import (
	"context"

	"bgswitch/health"
)

// Check asks a color now, as a switch to it would, and does nothing else.
func (s *Switcher) Check(ctx context.Context, to Color) []health.Verdict {
	return s.askOnce(ctx, s.check(Request{To: to}), to)
}
