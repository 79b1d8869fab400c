package nginx

import (
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// oldWorkers are those from before a load.
type oldWorkers struct {
	all     map[processID]bool // everything that was there before the opening
	first   []processID        // the workers that served before the signal
	handles map[processID]handle
	told    bool // they have got our SIGQUIT
}

// hold takes hold of those that served, to tell them to end later.
func (o *oldWorkers) hold() {
	o.handles = map[processID]handle{}
	for _, id := range o.first {
		if held, err := hold(id); err == nil {
			o.handles[id] = held
		}
	}
}

// tell sends those that still serve what nginx will send them 100 ms later.
// Those already ending are left alone: a second SIGQUIT ends nothing sooner, and
// their connections are not ours to cut.
func (o *oldWorkers) tell(serving []processID, log zerolog.Logger) {
	o.told = true
	for _, id := range serving {
		if held, ok := o.handles[id]; ok {
			if err := held.signal(unix.SIGQUIT); err != nil {
				log.Debug().Err(err).Int("worker", id.pid).Msg("cannot end an old worker: nginx does")
			}
		}
	}
}

func (o *oldWorkers) close() {
	for _, held := range o.handles {
		held.close()
	}
}
