// Package verify finds out, once and in one line, whether a site is well and
// whether the way back is open. It remembers between two runs what it has
// said, so that one lost packet is no alarm and nothing is said twice.
package verify

import (
	"fmt"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
)

// Level is how bad it is, in the language of monitoring plugins; also the exit
// code.
type Level int

// The levels.
const (
	OK Level = iota
	Warning
	Critical
	Unknown
)

var levelNames = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func (l Level) String() string { return levelNames[l] }

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a level's name; another one is Unknown.
func (l *Level) UnmarshalText(text []byte) error {
	*l = levelOf(string(text))
	return nil
}

func levelOf(text string) Level {
	for i, name := range levelNames {
		if name == text {
			return Level(i)
		}
	}
	return Unknown
}

// rank orders the levels: what could not be found out may hide anything but an
// outage that was found.
func (l Level) rank() int { return [...]int{0, 1, 3, 2}[l] }

// Compare is negative where l is better than other, positive where it is worse.
func (l Level) Compare(other Level) int { return l.rank() - other.rank() }

// Worst is the worst of several levels; of none it is OK.
func Worst(levels ...Level) Level {
	worst := OK
	for _, l := range levels {
		if l.Compare(worst) > 0 {
			worst = l
		}
	}
	return worst
}

// Options is how verify judges and speaks.
type Options struct {
	Rise, Fall int           // good answers in a row to be up again, bad ones to be down
	Remind     time.Duration // say what lasts again after this
	Deadline   time.Duration // for a whole run
	Failover   bool
	Cooldown   time.Duration // never fail over sooner than this after any switch
}

// Defaults are the options of someone who set nothing.
func Defaults() Options {
	return Options{Rise: 2, Fall: 3, Remind: 6 * time.Hour, Deadline: 30 * time.Second, Cooldown: 10 * time.Minute}
}

// Validate finds the options that cannot be used, as health.Mistakes at their
// settings.
func (o Options) Validate() error {
	var m health.Mistakes
	m.Add(row(o.Rise), "rise")
	m.Add(row(o.Fall), "fall")
	if o.Remind < time.Minute {
		m.Add(fmt.Errorf("%s is not allowed; use 1m or more", health.Short(o.Remind)), "remind")
	}
	if o.Deadline < time.Second || o.Deadline >= time.Minute {
		m.Add(fmt.Errorf("%s is not allowed; use 1s or more, and less than a minute", health.Short(o.Deadline)), "deadline")
	}
	if o.Cooldown < 0 {
		m.Add(fmt.Errorf("%s is not allowed, it cannot be negative", o.Cooldown), "cooldown")
	}
	return m.Found()
}

func row(n int) error {
	if n < 1 || n > 100 {
		return fmt.Errorf("%d is not allowed; use 1 to 100", n)
	}
	return nil
}

// Verifier verifies one site.
type Verifier struct {
	Switcher *switcher.Switcher
	Options  Options
	Strict   bool             // the way back and a failover refuse what others may write
	Tests    chan struct{}    // has room for as many of nginx's tests as may run at once, over all sites; nil: any number
	Now      func() time.Time // nil: time.Now
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}
