package switcher

import (
	"context"
	"errors"
	"time"
)

// Switch does what the request asks, from the survey to the record. An error is
// an *Error; Result holds what is known all the same. ctx is obeyed until the
// file is replaced; from there the switch is finished or rolled back.
func (s *Switcher) Switch(ctx context.Context, request Request) (Result, error) {
	results, err := Together(ctx, s.Typed, []*Switcher{s}, request)
	return results[0], err
}

// Together is Switch for several sites of one nginx: all or none, with one load.
// typed leads to all of them. The error is that of all.
func Together(ctx context.Context, typed Typed, sites []*Switcher, request Request) ([]Result, error) {
	until := time.Now().Add(request.Wait)
	for _, s := range sites {
		s.waitForTarget(ctx, request, until)
	}
	survey := newSurvey(typed, sites, request)
	defer survey.Close()
	outcome, proof, err := survey.switchOver(ctx)
	survey.noteHooks(outcome)
	return survey.results(ctx, outcome, proof, err), err
}

// switchOver is the story of a switch.
func (s *Survey) switchOver(ctx context.Context) (Outcome, Proof, error) {
	if err := s.look(ctx); err != nil {
		return outcomeOf(err), Proof{}, err
	}
	switch {
	case s.Already:
		return Already, Proof{}, nil
	case s.request.DryRun:
		return Planned, Proof{}, nil
	}
	if err := s.runBefore(ctx); err != nil {
		return outcomeOf(err), Proof{}, err
	}
	if ctx.Err() != nil {
		err := &Error{Outcome: Interrupted, Step: "replace the file", Err: errInterrupted, Hint: hintInterrupted}
		return Interrupted, Proof{}, err
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.flee(); err != nil {
		return outcomeOf(err), Proof{}, err
	}
	prepared, err := s.Prepare()
	if err != nil {
		return outcomeOf(err), Proof{}, err
	}
	_, err = prepared.Commit(ctx)
	if err != nil {
		err = prepared.Undo(ctx)
	} else {
		s.skipLogs()
	}
	s.carried() // to look at every file takes longer than to switch, and keeps nobody from it
	if err != nil {
		return outcomeOf(err), prepared.proof, err
	}
	if failed := prepared.finish(); failed != nil {
		return failed.Outcome, prepared.proof, failed
	}
	return Done, prepared.proof, nil
}

func outcomeOf(err error) Outcome {
	var failed *Error
	if errors.As(err, &failed) {
		return failed.Outcome
	}
	return Failed
}
