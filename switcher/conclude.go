package switcher

import (
	"fmt"
	"time"

	"bgswitch/switcher/livefile"
)

// conclude writes down how the switch ended. A switch that is done and could
// only not be recorded is done: the operator is told.
func (sw *switching) conclude(failed *Error) {
	if failed != nil {
		sw.result.Outcome = failed.Outcome
	}
	if failed == nil && sw.replacement != nil {
		sw.forgetOld()
	}
	sw.fill(failed)
	if !sw.recorded() {
		return
	}
	if err := sw.State.Append(sw.result.Record); err != nil {
		sw.note(fmt.Sprintf("this could not be recorded: %v", err))
	}
	if now, err := sw.workersNow(); err == nil {
		sw.result.Draining = len(now.Draining)
	}
}

// tellNotes passes on what went wrong besides, with the file right.
func (sw *switching) tellNotes() {
	for _, err := range sw.replacement.Notes {
		sw.note(err.Error())
	}
}

// forgetOld removes the old file, which was kept until the proof, and the note
// that names it.
func (sw *switching) forgetOld() {
	if err := sw.forgetNote(); err != nil {
		sw.note(fmt.Sprintf("the note for the next run could not be removed: %v", err))
		return // the note speaks of the old file
	}
	if err := sw.replacement.Forget(); err != nil {
		sw.note(fmt.Sprintf("the old file could not be removed: %v; the next switch sweeps it up", err))
	}
}

// recorded says whether the switch belongs into the history: whatever got as
// far as a plan, and was not a dry run, nor had nothing to do.
func (sw *switching) recorded() bool {
	return sw.lock != nil && sw.plan.To != "" && sw.result.Outcome != Already
}

func (sw *switching) fill(failed *Error) {
	r := &sw.result.Record
	r.Time, r.Site, r.Command = sw.began.UTC(), sw.Site.Name, sw.request.Command
	r.From, r.To = string(sw.plan.From), string(sw.plan.To)
	r.Who, r.Host, r.Reason, r.Forced = sw.request.Who, sw.Host, sw.request.Reason, sw.request.Force
	r.Outcome, r.Proof = string(sw.result.Outcome), sw.proof
	r.TookMS = milliseconds(time.Since(sw.began))
	if failed != nil {
		r.Error = failed.Error()
	}
	if sw.generation != nil {
		r.Generation, r.CutOverMS = sw.generation, milliseconds(sw.generation.CutOver)
	}
	sw.fillFile()
}

// fillFile notes what the file was and is, to know it again.
func (sw *switching) fillFile() {
	if sw.file == nil {
		return
	}
	r := &sw.result.Record
	r.HashBefore, r.HashAfter = sw.file.Hash(), sw.file.Hash()
	now, err := livefile.Read(sw.file.Path)
	if err != nil {
		return
	}
	identity := now.Identity()
	r.HashAfter, r.File = now.Hash(), &identity
}
