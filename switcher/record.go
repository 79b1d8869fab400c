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
	r := Result{Outcome: outcome, Plan: s.Plan, Server: s.Site.Server(), Loaded: s.loaded, Verdicts: s.Verdicts, Notes: s.notes, Record: s.record(outcome, proof, err)}
	if outcome == Done && len(s.Site.Hooks.After) > 0 {
		r.Record.After = &statedir.Hook{Outcome: statedir.HookBegun}
	}
	if outcome == Planned {
		r.Steps = (&Prepared{Survey: s}).would()
	}
	return r
}

// recorded says whether a switch belongs into the history: whatever got as far
// as a plan, and was not a dry run, nor had nothing to do.
func (s *Survey) recorded(r Result) bool {
	return s.journals != nil && r.Plan.To != "" && r.Outcome != Already && r.Outcome != Overtaken
}

func (s *Survey) draining() int {
	if s.running == nil {
		return 0
	}
	return s.running.draining()
}

func (s *Survey) record(outcome Outcome, proof Proof, err error) statedir.Record {
	p := s.Plan
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
	for i, c := range s.Changes {
		if file := c.record(r.Generation != nil); i == 0 {
			r.FileRecord = file
		} else {
			r.Others = append(r.Others, file)
		}
	}
	return r
}

// record notes what the file was and is, to know it again. Of one that nginx was
// given, it is what was proved: not what may stand there since.
func (c *Change) record(given bool) statedir.FileRecord {
	hash := statedir.Text(c.file.Hash())
	r := statedir.FileRecord{Path: statedir.Text(c.file.Home), HashBefore: hash, HashAfter: hash}
	if c.opened != nil && given {
		identity := c.given()
		r.File, r.HashAfter = &identity, statedir.Text(c.opened.Hash())
		return r
	}
	if now, err := c.now(); err == nil {
		identity := now.Identity()
		r.HashAfter, r.File = statedir.Text(now.Hash()), &identity
	}
	return r
}

// now reads what stands there now, or what the link leads to.
func (c *Change) now() (*livefile.File, error) {
	if c.Relink != nil {
		return c.of.read()
	}
	return livefile.Read(c.file.Path)
}

// known is nil for a zero, which is no measurement.
func known(ms float64) *float64 {
	if ms == 0 {
		return nil
	}
	return &ms
}
