package nginx

import (
	"context"

	"bgswitch/health"
)

// Ask asks backends from where nginx asks them: elsewhere from its own network,
// with its own resolver and hosts.
func (m *Master) Ask(ctx context.Context, asker health.Asker, check health.Check, backends []health.Backend) []health.Verdict {
	if m.inside == nil {
		return asker.Ask(ctx, check, backends)
	}
	return m.inside.Ask(ctx, asker, check, backends)
}
