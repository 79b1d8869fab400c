package switcher

import "time"

// WaitToReturn has somebody who switches just now waited for that long.
func (b *Baker) WaitToReturn(limit time.Duration) { b.patience = limit }
