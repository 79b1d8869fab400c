package switcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bgswitch/switcher/journal"
	"bgswitch/switcher/statedir"
)

// Baked is what came of a bake.
type Baked struct {
	Record statedir.Record // of the switch, with the bake in it
	Look   BakeLook
	Return *Result // of the switch back; nil: there was none
	Notes  []string
	// Err is an *Error, WentBack or Stuck; nil: the color stays live, or somebody
	// else decides what is.
	Err error
}

// How long somebody who switches just now is waited for: to go back, and to record
// how a bake has ended.
const (
	waitToReturn  = time.Minute
	lockForRecord = 10 * time.Second
)

// Bake watches the color until the time is up, or something ends it, and goes back
// where it fails: by the same switch as any other, with the same proof, and only
// where nobody else has switched. ctx ends it, and leaves the color live; a switch
// back that has replaced the file is finished. tell hears what is so.
func (b *Baker) Bake(ctx context.Context, tell func(BakeLook)) Baked {
	defer b.close()
	end := b.watched(ctx, tell)
	if end.failed != nil {
		end.overtaken, _ = b.overtaken() // whoever is at work is waited for
	}
	if end.failed == nil || end.overtaken != "" {
		return b.stays(end)
	}
	result, err := b.goBack(ctx, end.failed)
	switch result.Outcome {
	case Overtaken:
		return b.stays(ending{overtaken: asError("", err).Err.Error()})
	case Interrupted:
		return b.stays(ending{byHand: true})
	}
	return b.left(result, err, end.failed)
}

// goBack goes back where the color is still the one that bakes, once whoever is at
// work is through.
func (b *Baker) goBack(ctx context.Context, why error) (Result, error) {
	b.say(fmt.Sprintf("going back to %s: %v", b.record.From, why))
	return b.Switch(ctx, Request{
		To: b.record.From, Reason: why.Error(), WaitLock: b.patience, Handover: b.request.Handover, Strict: b.request.Strict,
		Command: BakeCommand, Who: "bgswitch " + BakeCommand, Bad: why.Error(), baker: b,
	})
}

// closes is what the record of the switch back says of the bake; that of the switch
// to the color says it, too, where it is the newest still.
func (b *Baker) closes(r statedir.Record) *statedir.Bake {
	outcome, why := statedir.BakeStuck, string(r.Reason)
	switch Outcome(r.Outcome) {
	case Done:
		outcome = statedir.BakeWentBack
	case Interrupted:
		outcome, why = statedir.BakeEnded, ""
	}
	b.record.Bake = b.noted(outcome, why)
	if last, err := b.State.Newest(); err == nil && last != nil && last.Time.Equal(b.record.Time) {
		_ = b.State.Append(b.record) // the other record tells it all
	}
	return b.record.Bake
}

// stays ends a bake whose color stays live, or that somebody else has ended.
func (b *Baker) stays(end ending) Baked {
	baked := Baked{Look: b.look}
	if end.overtaken != "" {
		baked.Record = b.record
		baked.Err = b.overtakenBy(end.overtaken)
		if baked.Err == nil {
			baked.Notes = append(baked.Notes, fmt.Sprintf("the bake has ended: %s; %s is still live", end.overtaken, b.record.To))
		}
		return b.released(baked)
	}
	outcome := statedir.BakePassed
	if end.byHand {
		outcome = statedir.BakeEnded
		baked.Notes = append(baked.Notes, fmt.Sprintf("the bake was ended by hand: %s stays live, and nobody watches it any more", b.record.To))
	}
	b.record.Bake = b.noted(outcome, "")
	baked.Notes = append(baked.Notes, b.recordEnd()...)
	baked.Record = b.record
	return b.released(baked)
}

// overtakenBy: whoever switched decides what is live. The error says so where that
// is not the color that baked.
func (b *Baker) overtakenBy(by string) error {
	seen, err := b.See()
	if err == nil && seen.Live == b.record.To {
		return nil
	}
	return &Error{
		Outcome: WentBack, Step: fmt.Sprintf("let %s bake to the end", b.record.To), Err: errors.New(by),
		Traffic: fmt.Sprintf("%s is no longer live; the bake changed nothing", b.record.To), Hint: b.hintStatus(),
	}
}

