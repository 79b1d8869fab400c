// Package verify finds out, once and in one line, whether a site is well and
// whether the way back is open. It remembers between two runs what it has
// said, so that one lost packet is no alarm and nothing is said twice.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
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

func (l Level) String() string {
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[l]
}

// rank orders the levels: what could not be found out may hide anything but an
// outage that was found.
func (l Level) rank() int { return [...]int{0, 1, 3, 2}[l] }

// Worst is the worst of several levels; of none it is OK.
func Worst(levels ...Level) Level {
	worst := OK
	for _, l := range levels {
		if l.rank() > worst.rank() {
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

// Validate names the first option that cannot be used.
func (o Options) Validate() error {
	switch {
	case o.Rise < 1 || o.Rise > 100:
		return fmt.Errorf("rise: %d is not allowed, want 1 to 100", o.Rise)
	case o.Fall < 1 || o.Fall > 100:
		return fmt.Errorf("fall: %d is not allowed, want 1 to 100", o.Fall)
	case o.Remind < time.Minute:
		return fmt.Errorf("remind: %s is not allowed, want 1m or more", o.Remind)
	case o.Deadline < time.Second || o.Deadline >= time.Minute:
		return fmt.Errorf("deadline: %s is not allowed, want 1s or more, and less than a minute", o.Deadline)
	case o.Cooldown < 0:
		return fmt.Errorf("cooldown: %s is not allowed, it cannot be negative", o.Cooldown)
	}
	return nil
}

// Verifier verifies one site.
type Verifier struct {
	Switcher *switcher.Switcher
	Options  Options
	Now      func() time.Time // nil: time.Now
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// facts are what one look has found.
type facts struct {
	status  switcher.Status
	way     switcher.Way
	problem []Problem
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Key   string `json:"key"` // names the same problem in every run
	Level Level  `json:"-"`
	Text  string `json:"text"`
}

// look asks everything; it changes nothing. What the network says is dampened
// later, what files and processes say holds at once.
func (v *Verifier) look(ctx context.Context) facts {
	f := facts{status: v.Switcher.Inspect(ctx, v.Switcher.Site.Check)}
	if f.status.FileErr != nil {
		f.add("file", Unknown, "the live color is unknown: "+f.status.FileErr.Error())
		return f
	}
	if err := f.status.Running.Err; err != nil && f.status.Running.Matters {
		f.add("nginx", Unknown, err.Error())
	}
	if f.status.Holder != nil {
		f.heldLock(v.now())
		return f
	}
	for _, drift := range f.status.Drift {
		f.add(drift.Key, Warning, drift.What)
	}
	f.way = v.Switcher.WayBack(ctx)
	f.wayBack()
	return f
}

// longHeld is after when a switch that is still at work has to be looked at:
// it keeps the way back shut.
const longHeld = 10 * time.Minute

// heldLock: a switch at work is no alarm, and what it moves is not judged.
func (f *facts) heldLock(now time.Time) {
	held := now.Sub(f.status.Holder.Since)
	if held > longHeld {
		f.add("lock", Warning, fmt.Sprintf("no way back: another bgswitch has been at work for %s: %s", held.Round(time.Minute), f.status.Holder))
	}
}

func (f *facts) wayBack() {
	switch err := f.way.Err; {
	case err == nil, errors.Is(err, nginx.ErrNoAside), errors.Is(err, switcher.ErrNoMaster):
	case errors.Is(err, nginx.ErrRefused), errors.Is(err, nginx.ErrWorkersWouldDie), isRefusal(err):
		f.add("candidate", Warning, "no way back: "+err.Error())
	default:
		f.add("candidate", Unknown, "whether the way back is open is unknown: "+err.Error())
	}
}

func isRefusal(err error) bool {
	var refusal *nginxconf.Refusal
	return errors.As(err, &refusal)
}

func (f *facts) add(key string, level Level, text string) {
	f.problem = append(f.problem, Problem{Key: key, Level: level, Text: text})
}

// unhealthyText says what came of asking a color, in few words.
func unhealthyText(verdicts []health.Verdict) string {
	for _, v := range verdicts {
		if !v.Healthy {
			return v.Backend + " " + v.Reason
		}
	}
	return ""
}
