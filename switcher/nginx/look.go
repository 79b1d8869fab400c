package nginx

import (
	"context"
	"fmt"
	"time"
)

// look is one look at the master's children, sorted.
type look struct {
	all, oldServing, newServing, newStarting, draining []processID
}

// lookAgain lists the children first and reads the openings then: a child
// that the look before the opening had listed is old for certain.
func (w *wait) lookAgain() error {
	kids, err := children(w.master.PID)
	if gone(err) {
		return fmt.Errorf("%w: %w", ErrMasterEnded, err)
	}
	if err != nil { // no look at all: the next one may see again
		w.blind = err
		return nil
	}
	gap := time.Since(w.looked)
	w.looked = time.Now()
	if !w.opened && w.watch.seen() {
		w.opened, w.openedAt = true, w.looked
		if gap > lookGap && w.anyUnknown(kids) {
			w.opened = false
			w.markOld(kids)
			return w.signal(context.Background())
		}
	}
	if !w.opened {
		w.markOld(kids)
	}
	w.sort(kids)
	return nil
}

func (w *wait) anyUnknown(kids []process) bool {
	for _, kid := range kids {
		if !w.old[kid.id] {
			return true
		}
	}
	return false
}

func (w *wait) markOld(kids []process) {
	for _, kid := range kids {
		if !w.old[kid.id] {
			w.old[kid.id], w.odd = true, true
		}
	}
}

func (w *wait) sort(kids []process) {
	var now look
	for _, kid := range kids {
		now.all = append(now.all, kid.id)
		isOld := w.old[kid.id]
		w.log.ours[kid.id.pid] = w.log.ours[kid.id.pid] || !isOld
		switch {
		case kid.draining():
			now.draining = append(now.draining, kid.id)
		case kid.serving() && isOld:
			now.oldServing = append(now.oldServing, kid.id)
		case kid.serving():
			now.newServing = append(now.newServing, kid.id)
		case kid.starting() && !isOld:
			now.newStarting = append(now.newStarting, kid.id)
		case kid.dead() && !isOld:
			w.lostNew = true
		}
	}
	w.noticeLosses(now)
	w.now = now
}

// noticeLosses compares with the look before: a new child that vanished died,
// and an old worker that vanished before we told it to makes the count odd.
func (w *wait) noticeLosses(now look) {
	for _, id := range w.now.newStarting {
		w.lostNew = w.lostNew || !contains(now.all, id)
	}
	if w.told || len(w.now.newServing) >= len(w.first) {
		return // from here on it is their time to go
	}
	for _, id := range w.now.oldServing {
		w.odd = w.odd || !contains(now.oldServing, id) && !contains(now.draining, id)
	}
}
