package switcher

import (
	"context"

	"bgswitch/health"
)

// Check asks a color now, as a switch to it would, and does nothing else.
func (s *Switcher) Check(ctx context.Context, to Color) []health.Verdict {
	return s.Asker.Ask(ctx, s.check(Request{To: to}), s.Site.Backends(to))
}
