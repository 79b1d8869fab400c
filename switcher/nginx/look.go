package nginx

import (
	"fmt"
	"slices"
	"time"
)

// look is one look at the master's children, sorted.
type look struct {
	all, oldServing, newServing, newStarting, draining []processID
}

// fresh are the new ones, whether they serve yet or only start.
func (l look) fresh() []processID { return slices.Concat(l.newServing, l.newStarting) }

// looks is what was seen of the children, and when.
type looks struct {
	before, now look      // the look before the last one, and the last one
	looked      time.Time // when the last one was
	changed     time.Time // when one last showed another child, or one fewer
	blind       error     // why the last look that failed did
}

// missedAfter is the longest silence between two looks after which it can still
// be told which workers came before the files were opened: a generation of a
// load that was already under way is 100 ms older than that (see HandoverFast).
const missedAfter = 80 * time.Millisecond

// lookAgain lists the children first and reads the openings then: a child
// that the look before the opening had listed is old for certain.
func (w *wait) lookAgain(whole bool) error {
	kids, err := w.children(whole)
	if gone(err) {
		return fmt.Errorf("%w: %w", ErrMasterEnded, err)
	}
	if err != nil { // no look at all: the next one may see again
		w.blind = err
		return nil
	}
	missed := time.Since(w.looked) > missedAfter
	w.looked = time.Now()
	if !w.opened && w.watch.all() {
		w.opened = true
		w.disturbed = w.disturbed || missed && w.anyUnknown(kids)
	}
	if !w.opened {
		w.markOld(kids)
	}
	w.sort(kids)
	if !sameProcesses(w.before.all, w.now.all) {
		w.changed = w.looked
	}
	w.noticeLosses(missed)
	return nil
}

// children lists the master's children. Those that serve, and need not be
// expected to end, are read again only where the look is to be whole.
func (w *wait) children(whole bool) ([]process, error) {
	list, err := childrenOf(w.master.PID)
	if err != nil {
		return nil, err
	}
	var kids []process
	for _, pid := range list {
		kid, known := w.known[pid]
		ending := w.taken && w.old.all[kid.id]
		if !known || whole || ending || !kid.serving() {
			if known {
				kid, err = kid.again()
			} else {
				kid, err = readProcess(pid)
			}
			if gone(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			w.known[pid] = kid
		}
		kids = append(kids, kid)
	}
	return kids, nil
}

func (w *wait) anyUnknown(kids []process) bool {
	return slices.ContainsFunc(kids, func(kid process) bool { return !w.old.all[kid.id] })
}

// markOld takes everything for old that is there before the opening. A child
// that comes by itself is no work of ours.
func (w *wait) markOld(kids []process) {
	for _, kid := range kids {
		if !w.old.all[kid.id] {
			w.old.all[kid.id], w.disturbed = true, true
		}
	}
}

func (w *wait) sort(kids []process) {
	var now look
	for _, kid := range kids {
		now.all = append(now.all, kid.id)
		isOld := w.old.all[kid.id]
		if !isOld {
			w.log.add(kid.id.pid)
		}
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
	w.before, w.now = w.now, now
}

// noticeLosses compares with the look before: a new child that vanished died,
// unless so much was missed that it may have served and been followed by another;
// and so did an old worker that nobody can have told to end yet. A new worker
// that is gone leaves a generation that is not the whole one; one that drains
// was followed by another that has read the same.
func (w *wait) noticeLosses(missed bool) {
	for _, id := range w.before.newStarting {
		vanished := !contains(w.now.all, id)
		w.lostNew = w.lostNew || vanished && !missed
		w.disturbed = w.disturbed || vanished
	}
	for _, id := range w.before.newServing {
		w.disturbed = w.disturbed || !contains(w.now.newServing, id) && !contains(w.now.draining, id)
	}
	if w.taken || len(w.beside) >= w.enough() { // from here on it is the old ones' time to go
		return
	}
	for _, id := range w.before.oldServing {
		w.disturbed = w.disturbed || !contains(w.now.oldServing, id)
	}
}
