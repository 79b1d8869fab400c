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

// lockForRecord is how long is waited for the lock to record how a bake has ended.
const lockForRecord = 10 * time.Second

// waitToReturn is how long somebody who switches just now is waited for.
const waitToReturn = time.Minute

// Bake watches the color until the time is up, or something ends it, and goes back
// where it fails: by the same switch as any other, with the same proof, and only
// where nobody else has switched. ctx ends it, and leaves the color live; a switch
// back that has replaced the file is finished. tell hears what is so.
func (b *Baker) Bake(ctx context.Context, tell func(BakeLook)) Baked {
	defer b.close()
	for {
		end := b.watch(ctx, tell)
		if end.failed == nil {
			return b.stays(end)
		}
		result, err := b.goBack(ctx, end.failed)
		switch result.Outcome {
		case Overtaken, Busy, Already: // whoever was at work may have gone forth and back
			select {
			case <-ctx.Done():
			case <-time.After(b.bake.Interval):
			}
			continue
		case Interrupted:
			return b.stays(ending{byHand: true})
		}
		return b.left(result, err, end.failed)
	}
}

// goBack goes back where the color is still the one that bakes.
func (b *Baker) goBack(ctx context.Context, why error) (Result, error) {
	if by, undecided := b.overtaken(); by != "" || undecided {
		return Result{Outcome: Overtaken}, nil
	}
	request := Request{
		To: b.record.From, Reason: why.Error(), WaitLock: waitToReturn, Handover: b.request.Handover, Strict: b.request.Strict,
		Command: BakeCommand, Who: "bgswitch " + BakeCommand, Bad: why.Error(), baker: b,
	}
	if seen, err := b.See(); err == nil { // else the switch says what is wrong with the file
		request.Still = &seen
	}
	b.say(fmt.Sprintf("going back to %s: %v", b.record.From, why))
	return b.Switch(ctx, request)
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
			baked.Notes = append(baked.Notes, fmt.Sprintf("the bake has ended: %s; %s is live still", end.overtaken, b.record.To))
		}
		return b.released(baked)
	}
	outcome := statedir.BakePassed
	if end.byHand {
		outcome = statedir.BakeEnded
		baked.Notes = append(baked.Notes, fmt.Sprintf("the bake was ended by hand: %s stays live, and nobody watches it any more", b.record.To))
	}
	b.record.Bake = b.noted(outcome, "")
	if err := b.recordEnd(); err != nil {
		baked.Notes = append(baked.Notes, fmt.Sprintf("how the bake has ended could not be recorded: %v", err))
	}
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
		Traffic: fmt.Sprintf("%s is not live any more: the bake has touched nothing", b.record.To), Hint: b.hintStatus(),
	}
}

// recordEnd adds to the record of the switch, where that is the newest still.
func (b *Baker) recordEnd() error {
	held, err := b.Lock(context.Background(), lockForRecord, BakeCommand)
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
		b.Log.Debug().Err(err).Msg("cannot let go of the bake")
	}
	return baked
}

// left ends a bake whose color has failed, by what came of going back.
func (b *Baker) left(result Result, err, why error) Baked {
	from, to := b.record.From, b.record.To
	baked := Baked{Record: b.record, Look: b.look, Return: &result, Notes: result.Notes}
	if result.Outcome == Done {
		baked.Err = &Error{
			Outcome: WentBack, Step: fmt.Sprintf("keep %s live", to), Err: why,
			Traffic: fmt.Sprintf("went back: %s is live again, proved by %s, and %s is idle", from, result.Record.Proof, to),
			Hint:    fmt.Sprintf("see what is wrong with %s (`%s`), mend it, and switch again", to, b.Command("check", string(to))),
		}
		return b.released(baked)
	}
	failed := &Error{Outcome: Stuck, Step: "go back to " + string(from), Err: err, Hint: b.hintStatus()}
	var refused *Error
	if errors.As(err, &refused) {
		failed.Diff, failed.Traffic, failed.Hint = refused.Diff, refused.Traffic, refused.Hint
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
		return fmt.Sprintf("stuck: neither color is healthy, and nothing was changed: %s is live, and failed: %v", b.record.To, why)
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
