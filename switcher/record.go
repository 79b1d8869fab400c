package switcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
)

// results are what came of the request for each site, with its record.
func (s *Survey) results(ctx context.Context, outcome Outcome, proof Proof, err error) (list []Result) {
	for _, p := range s.parts {
		p.noteElsewhere(outcome)
	}
	for _, p := range s.parts {
		r := Result{Site: p.Site.Name, Outcome: outcome, Plan: p.plan, Server: p.Site.Server(), Loaded: p.loaded, Verdicts: p.verdicts, Notes: slices.Clone(s.notes), Record: p.record(outcome, proof, err)}
		if outcome == Done && len(p.hooks().After) > 0 {
			r.Record.After = &statedir.Hook{Outcome: statedir.HookBegun}
		}
		p.bakes(&r)
		if outcome == Planned {
			r.Steps = (&Prepared{Survey: s}).would()
		}
		if s.recorded(r) {
			kept := begun(func() error { return p.keepProved(outcome) })
			failed := p.State.Append(r.Record)
			if err := kept(); err != nil {
				r.Notes = append(r.Notes, fmt.Sprintf("%scannot keep what was proved for `--restore`: %v", p.prefix(), err))
			}
			if failed != nil {
				r.Notes = append(r.Notes, fmt.Sprintf("%scannot record this: %v", p.prefix(), failed))
			}
		}
		list = append(list, r)
	}
	s.hooksRecorded()
	for i, p := range s.parts {
		r := &list[i]
		p.addRelease(r)
		if s.recorded(*r) {
			if r.Baker != nil {
				r.Baker.begin()
			}
			if r.Record.After != nil {
				p.runAfter(ctx, r)
			}
			if r.Baker != nil {
				r.Baker.record = r.Record
			}
			r.Draining = len(s.old())
			r.Stop = p.Command("drain", string(r.Plan.From), "--wait", "5m")
		}
	}
	return list
}

// recorded says whether a switch belongs into the history: whatever got as far
// as a plan, and was not a dry run, nor had nothing to do.
func (s *Survey) recorded(r Result) bool {
	return s.journals != nil && r.Plan.To != "" && r.Outcome != Already && r.Outcome != Overtaken
}

// old are the workers that end.
func (s *Survey) old() []nginx.Worker {
	if s.running == nil {
		return nil
	}
	_, ending := s.running.old()
	return ending
}

func (p *part) record(outcome Outcome, proof Proof, err error) statedir.Record {
	s := p.survey
	if proof.Kind == ByIdentity && !p.confirms() { // the answers of other sites prove nothing of this one
		proof.Kind = ByGeneration
	}
	r := statedir.Record{
		Schema: statedir.RecordSchema, Time: s.began.UTC(), Site: p.Site.Name, Command: s.request.Command, From: p.plan.From, To: p.plan.To,
		Who: statedir.Text(s.request.Who), Host: statedir.Text(s.Host), Reason: statedir.Text(s.request.Reason), Forced: s.request.Force, Restored: s.request.Restore, Override: statedir.Text(s.request.Override), Overrode: p.overrode(),
		ReleaseRecord: p.releaseRecord(), Outcome: string(outcome), Proof: statedir.Text(proof.Kind), Steps: s.steps, Elsewhere: p.elsewhere, TookMS: milliseconds(time.Since(s.began)),
	}
	var failed *Error
	if errors.As(err, &failed) {
		r.Error = statedir.Text(failed.Error())
	}
	if outcome != Stuck && proof.Generation != nil {
		r.Generation, r.CutOverMS = proof.Generation, known(milliseconds(proof.Generation.CutOver))
		r.Old = p.oldWorkers()
	}
	for i, c := range p.changes() {
		if file := c.record(r.Generation != nil); i == 0 {
			r.FileRecord = file
		} else {
			r.Others = append(r.Others, file)
		}
	}
	return r
}

// changes are those of the site's files, in its order.
func (p *part) changes() (list []*Change) {
	for _, file := range p.files {
		for _, c := range p.survey.Changes {
			if c.file.SameAs(file) {
				list = append(list, c)
			}
		}
	}
	return list
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
