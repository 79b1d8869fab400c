package switcher

import (
	"errors"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/statedir"
)

// result is what came of the request, with its record.
func (s *Survey) result(outcome Outcome, proof Proof, err error) Result {
	s.noteElsewhere(outcome)
	r := Result{Outcome: outcome, Plan: s.plan(), Loaded: s.loaded, Verdicts: s.Verdicts, Notes: s.notes, Record: s.record(outcome, proof, err)}
	if outcome == Planned {
		r.Steps = (&Prepared{Survey: s}).would()
	}
	return r
}

// recorded says whether a switch belongs into the history: whatever got as far
// as a plan, and was not a dry run, nor had nothing to do.
func (s *Survey) recorded(r Result) bool {
	return s.journal != nil && r.Plan.To != "" && r.Outcome != Already && r.Outcome != Overtaken
}

func (s *Survey) draining() int {
	if s.running == nil {
		return 0
	}
	return s.running.draining()
}

func (s *Survey) record(outcome Outcome, proof Proof, err error) statedir.Record {
	p := s.plan()
	r := statedir.Record{
		Schema: statedir.RecordSchema, Time: s.began.UTC(), Site: s.Site.Name, Command: s.request.Command, From: p.From, To: p.To,
		Who: s.request.Who, Host: s.Host, Reason: statedir.Text(s.request.Reason), Forced: s.request.Force,
		Outcome: string(outcome), Proof: statedir.Text(proof.Kind), Steps: s.steps, Elsewhere: s.elsewhere, TookMS: milliseconds(time.Since(s.began)),
	}
	var failed *Error
	if errors.As(err, &failed) {
		r.Error = statedir.Text(failed.Error())
	}
	if outcome != Stuck && proof.Generation != nil {
		r.Generation, r.CutOverMS = proof.Generation, known(milliseconds(proof.Generation.CutOver))
	}
	s.recordFile(&r)
	return r
}

// recordFile notes what the file was and is, to know it again. Of a file that
// was put, it is what was proved: not what may stand there since.
func (s *Survey) recordFile(r *statedir.Record) {
	if len(s.Changes) == 0 {
		return
	}
	c := s.Changes[0]
	r.HashBefore, r.HashAfter = statedir.Text(c.file.Hash()), statedir.Text(c.file.Hash())
	if c.opened != nil && r.Generation != nil {
		identity := c.given()
		r.File, r.HashAfter = &identity, statedir.Text(c.opened.Hash())
		return
	}
	if now, err := livefile.Read(c.file.Path); err == nil {
		identity := now.Identity()
		r.HashAfter, r.File = statedir.Text(now.Hash()), &identity
	}
}

// known is nil for a zero, which is no measurement.
func known(ms float64) *float64 {
	if ms == 0 {
		return nil
	}
	return &ms
}
