package switcher

import (
	"errors"
	"fmt"
)

// Outcome is how a switch ended. It answers where the traffic is.
type Outcome string

// The outcomes. Up to Interrupted nothing was changed.
const (
	Done        Outcome = "done"         // the target has the traffic
	Already     Outcome = "already"      // it had it before
	Planned     Outcome = "planned"      // a dry run that found nothing in the way
	Failed      Outcome = "failed"       // before anything changed
	Unhealthy   Outcome = "unhealthy"    // refused: the target is not healthy
	NotAccepted Outcome = "not accepted" // refused: the file is not understood, or nginx does not accept it
	Unexpected  Outcome = "unexpected"   // refused: the target carries another release than was expected
	Hindered    Outcome = "hindered"     // refused: a command of `before` failed
	Busy        Outcome = "busy"         // refused: another bgswitch is at work
	Blocked     Outcome = "blocked"      // refused: something speaks against going there
	Overtaken   Outcome = "overtaken"    // refused: what it was decided on is no longer so
	Drifted     Outcome = "drift"        // refused: file, nginx and traffic do not agree
	NotDrained  Outcome = "not drained"  // the other color may not be stopped: something of it is open, or it is live
	Interrupted Outcome = "interrupted"  // by a signal
	RolledBack  Outcome = "rolled back"  // tried, failed: the traffic is where it was
	WentBack    Outcome = "went back"    // done, and undone by its bake: the traffic is where it was
	Stuck       Outcome = "stuck"        // tried, failed, and could not be put back
)

// Error is a switch that did not happen. Its text is one line; Traffic and
// Hint are lines of their own.
type Error struct {
	Outcome Outcome
	Step    string
	Err     error
	Diff    string // lines that show it, where they do
	Traffic string // where the traffic is now, where that needs saying
	Hint    string // what to type next
}

func (e *Error) Error() string { return fmt.Sprintf("cannot %s: %v", e.Step, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// refuse is a step's way to say how the switch ends and what to type next.
func refuse(outcome Outcome, hint string, err error) error {
	return &Error{Outcome: outcome, Hint: hint, Err: err}
}

// asError gives every failure of a step an outcome: a step that says nothing
// has failed before anything changed.
func asError(step string, err error) *Error {
	var known *Error
	if !errors.As(err, &known) {
		known = &Error{Outcome: Failed, Err: err}
	}
	if known.Step == "" {
		known.Step = step
	}
	return known
}
