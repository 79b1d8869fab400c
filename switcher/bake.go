package switcher

import (
	"errors"
	"fmt"
	"time"

	"bgswitch/health"
)

// Bake is how long a color is watched after a switch to it, and what has it go back
// by itself.
type Bake struct {
	For      time.Duration // 0: not at all
	Interval time.Duration // between two questions
	Fall     int           // failures in a row

	AccessLog   string  // of this site, where nginx writes what it answered; empty: none is read
	Max5xx      float64 // the share of them that may be 5xx, in percent
	MinRequests int     // so many are needed for that to be judged

	Command []string // argv, run again and again, whose failure is enough; empty: none
}

// DefaultBake is that of a site for which nothing is set: it lasts for no time.
func DefaultBake() Bake {
	return Bake{Interval: time.Second, Fall: 3, Max5xx: 5, MinRequests: 100}
}

const (
	shortestBakeInterval = 100 * time.Millisecond
	longestBake          = 24 * time.Hour
)

// Validate finds what cannot work, as health.Mistakes at its settings.
func (b Bake) Validate() error {
	var m health.Mistakes
	if b.For < 0 || b.For > longestBake {
		m.Add(fmt.Errorf("%s is not allowed; use at most 24h", health.Short(b.For)), "for")
	}
	switch {
	case b.Interval < shortestBakeInterval || b.Interval > time.Hour:
		m.Add(fmt.Errorf("%s is not allowed; use 0.1s to 1h", health.Short(b.Interval)), "interval")
	case b.For > 0 && b.Interval > b.For:
		m.Add(fmt.Errorf("%s is longer than the bake, which is %s", health.Short(b.Interval), health.Short(b.For)), "interval")
	}
	if b.Fall < 1 || b.Fall > 100 {
		m.Add(fmt.Errorf("%d is not allowed; use 1 to 100", b.Fall), "fall")
	}
	if b.Max5xx < 0 || b.Max5xx >= 100 {
		m.Add(fmt.Errorf("%g%% is not allowed; use 0%% or more, and less than 100%%", b.Max5xx), "max_5xx")
	}
	if b.MinRequests < 1 {
		m.Add(errors.New("at least one request is needed to judge by"), "min_requests")
	}
	return m.Found()
}
