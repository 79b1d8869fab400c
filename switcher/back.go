package switcher

import (
	"fmt"
	"slices"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
)

// backOnceWithin is how long after a `back` a second one is refused: two people
// in the same incident would undo each other, and the bad release be live again.
const backOnceWithin = 10 * time.Minute

// target is the color to go to. With two colors, the one that had the traffic
// before is always the other one: the history could name no third.
func (r Request) target(live Color) Color {
	if r.To == "" {
		return live.Other()
	}
	return r.To
}

// target is that of the request. Where a killed run had begun to leave the color
// that the files name, or name again, `back` is there already: it stays, has it
// loaded once more, and proves it.
func (p *part) target(live Color) Color {
	r := p.survey.request
	if p.unmoved {
		return live
	}
	if p.stays = r.To == "" && !r.wayBack && slices.ContainsFunc(p.files, func(f *livefile.File) bool { return p.survey.undone[f.Home] }); p.stays {
		return live
	}
	return r.target(live)
}

// findUnmoved finds the sites that a switch of several had left where they were:
// to go back from it is to leave them there.
func (s *Survey) findUnmoved() {
	if s.request.To != "" || s.request.wayBack || len(s.parts) == 1 {
		return
	}
	moved := func(r *statedir.Record) bool { return r != nil && r.From != r.To }
	var newest []*statedir.Record
	for _, p := range s.parts {
		r, _, _ := p.newestDone() // what cannot be read keeps nobody from going back
		newest = append(newest, r)
	}
	for i, r := range newest {
		s.parts[i].unmoved = r != nil && !moved(r) && slices.ContainsFunc(newest, func(other *statedir.Record) bool {
			return moved(other) && other.Time.Equal(r.Time)
		})
	}
}

// newestDone is the newest switch that was done; nil where there is none.
func (s *Switcher) newestDone() (newest *statedir.Record, unread statedir.Unread, err error) {
	for r, err := range s.State.Records(&unread) {
		if err != nil {
			return nil, unread, err
		}
		if Outcome(r.Outcome) == Done {
			return &r, unread, nil
		}
	}
	return nil, unread, nil
}

// undoneAlready objects to a second `back`: one undoes the newest switch once. A
// history that cannot be read keeps nobody from going back; how much of it could
// not is told.
func (s *Switcher) undoneAlready(p Plan) (statedir.Unread, Objections) {
	r, unread, err := s.newestDone()
	if r == nil || err != nil {
		return unread, nil
	}
	ago := time.Since(r.Time).Abs()
	if r.Command != "back" || ago >= backOnceWithin || r.To != p.From {
		return unread, nil
	}
	return unread, Objections{{
		step: "go back once more", Hints: []string{fmt.Sprintf("`%s` goes there all the same", s.to(p.To))},
		What: fmt.Sprintf("%s went back from %s to %s %s: a second `back` would undo that", r.Who, r.From, r.To, Ago(ago)),
	}}
}

// Ago is how long ago something was, in words.
func Ago(ago time.Duration) string {
	if ago < time.Second {
		return "just now"
	}
	return health.Short(ago.Round(time.Second)) + " ago"
}
