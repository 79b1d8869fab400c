package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

const bakeHelp = "With --bake the color is watched from then on, and left again if it fails: `fall` bad\n" +
	"answers in a row, directly or through nginx; too many 5xx in `access_log`; or a\n" +
	"`command` that fails, as they are set below `bake:`. Going back is a switch like any\n" +
	"other (exit 10); where the other color is not healthy, or blocked, it stays (exit 11).\n" +
	"Nobody is kept from switching meanwhile, which ends the bake. So does Ctrl-C, or\n" +
	"SIGTERM: the color stays live (exit 0; with --drain 8, for nobody waited). The end of\n" +
	"the session does not."

func bakeFlag() cli.Flag {
	return &cli.DurationFlag{Name: "bake", Usage: "watch the color for this `DURATION` (60, 90s or 2m), and go back by itself if it fails; 0s: not at all"}
}

// bake lays what is written over the defaults.
func (w written) bake(b *switcher.Bake) func() *yaml.Node {
	var log, share, fewest written
	// Without a log that is read, it is a mistake to set what is about it.
	ofLog := func(into *written, show func() any) value {
		return value{take: keep(into).take, show: func() any {
			if b.AccessLog == "" {
				return nil
			}
			return show()
		}}
	}
	inForce := w.has(
		setting{"for", duration(&b.For)},
		setting{"interval", duration(&b.Interval)},
		setting{"fall", number(&b.Fall)},
		setting{"access_log", keep(&log)},
		setting{"max_5xx", ofLog(&share, func() any { return fmt.Sprintf("%g%%", b.Max5xx) })},
		setting{"min_requests", ofLog(&fewest, func() any { return b.MinRequests })},
		setting{"command", program(&b.Command)},
	)
	if log.node != nil {
		absolute(&b.AccessLog).take(log)
	}
	for _, of := range []written{share, fewest} {
		if of.node != nil && b.AccessLog == "" && !w.bad[log.node] {
			of.wrongf("it is about the access log, but `access_log` is not set")
		}
	}
	if share.node != nil {
		share.percent(&b.Max5xx)
	}
	if fewest.node != nil {
		number(&b.MinRequests).take(fewest)
	}
	w.judge(b.Validate())
	return inForce
}

// percent is written with its sign, so that nobody has to guess whether 0.05 is
// five of a hundred.
func (w written) percent(into *float64) {
	text, is := strings.CutSuffix(w.text(), "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if !is || err != nil {
		w.wrongf("%q is not a percentage; use one such as 5%% or 0.5%%", w.text())
		return
	}
	*into = share
}

// bakeOf is how the sites are to bake after a switch; nil: they are not. The flag
// goes before what is set.
func bakeOf(c *cli.Context, s switching, sites []switcher.Site) (*switcher.Bake, error) {
	if c.Command.Name != "to" {
		return nil, nil
	}
	bake := sites[0].Bake
	if c.IsSet("bake") {
		bake.For = c.Duration("bake")
	}
	for _, site := range sites[1:] {
		if !c.IsSet("bake") && bake.For == 0 {
			bake.For = site.Bake.For
		}
	}
	if bake.For == 0 {
		return nil, nil
	}
	if len(sites) > 1 {
		return nil, usage("`--bake 0s` switches them together and watches none; or switch each on its own", "a bake watches one site, but --site names several")
	}
	if err := bake.Validate(); err != nil {
		return nil, usage("write it as --bake 5m; everything else is set below `bake:` in the settings", "--bake: %v", err)
	}
	return &bake, nil
}

// bakes watches, and tells what it sees.
func (t *terminal) bakes(ctx context.Context, baker *switcher.Baker) *switcher.Baked {
	// A run that lasts is to stay small: see gcPercent.
	debug.SetGCPercent(smallGCPercent)
	telling := t.progress()
	baker.Say = func(text string) {
		telling.end()
		t.say(text)
	}
	t.say(baker.String())
	baked := baker.Bake(ctx, func(look switcher.BakeLook) {
		if look.Questions > 0 {
			telling.tell(bakeWords(look), bakeMoment(look))
		}
	})
	telling.end()
	return &baked
}

