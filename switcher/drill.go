package switcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// DrillRequest is how to practice.
type DrillRequest struct {
	Rate     int           // questions a second
	Stay     time.Duration // how long the other color has the traffic
	Live     bool          // somebody has said that this is production
	Started  time.Duration // what it took from the program's start to here, a question left out
	Reason   string
	Who      string
	WaitLock time.Duration
	Strict   bool
	Handover nginx.Handover
}

// Drilled is what came of a drill.
type Drilled struct {
	statedir.Drill
	Site  string
	Legs  []Result // that were tried
	Notes []string
}

// The bounds of a drill.
const (
	DrillRate     = 50
	DrillStay     = 2 * time.Second
	drillMostRate = 1000
	drillMostStay = time.Minute
)

// Validate finds what cannot work.
func (r DrillRequest) Validate() error {
	switch {
	case r.Rate < 1 || r.Rate > drillMostRate:
		return fmt.Errorf("%d requests a second are not allowed; use 1 to %d", r.Rate, drillMostRate)
	case r.Stay < 0 || r.Stay > drillMostStay:
		return fmt.Errorf("--stay %s is not allowed; use at most %s", r.Stay, drillMostStay)
	}
	return nil
}

// held are the locks of a drill, which its switches share: nobody switches between
// them.
type held struct {
	journal.Set
	leftover bool // the journals tell the next run
}

func (h *held) close() error {
	if h.leftover {
		return h.Leave()
	}
	return h.Close()
}

// forget leaves nothing of one switch to the next.
func (h *held) forget() (err error) {
	for _, j := range h.Set {
		err = errors.Join(err, j.Forget())
	}
	return err
}

// cutDrill is a drill that was killed, and after which nobody has switched in
// earnest.
func (s *Switcher) cutDrill() *statedir.Drill {
	kept, err := s.State.Drills()
	if err != nil || kept.Begun == nil {
		return nil
	}
	if r, _, err := s.newestDone(); err == nil && r != nil && !r.Time.Before(kept.Begun.Time) {
		return nil
	}
	return kept.Begun
}

// drill is one that is under way.
type drill struct {
	*Switcher
	request DrillRequest
	report  Drilled
	traffic *practice
	held    *held
	before  statedir.Drills // what was kept of earlier ones
	there   time.Time       // when the other color had the traffic
}

// Drill switches to the other color and back, under questions of its own through
// nginx, and reports how both went. An error is an *Error that says where the
// traffic is. Once the other color has the traffic, ctx only shortens its stay.
func (s *Switcher) Drill(ctx context.Context, r DrillRequest) (Drilled, error) {
	d := &drill{Switcher: s, request: r, report: Drilled{Site: s.Site.Name, Drill: statedir.Drill{
		Time: time.Now().UTC(), Who: statedir.Text(r.Who), Host: statedir.Text(s.Host), Reason: statedir.Text(r.Reason), Live: r.Live, Rate: r.Rate,
	}}}
	err := d.run(ctx)
	d.report.Outcome = string(Done)
	if err != nil {
		failed := asError("drill", err)
		d.report.Outcome, d.report.Error = string(failed.Outcome), statedir.Text(failed.Error())
		return d.report, failed
	}
	return d.report, nil
}

func (d *drill) run(ctx context.Context) error {
	if d.Site.Confirm == nil {
		return refuse(Failed, "set `confirm:` in the settings: its marks tell which color answers", errors.New("without `confirm:` there is no url to ask through nginx"))
	}
	if err := d.take(ctx); err != nil {
		return err
	}
	defer func() {
		if err := d.held.close(); err != nil {
			d.Log.Debug().Err(err).Msg("cannot let go of the lock")
		}
	}()
	d.traffic = &practice{Switcher: d.Switcher, rate: d.request.Rate}
	d.traffic.begin()
	err := d.flight(ctx)
	d.traffic.end()
	d.measure()
	return d.keep(err)
}

