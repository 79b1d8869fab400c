package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/livefile"

	"github.com/urfave/cli/v2"
)

func statusCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:     "status",
			Category: kindLook,
			Usage:    "where the traffic is, and what stands ready",
			Description: "Shows for each site what the file says, what the running nginx has loaded, what answers\n" +
				"through nginx, and the health of both colors. It changes nothing and needs no rights;\n" +
				"what may not be read is named as unknown. Of the switches, who may not read the history\n" +
				"is shown a summary that says neither who nor why.\n\n" +
				"The exit code is the worst of the sites: 9 (only with --exit-code, after one question to\n" +
				"each backend) before 4, 1 and 6, for visitors who get errors cannot wait.\n\n" +
				"--watch stands in its place on a terminal; in a file or a pipe it prints the first look,\n" +
				"and then a block for each change, or with --json one object per line. How long answers\n" +
				"take is no change.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "exit-code", Usage: "exit 9 when a live color is not healthy at this moment"},
				&cli.BoolFlag{Name: "watch", Usage: "look each second until Ctrl-C, and mark what has changed; not on a terminal: print each change"},
			},
			Action: status,
		},
		several: true,
		examples: []example{
			{"where the traffic is", "bgswitch status"},
			{"look each second, until Ctrl-C", "bgswitch status --watch"},
			{"for a script: is the live color healthy?", "bgswitch status --exit-code --quiet"},
		},
		exits: saying(saying(exitsOf(exitDone, exitFailed, exitNotAccepted, exitDrift, exitLiveSick, exitInterrupted),
			exitDone, "file, nginx and traffic agree, as far as they are known"),
			exitNotAccepted, "the file is not understood"),
	}
}

func status(c *cli.Context) error {
	t := terminalOf(c)
	switch {
	case c.Args().Len() != 0:
		return usage("`"+typedOf(c).Command("status")+"` takes only flags", "status takes no argument")
	case c.Bool("watch") && (c.Bool("exit-code") || t.quiet):
		return usage("leave one of them out", "--watch cannot be combined with --exit-code or --quiet")
	}
	s, err := setup(c, t)
	if err != nil {
		return err
	}
	sites, err := s.chosen(c.String("site"))
	if err != nil {
		return err
	}
	look := func(ctx context.Context) []switcher.Status {
		statuses := make([]switcher.Status, len(sites))
		inParallel(siteLimit, len(sites), func(i int) { statuses[i] = s.switcherFor(sites[i], t).Status(ctx) })
		return statuses
	}
	if c.Bool("watch") {
		return t.watching(c.Context, look)
	}
	statuses := look(c.Context)
	if c.Context.Err() != nil { // half of what was asked had no time to answer
		return &switcher.Error{Outcome: switcher.Interrupted, Step: "see the state", Err: errors.New("interrupted")}
	}
	for _, st := range statuses {
		for _, warning := range st.Warnings {
			t.say(st.Site + ": " + warning)
		}
	}
	if err := t.showStatuses(statuses); err != nil {
		return err
	}
	return statusExit(statuses, c.Bool("exit-code"))
}

// worstFirst are the codes of a status. That visitors get errors is worse than
// that a file tells nothing, or that things do not agree.
var worstFirst = []int{exitLiveSick, exitNotAccepted, exitFailed, exitDrift}

// statusExit is the worst of the sites.
func statusExit(statuses []switcher.Status, ofHealth bool) error {
	found := map[int]bool{}
	for _, st := range statuses {
		found[siteExit(st, ofHealth)] = true
	}
	for _, code := range worstFirst {
		if found[code] {
			return exitCode(code)
		}
	}
	return nil
}

func siteExit(st switcher.Status, ofHealth bool) int {
	switch {
	case ofHealth && st.Sick():
		return exitLiveSick
	case notUnderstood(st.FileErr):
		return exitNotAccepted
	case st.FileErr != nil:
		return exitFailed
	case len(st.Drift) > 0:
		return exitDrift
	}
	return exitDone
}

func notUnderstood(err error) bool {
	var refusal *nginxconf.Refusal
	return errors.As(err, &refusal) || errors.Is(err, livefile.ErrNotOrdinary)
}

func (t *terminal) showStatuses(statuses []switcher.Status) error {
	if t.json {
		return t.object(statusObjectOf(statuses, time.Now()))
	}
	for i, st := range statuses {
		if i > 0 {
			t.result("")
		}
		t.showStatus(st)
	}
	return nil
}

func (t *terminal) showStatus(st switcher.Status) {
	t.result("%s  %s", t.painted(sgrBold, st.Site), t.headline(st))
	for _, words := range t.fileWords(st) {
		t.line("file", words)
	}
	t.line(strings.TrimPrefix(st.Server, "the "), runningWords(st))
	if st.Drain != nil {
		t.line("drains", drainWords(*st.Drain))
	}
	t.line("answers", t.answerWords(st))
	t.showColors(st)
	t.showLast(st)
	t.showBlocks(st)
	t.showDrills(st.Drills)
	t.showWork(st)
	for _, drift := range st.Drift {
		t.result("  %s    %s", t.painted(sgrRed, "DRIFT"), drift.What)
		t.result("           fix it: %s", drift.Mend)
	}
}

// showColors shows how the backends of both answer, and what they carry.
func (t *terminal) showColors(st switcher.Status) {
	for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
		if len(st.Colors[color]) == 0 && st.Live != "" {
			t.line(string(color), t.painted(sgrDim, "not asked ("+switcher.NoURL(color)+")"))
		}
		for _, verdict := range st.Colors[color] {
			t.result("  %s%s%s", t.color(color), strings.Repeat(" ", 9-len(color)), t.verdictWords(verdict))
		}
	}
	if words := t.releaseWords(st.Releases); words != "" {
		t.line("carries", words)
	}
	if st.FledErr != nil {
		t.line("fled", "unknown: "+st.FledErr.Error())
	}
}

