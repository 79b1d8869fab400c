package switcher

import (
	"fmt"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/statedir"
)

// backOnceWithin is how long after a `back` a second one is refused: two people
// in the same incident would undo each other, and the bad release be live again.
const backOnceWithin = 10 * time.Minute

// undoneAlready lets `back` undo the newest switch once. A history that cannot be
// read keeps nobody from going back; how much of it could not is told.
func (s *Switcher) undoneAlready(p Plan) (unread statedir.Unread, err error) {
	for r, err := range s.State.Records(&unread) {
		if err != nil {
			return unread, nil
		}
		if Outcome(r.Outcome) != Done {
			continue
		}
		ago := time.Since(r.Time).Abs()
		if r.Command != "back" || ago >= backOnceWithin || r.To != p.From {
			return unread, nil
		}
		return unread, &Error{
			Outcome: Blocked, Step: "go back once more", Hint: fmt.Sprintf("`%s` goes there all the same", s.to(p.To)),
			Err: fmt.Errorf("%s went back from %s to %s %s: a second `back` would undo that", r.Who, r.From, r.To, Ago(ago)),
		}
	}
	return unread, nil
}

// Ago is how long ago something was, in words.
func Ago(ago time.Duration) string {
	if ago < time.Second {
		return "just now"
	}
	return health.Short(ago.Round(time.Second)) + " ago"
}