// take takes the lock, finds out where the traffic is, and notes that a drill has
// begun.
func (d *drill) take(ctx context.Context) error {
	places, err := d.places()
	if err != nil {
		return asError(stepRead, d.unreadable(err, Request{}))
	}
	for _, p := range places {
		if _, found := p.CutOff(); found {
			return &Error{Outcome: Drifted, Step: "begin", Err: errors.New("an earlier run was killed and left something to repair"), Hint: d.hintStatus()}
		}
	}
	err = d.State.Create()
	if err == nil {
		err = d.State.Usable()
	}
	if err != nil {
		return d.unusable(err)
	}
	taken, err := d.Lock(ctx, d.request.WaitLock, statedir.DrillCommand)
	if err != nil {
		return asError("take the lock", d.notLocked(err))
	}
	d.held = &held{Set: taken}
	if err := d.begin(); err != nil {
		return errors.Join(err, d.held.close())
	}
	return nil
}

func (d *drill) begin() error {
	files, err := d.Site.read()
	if err != nil {
		return asError(stepRead, d.unreadable(err, Request{}))
	}
	if _, d.report.From, err = d.Site.understand(files); err != nil {
		return asError(stepRead, d.notUnderstood(err, Request{}))
	}
	if cut := d.cutDrill(); cut != nil && cut.From != d.report.From {
		return &Error{Outcome: Drifted, Step: "begin", Hint: fmt.Sprintf("`%s` goes back", d.to(cut.From)),
			Err: fmt.Errorf("an earlier drill was killed halfway: %s was live before it, and %s is live now", cut.From, d.report.From)}
	}
	b, err := d.findBaking()
	if err != nil {
		return asError("find out whether something bakes", err)
	}
	if b != nil && !b.CutOff() {
		return &Error{Outcome: Busy, Step: "begin", Hint: d.hintStatus(), Err: fmt.Errorf("%s: a drill would end that", b)}
	}
	d.report.To = d.report.From.Other()
	if d.before, err = d.State.Drills(); err != nil {
		d.report.Notes = append(d.report.Notes, fmt.Sprintf("cannot read what is kept of earlier drills: %v", err))
	}
	begun := d.report.Drill
	begun.Outcome = statedir.DrillBegun
	if err := d.State.KeepDrills(statedir.Drills{Begun: &begun, Last: d.before.Last}); err != nil {
		return asError("note that a drill begins", err)
	}
	return nil
}

// flight is there and back.
func (d *drill) flight(ctx context.Context) error {
	if err := d.traffic.sees(ctx, d.report.From, time.Time{}); err != nil {
		if ctx.Err() != nil {
			return &Error{Outcome: Interrupted, Step: "see who answers", Err: errInterrupted, Hint: hintInterrupted}
		}
		return &Error{Outcome: Drifted, Step: "see the live color answer", Err: err, Hint: d.hintStatus()}
	}
	d.say(fmt.Sprintf("drill: going from %s to %s, with %d requests a second", d.report.From, d.report.To, d.request.Rate))
	if err := d.leg(ctx, Request{To: d.report.To, returns: true}); err != nil {
		return err
	}
	d.stay(ctx)
	d.say(fmt.Sprintf("drill: going back from %s to %s", d.report.To, d.report.From))
	if err := d.leg(context.WithoutCancel(ctx), Request{To: d.report.From, returning: true}); err != nil {
		return d.halfWay(err)
	}
	if err := d.traffic.sees(context.WithoutCancel(ctx), d.report.From, time.Now()); err != nil {
		d.report.Notes = append(d.report.Notes, err.Error())
	}
	return nil
}

// leg is one of the two switches.
func (d *drill) leg(ctx context.Context, r Request) error {
	r.Command, r.held, r.Who, r.Reason, r.Strict, r.Handover = statedir.DrillCommand, d.held, d.request.Who, d.request.Reason, d.request.Strict, d.request.Handover
	began := time.Now()
	result, err := d.Switch(ctx, r)
	d.there = time.Now()
	if err == nil && (result.Outcome != Done || result.Plan.From == result.Plan.To) {
		err = &Error{Outcome: Failed, Step: "practice", Err: fmt.Errorf("somebody else has switched the %s to %s in the meantime", d.word("file", "files"), r.To), Hint: d.hintStatus()}
	}
	d.report.Legs = append(d.report.Legs, result)
	leg := &statedir.Leg{Outcome: string(result.Outcome), Proof: result.Record.Proof, TookMS: milliseconds(d.there.Sub(began)), CutOverMS: result.Record.CutOverMS}
	switch {
	case r.returning:
		d.report.Back = leg
	case changed(result.Outcome):
		d.report.There = leg
	}
	return err
}