// showLast shows the newest switch, and where else nginx passed to a color then.
func (t *terminal) showLast(st switcher.Status) {
	t.line("last", t.lastWords(st))
	if st.Last != nil {
		for _, e := range st.Last.Elsewhere {
			t.line("besides", switcher.ElsewhereWords(e)+" (seen then)")
		}
	}
}

// showWork shows who is at work, or was and has left something.
func (t *terminal) showWork(st switcher.Status) {
	if st.Holder != nil {
		t.line("now", "another bgswitch is at work: "+st.Holder.String())
	}
	if st.BakingErr != nil {
		t.line("bake", "unknown: "+st.BakingErr.Error())
	}
	if st.Baking != nil {
		t.line(bakingLine(st.Baking), st.Baking)
	}
	if st.HolderErr != nil {
		t.line("now", "unknown: "+st.HolderErr.Error())
	}
	if st.Hooked {
		t.line("note", switcher.KilledBefore)
	}
	if st.AsRoot != "" {
		t.line("more", "who, why and what failed: `"+st.AsRoot+"`")
	}
}

func (t *terminal) line(name string, text any) { t.result("  %-9s%s", name, text) }

func (t *terminal) headline(st switcher.Status) ink {
	color, says := t.color(st.Live), inked("%s", st.Releases[st.Live].InBrackets())+t.healthWords(st)
	switch {
	case st.Live == "" && st.Stopped():
		return t.painted(sgrRed, st.Server+" is not running; the live color is unknown")
	case st.Live == "":
		return t.painted(sgrRed, "the live color is unknown")
	case st.Stopped():
		return inked("%s; %s by the file%s", t.painted(sgrRed, st.Server+" is not running"), color, says)
	case len(st.Drift) > 0:
		return inked("%s by the file%s, with %s", color, says, t.painted(sgrRed, "DRIFT"))
	case st.Serves():
		return inked("%s is live%s", color, says)
	case st.Running.Is == nil:
		return inked("%s by the file%s; it is unknown whether %s has loaded it", color, says, st.Server)
	}
	return inked("%s by the file%s; somebody else has started or reloaded nginx since the last switch", color, says)
}

// healthWords are the health of the live color.
func (t *terminal) healthWords(st switcher.Status) ink {
	switch {
	case st.Sick():
		return inked(" and %s", t.painted(sgrRed, "UNHEALTHY"))
	case st.Well():
		return inked(" and healthy")
	}
	return inked(", its health is unknown")
}

func (t *terminal) fileWords(st switcher.Status) (lines []ink) {
	for _, f := range st.Files {
		if f.Err != nil {
			lines = append(lines, inked("%s: %v", f.Path, withoutPath(f.Err)))
		} else {
			lines = append(lines, inked("%s says %s", f.Path, t.color(f.Live)))
		}
	}
	if len(lines) == 0 { // one of them cannot be read
		lines = append(lines, inked("%s: %v", st.Path, withoutPath(st.FileErr)))
	}
	if st.Restore != "" {
		lines = append(lines, inked("`%s` puts back what was last proved", st.Restore))
	}
	return lines
}

// withoutPath leaves out a path that stands beside it anyway.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func runningWords(st switcher.Status) string {
	r, files := st.Running, "file"
	if len(st.Files) > 1 {
		files = "files"
	}
	if r.Err != nil {
		return "unknown: " + r.Why
	}
	words := fmt.Sprintf("master %d", r.Workers.Master)
	if r.Container != nil {
		words += " in " + r.Container.String()
	}
	words += ", " + switcher.Counted(len(r.Workers.Serving), "worker")
	if n := len(r.Workers.Draining); n > 0 {
		words += fmt.Sprintf(" and %d draining", n)
	}
	switch {
	case r.Is == nil:
		return words + "; loaded: unknown, " + r.Why
	case *r.Is:
		return words + ", has loaded the " + files + ": " + r.Why
	}
	return words + ", has NOT loaded the " + files + ": " + r.Why
}

// drainWords say whether the idle color may be stopped, in one line.
func drainWords(d switcher.Drain) string {
	if d.Drained() {
		return fmt.Sprintf("%s of %s; %s may be stopped", switcher.Counted(len(d.Workers), "old worker"), d.Color.Other(), d.Color)
	}
	words := fmt.Sprintf("%s, %s; do not stop %s yet", d, ageWords(d.Oldest()), d.Color)
	if d.Unread != nil {
		words += fmt.Sprintf(" (connections unknown: %v)", d.Unread)
	}
	return words
}

func (t *terminal) answerWords(st switcher.Status) ink {
	switch {
	case st.Answers != "":
		return inked("%s %s", t.color(st.Answers), st.Through)
	case st.Answered != "":
		return inked("unknown: %s", st.Answered)
	}
	return t.painted(sgrDim, "not asked (the settings have no `confirm`)")
}

func (t *terminal) verdictWords(v health.Verdict) ink {
	if v.Healthy {
		return inked("%-24s healthy  %s", v.Backend, health.Short(v.Latency))
	}
	return inked("%-24s %s  %s", v.Backend, t.painted(sgrRed, "unhealthy"), v.Reason)
}

func (t *terminal) lastWords(st switcher.Status) ink {
	switch {
	case st.LastErr != nil:
		return inked("unknown: %s", st.LastErr)
	case st.Last == nil:
		return t.painted(sgrDim, "no switch recorded")
	}
	return inked("%s", recordWords(*st.Last))
}