// recordEnd adds to the record of the switch, where that is the newest still. What
// could not be done is told.
func (b *Baker) recordEnd() (notes []string) {
	if err := b.appendEnd(); err != nil {
		notes = append(notes, fmt.Sprintf("cannot record how the bake ended: %v", err))
	}
	return notes
}

func (b *Baker) appendEnd() error {
	held, err := b.Lock(context.Background(), min(b.patience, lockForRecord), BakeCommand)
	if err != nil {
		return err
	}
	last, err := b.State.Newest()
	if err == nil && last != nil && last.Time.Equal(b.record.Time) && !b.lock.Lost() {
		err = b.State.Append(b.record)
	}
	if slices.ContainsFunc(held, (*journal.Journal).Tells) {
		return errors.Join(err, held.Leave())
	}
	return errors.Join(err, held.Close())
}

func (b *Baker) released(baked Baked) Baked {
	if err := b.lock.Release(); err != nil {
		b.Log.Debug().Err(err).Msg("cannot release the bake")
	}
	return baked
}

// left ends a bake whose color has failed, by what came of going back.
func (b *Baker) left(result Result, err, why error) Baked {
	from, to := b.record.From, b.record.To
	baked := Baked{Look: b.look, Return: &result, Notes: result.Notes}
	if b.record.Bake.Outcome == statedir.BakeBegun { // it did not get as far as a record
		b.record.Bake = b.noted(statedir.BakeStuck, why.Error())
		baked.Notes = append(baked.Notes, b.recordEnd()...)
	}
	baked.Record = b.record
	if result.Outcome == Done {
		baked.Err = &Error{
			Outcome: WentBack, Step: fmt.Sprintf("keep %s live", to), Err: why,
			Traffic: fmt.Sprintf("went back: %s is live again, proved by %s, and %s is idle", from, result.Record.Proof, to),
			Hint:    fmt.Sprintf("see what is wrong with %s (`%s`), fix it, and switch again", to, b.Command("check", string(to))),
		}
		return b.released(baked)
	}
	failed := &Error{Outcome: Stuck, Step: "go back to " + string(from), Err: err, Hint: b.hintStatus()}
	var refused *Error
	if errors.As(err, &refused) {
		failed.Diff, failed.Traffic, failed.Hint = refused.Diff, refused.Traffic, refused.Hint
	}
	if result.Outcome == Unhealthy {
		failed.Hint = fmt.Sprintf("fix one of them; `%s` goes back once %s is healthy", b.Command("to", string(from), "--wait", "1m"), from)
	}
	failed.Traffic = b.stuckWords(result.Outcome, failed.Traffic, why)
	baked.Err = failed
	return b.released(baked)
}

// stuckWords say where the traffic is when going back failed, too.
func (b *Baker) stuckWords(outcome Outcome, traffic string, why error) string {
	words := fmt.Sprintf("stuck: %s is live and failed: %v", b.record.To, why)
	switch {
	case outcome == Unhealthy:
		return fmt.Sprintf("stuck: neither color is healthy, and nothing was changed; %s is live and failed: %v", b.record.To, why)
	case outcome == Stuck:
		return fmt.Sprintf("%s; %s had failed: %v", traffic, b.record.To, why)
	case traffic != "":
		return words + "; " + traffic
	}
	return words + "; nothing was changed"
}

// noted is what the records keep of the bake.
func (b *Baker) noted(outcome, why string) *statedir.Bake {
	n := &statedir.Bake{
		Outcome: outcome, Until: b.until.UTC(), TookMS: known(milliseconds(time.Since(b.until.Add(-b.bake.For)))),
		Questions: b.look.Questions, Failed: b.look.Failed, Error: statedir.Text(why),
	}
	if log := b.look.Log; log != nil {
		judged := b.look.Judged()
		n.Requests, n.Errors, n.Judged = &log.Requests, &log.Errors, &judged
	}
	return n
}