// smallGCPercent keeps the heap near what is in use.
const smallGCPercent = 50

// bakeWords are what is so, and stay the same as long as it does.
func bakeWords(look switcher.BakeLook) string {
	words := fmt.Sprintf("%s bakes: %s", look.To, healthWords(look.To, look.Why))
	if look.InRow > 0 {
		words = fmt.Sprintf("%s bakes: it failed, %d of %d times", look.To, look.InRow, look.Fall)
	}
	words += ", " + healthWords(look.From, look.IdleWhy)
	if look.LogErr != nil {
		words += ", the access log cannot be read"
	}
	return words
}

func bakingLine(b *switcher.Baking) string {
	if b.CutOff() {
		return "note"
	}
	return "bake"
}

func healthWords(color switcher.Color, why string) string {
	if why != "" {
		return string(color) + " unhealthy"
	}
	return string(color) + " healthy"
}

// bakeMoment is how it stands: how much time is left, and what was counted.
func bakeMoment(look switcher.BakeLook) string {
	left := "the time is up"
	if look.Left > 0 {
		left = look.Left.Round(time.Second).String() + " left"
	}
	words := left + ", " + countedWords(look)
	for _, why := range []string{look.Why, look.IdleWhy} {
		if why != "" {
			return words + ": " + why
		}
	}
	if look.LogErr != nil {
		words += ": " + look.LogErr.Error()
	}
	return words
}

// countedWords tell of the visitors' requests, where the access log does, and else of
// our own questions.
func countedWords(look switcher.BakeLook) string {
	switch log := look.Log; {
	case look.Judged():
		return fmt.Sprintf("%s, %s 5xx", switcher.Counted(log.Requests, "request"), switcher.Share(log.Errors, log.Requests))
	case log != nil:
		return fmt.Sprintf("%s, %d 5xx, too few to judge (min_requests is %d)", switcher.Counted(log.Requests, "request"), log.Errors, look.Fewest)
	}
	return fmt.Sprintf("%s, %d failed", switcher.Counted(look.Questions, "question"), look.Failed)
}

// showBaked prints what came of it. Where the color was left, what follows says so.
func (t *terminal) showBaked(baked switcher.Baked) {
	for _, note := range baked.Notes {
		t.say(note)
	}
	if r := baked.Return; r != nil && baked.Err != nil {
		t.showSwitch("", *r)
	}
	for _, note := range logNotes(baked.Look) {
		t.say(note)
	}
	if bake := baked.Record.Bake; bake.Outcome == statedir.BakePassed {
		t.result("%s has baked for %s: %s", t.color(baked.Record.To), shortMS(*bake.TookMS), countedWords(baked.Look))
	}
}

// logNotes say where an access log has not told what it was read for.
func logNotes(look switcher.BakeLook) (notes []string) {
	log := look.Log
	if look.Unmarked > 0 {
		notes = append(notes, fmt.Sprintf("the access log does not show who asked ($http_user_agent); %s of it were counted as the bake's own requests", switcher.Counted(look.Unmarked, "line")))
	}
	switch {
	case log == nil:
	case log.Requests == 0 && log.Unknown > 0:
		notes = append(notes, fmt.Sprintf("none of the %d lines of the access log were understood; the formats are nginx's combined one, and JSON with a `status`", log.Unknown))
	case log.Requests == 0 && (log.Own > 0 || look.Unmarked > 0):
		notes = append(notes, "no visitor came; the access log shows only bgswitch's own requests")
	case log.Requests == 0:
		notes = append(notes, "the access log shows no requests; is it the log of this site, and does nginx write it at once (`flush`)?")
	case log.Unknown > 0:
		notes = append(notes, switcher.Counted(log.Unknown, "line")+" of the access log had no status")
	}
	return notes
}
