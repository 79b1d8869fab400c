package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"

	"github.com/urfave/cli/v2"
)

func historyCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:        "history",
			Category:    kindLook,
			Usage:       "the switches so far, newest first",
			Description: "Shows who switched when and why, how it ended, and how it was proved.",
			Flags:       []cli.Flag{&cli.IntFlag{Name: "n", Value: 20, Usage: "at most `N` of them; 0: all"}},
			Action:      history,
		},
		examples: []example{{"the newest five", "sudo bgswitch history -n 5"}},
		exits:    exitsOf(exitDone, exitFailed),
	}
}

// historyObject is what `history` prints with --json.
type historyObject struct {
	Schema  int               `json:"schema"`
	Site    string            `json:"site"`
	Records []statedir.Record `json:"records"`
	Blocks  []statedir.Block  `json:"blocks"`
}

func history(c *cli.Context) error {
	t := terminalOf(c)
	if c.Args().Len() != 0 || c.Int("n") < 0 {
		return usage("`"+typedOf(c).Command("history", "-n", "5")+"` shows the newest five", "history takes no argument, and -n no negative number")
	}
	s, site, err := setupSite(c, t)
	if err != nil {
		return err
	}
	switching := s.switcherFor(site, t)
	var unread statedir.Unread
	records, err := switching.State.History(c.Int("n"), &unread)
	if err != nil {
		return &hinted{fmt.Errorf("cannot read the history: %w", err), mendHistory(err, switching)}
	}
	if unread > 0 {
		t.say(unread.String())
	}
	blocks, err := switching.State.Blocks()
	if err != nil {
		t.say(fmt.Sprintf("it is unknown what was blocked: %v", err))
	} else {
		blocks = append([]statedir.Block{}, blocks...)
	}
	if t.json {
		return t.object(historyObject{schema, site.Name, append([]statedir.Record{}, records...), blocks})
	}
	t.showHistory(records, blocks, c.Int("n"))
	if len(records) == 0 {
		t.say("no switch of " + site.Name + " is recorded")
	}
	return nil
}

// showHistory shows at most n records (0: all), and between them the blocks.
func (t *terminal) showHistory(records []statedir.Record, blocks []statedir.Block, n int) {
	for _, record := range records {
		blocks = t.showSince(record.Time, blocks)
		t.result("%s", recordWords(record))
	}
	if n == 0 || len(records) < n {
		t.showSince(time.Time{}, blocks)
	}
}

// showSince shows the blocks since a time, and returns those before it.
func (t *terminal) showSince(at time.Time, blocks []statedir.Block) (before []statedir.Block) {
	for i, b := range blocks {
		if b.Time.Before(at) {
			return blocks[i:]
		}
		t.result("%s", blockedWords(b))
	}
	return nil
}

// blockedWords are a block in one line of the history.
func blockedWords(b statedir.Block) string {
	words := fmt.Sprintf("%s  %s blocked  by %s on %s", moment.Text(b.Time), b.Color, b.Who, b.Host)
	if !b.Until.IsZero() {
		words += ", until " + moment.Text(b.Until.Time)
	}
	words += fmt.Sprintf(", %q", b.Reason)
	if l := b.Lifted; l != nil {
		words += fmt.Sprintf("; lifted %s by %s", moment.Text(l.Time), l.Who)
	}
	return words
}

// mendHistory: who is root already is not told to be.
func mendHistory(err error, s *switcher.Switcher) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return s.AsRoot()
	case errors.Is(err, trust.ErrUnsafe):
		return trust.Mend(err)
	}
	return ""
}

// recordWords is a record in one line.
func recordWords(r statedir.Record) string {
	words := fmt.Sprintf("%s  %s%s to %s%s  %s  %s", moment.Text(r.Time), orUnknown(r.From), inBrackets(r.FromRelease, r.FromSaid), r.To, inBrackets(r.ToRelease, r.ToSaid), r.Outcome, shortMS(r.TookMS))
	if r.Who != "" { // not in what everybody may know
		words += "  by " + string(r.Who)
	}
	if r.Proof != "" {
		words += ", proof by " + string(r.Proof)
	}
	if r.Drill() {
		words += ", a drill"
	}
	if r.Forced {
		words += ", forced"
	}
	if r.Restored {
		words += ", restored"
	}
	if len(r.Overrode) > 0 {
		words += fmt.Sprintf(", over %q: %q", strings.Join(r.Overrode, "; "), r.Override)
	}
	if marked := r.Marked(); marked != "" {
		words += ", " + marked
	}
	if r.Reason != "" {
		words += fmt.Sprintf(", %q", r.Reason)
	}
	if r.Error != "" {
		words += ": " + string(r.Error)
	}
	return words + afterWords(r.After) + bakedWords(r)
}

// bakedWords tell of the bake that followed a switch; what ended with the next one is
// said by that.
func bakedWords(r statedir.Record) string {
	if r.Bake == nil || r.Command == switcher.BakeCommand || r.Bake.TookMS == nil {
		return ""
	}
	took := shortMS(*r.Bake.TookMS)
	switch r.Bake.Outcome {
	case statedir.BakePassed:
		return "; it baked for " + took
	case statedir.BakeEnded:
		return "; its bake was ended by hand after " + took
	case statedir.BakeWentBack:
		return "; its bake went back after " + took
	}
	return "; it failed after " + took + ", and its bake could not go back"
}

// afterWords tell of what followed a switch where that did not go well.
func afterWords(after *statedir.Hook) string {
	switch {
	case after == nil:
		return ""
	case after.Outcome == statedir.HookBegun:
		return "; `after` was interrupted; outcome unknown"
	case after.Error != "":
		return "; " + string(after.Error)
	}
	return ""
}

func inBrackets(release statedir.Text, said bool) string {
	return switcher.Release{Name: string(release), Said: said}.InBrackets()
}

func orUnknown(color switcher.Color) string {
	if color == "" {
		return "?"
	}
	return string(color)
}