// changed says whether something was, at least for a while.
func changed(outcome Outcome) bool {
	return outcome == Done || outcome == RolledBack || outcome == Stuck
}

// stay leaves the traffic with the other color for a while, and not before it has
// answered.
func (d *drill) stay(ctx context.Context) {
	if err := d.traffic.sees(ctx, d.report.To, d.there); err != nil {
		d.report.Notes = append(d.report.Notes, err.Error())
	}
	select {
	case <-ctx.Done():
	case <-time.After(d.request.Stay):
	}
}

// halfWay: the other color keeps the traffic, since the one that had it before
// cannot be proved to take it.
func (d *drill) halfWay(err error) error {
	failed := asError("go back", err)
	where := failed.Traffic
	failed.Outcome = Stuck
	failed.Traffic = fmt.Sprintf("stuck halfway: %s has the traffic, and should have given it back to %s", d.report.To, d.report.From)
	if where != "" {
		failed.Traffic += "; " + where
	}
	failed.Hint = fmt.Sprintf("fix %s, then run `%s`", d.report.From, d.to(d.report.From))
	return failed
}

// measure fills the report from what was seen.
func (d *drill) measure() {
	d.report.Requests = len(d.traffic.asked)
	n, first := d.traffic.failures()
	d.report.Failed, d.report.FirstFailure = n, statedir.Text(first)
	for i, leg := range []*statedir.Leg{d.report.There, d.report.Back} {
		if leg == nil || i >= len(d.report.Legs) {
			continue
		}
		began, next := d.report.Legs[i].Record.Time, time.Now()
		if i == 0 && len(d.report.Legs) > 1 {
			next = d.report.Legs[1].Record.Time
		}
		leg.LastOldMS, leg.Late = d.traffic.lastOld(d.report.Legs[i].Plan.From, began, began.Add(time.Duration(leg.TookMS*float64(time.Millisecond))), next)
	}
	if back := d.report.Back; back != nil && Outcome(back.Outcome) == Done {
		ms := milliseconds(d.request.Started) + back.TookMS
		d.report.WayBackMS = &ms
	}
}

// keep remembers the drill. One that changed nothing does not count.
func (d *drill) keep(err error) error {
	kept := statedir.Drills{Last: d.before.Last}
	last := d.report.Drill
	last.Outcome = string(Done)
	if failed := (*Error)(nil); errors.As(err, &failed) {
		last.Outcome, last.Error = string(failed.Outcome), statedir.Text(failed.Error())
	}
	if changed(Outcome(last.Outcome)) {
		kept.Last = &last
	}
	if failed := d.State.KeepDrills(kept); failed != nil {
		d.report.Notes = append(d.report.Notes, fmt.Sprintf("cannot record the drill: %v", failed))
	}
	return err
}

// Drills is what is known of the drills of a site.
type Drills struct {
	Last *statedir.Drill // nil: there was none
	Cut  *statedir.Drill // that was killed, and not made good for
	Err  error           // why nothing is known

	practice string // the command
}

// drills are what is known; none was cut off that may be under way.
func (s *Switcher) drills(held bool) *Drills {
	kept, err := s.State.Drills()
	d := &Drills{Last: kept.Last, Err: err, practice: s.Command("drill")}
	if !held {
		d.Cut = s.cutDrill()
	}
	return d
}

// String says when the last one was, in a line that does not change by itself.
func (d Drills) String() string {
	switch {
	case d.Cut != nil:
		return fmt.Sprintf("the one at %s was killed; %s was live when it began", moment.Text(d.Cut.Time), d.Cut.From)
	case d.Err != nil:
		return fmt.Sprintf("unknown: %v", d.Err)
	case d.Last == nil:
		return fmt.Sprintf("never; `%s` practices the way back", d.practice)
	case d.Last.WayBackMS != nil:
		return fmt.Sprintf("%s: the way back took %s from Enter", moment.Text(d.Last.Time), health.Short(time.Duration(*d.Last.WayBackMS*float64(time.Millisecond))))
	}
	return fmt.Sprintf("%s: %s", moment.Text(d.Last.Time), d.Last.Outcome)
}
