package main

import (
	"fmt"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
)

func (t *terminal) showSwitches(results []switcher.Result, err error) {
	if t.json {
		t.showObject(switchesObjectOf(results, err))
		return
	}
	told := map[string]bool{}
	for _, r := range results {
		for _, note := range r.Notes {
			if !told[note] {
				t.say(note)
			}
			told[note] = true
		}
	}
	for _, r := range results {
		site := ""
		if len(results) > 1 {
			site = r.Site + ": "
		}
		t.showSwitch(site, r)
	}
	if r := results[0]; r.Outcome == switcher.Planned {
		t.result("would then: %s", strings.Join(r.Steps, ", "))
		t.result("dry run: nothing was written")
	}
}

// showObject prints the answer: the exit code tells of the traffic, also where
// nobody reads the rest.
func (t *terminal) showObject(o any) {
	if unread := t.object(o); unread != nil {
		t.say(fmt.Sprintf("cannot print the result: %v", unread))
	}
}

// showSwitch is one site's; where there are several, site names it.
func (t *terminal) showSwitch(site string, r switcher.Result) {
	switch r.Outcome {
	case switcher.Done:
		t.showDone(site, r)
	case switcher.Already:
		how := "answers through " + r.Server
		if is := r.Loaded.Is; is != nil && *is {
			how = r.Server + " has it loaded"
		}
		t.result("%s%s is already live%s, and %s; nothing was touched", site, t.color(r.Plan.To), r.Release.InBrackets(), how)
	case switcher.Planned:
		t.showPlan(site, r)
	}
}

func (t *terminal) showDone(site string, r switcher.Result) {
	how := ""
	if cut := r.Record.CutOverMS; cut != nil {
		how = fmt.Sprintf(", cut over in %s", shortMS(*cut))
	}
	if r.Draining > 0 && r.Plan.From != r.Plan.To && r.Plan.Changes() {
		t.result("%s%s; do not stop %s yet; `%s` waits until you may", site, draining(r.Draining), r.Plan.From, r.Stop)
	}
	verb := inked("%s is live%s, %s is idle", t.color(r.Plan.To), r.Release.InBrackets(), t.color(r.Plan.From))
	switch {
	case r.Record.Restored && r.Plan.From == r.Plan.To:
		verb = inked("%s is live%s, with the %s put back", t.color(r.Plan.To), r.Release.InBrackets(), r.Plan.Word("file", "files"))
	case !r.Plan.Changes():
		verb = inked("%s is live%s: the %s already named it, and %s has now loaded it", t.color(r.Plan.To), r.Release.InBrackets(), r.Plan.Word("file", "files"), r.Server)
	}
	t.result("%s%s (%s%s, proved by %s%s)", site, verb, shortMS(r.Record.TookMS), how, r.Record.Proof, provedFor(r))
}

// provedFor says of how much a proof is one where nobody was asked through nginx,
// and nginx still passes to the idle color; or whole files decide, for what those
// lead to is known from their names alone.
func provedFor(r switcher.Result) string {
	if r.Record.Proof == switcher.ByGeneration && r.Plan.Wholly() {
		return " for " + strings.Join(r.Plan.Paths(), " and ") + " alone"
	}
	for _, e := range r.Record.Elsewhere {
		if e.Color == r.Plan.From && r.Plan.From != r.Plan.To && r.Record.Proof == switcher.ByGeneration {
			return " for " + strings.Join(r.Plan.Paths(), " and ") + " alone"
		}
	}
	return ""
}

func draining(n int) string {
	if n == 1 {
		return "1 old worker is still finishing its connections"
	}
	return fmt.Sprintf("%d old workers are still finishing their connections", n)
}

func (t *terminal) showPlan(site string, r switcher.Result) {
	switch is := r.Loaded.Is; {
	case r.Plan.Changes():
		t.showDiff(r.Plan.Diff())
	case is != nil && !*is:
		t.result("%sthe %s %s, but %s has not loaded it", site, r.Plan.Word("file already names", "files already name"), t.color(r.Plan.To), r.Server)
	default:
		t.result("%sthe %s %s; %s would load it again", site, r.Plan.Word("file already names", "files already name"), t.color(r.Plan.To), r.Server)
	}
}

// showDiff keeps a tab's width where there may be no tab.
func (t *terminal) showDiff(diff string) {
	for line := range strings.Lines(diff) {
		t.result("%s", strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "        "))
	}
}

func shortMS(ms float64) string {
	return health.Short(time.Duration(ms * float64(time.Millisecond)))
}
