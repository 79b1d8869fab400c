package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/notify"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// tellLimit bounds how long people are told of a switch that has ended.
const tellLimit = 10 * time.Second

// told are the outcomes of a switch that people hear of.
var told = map[switcher.Outcome]string{
	switcher.Done:        "switched",
	switcher.RolledBack:  "rolled back",
	switcher.Stuck:       "stuck",
	switcher.Unhealthy:   "refused",
	switcher.NotAccepted: "refused",
}

// tellSwitch tells of a switch. It has ended: nothing here changes its outcome.
func (s settings) tellSwitch(result switcher.Result, failed error, dryRun bool, t *terminal) {
	event, ok := told[result.Outcome]
	if !ok || dryRun || result.Record.Site == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellLimit)
	defer cancel()
	r := result.Record
	m := notify.Message{
		Event: event, Text: switchWords(result, failed), Site: r.Site, Live: liveAfter(result),
		From: r.From, To: r.To, Verdict: verdictOf(result), Host: r.Host, Time: r.Time,
	}
	s.telling(t).send(ctx, m)
}

func switchWords(result switcher.Result, failed error) string {
	r := result.Record
	by := fmt.Sprintf("by %s on %s", r.Who, r.Host)
	if r.Reason != "" {
		by += fmt.Sprintf(" (%s)", r.Reason)
	}
	if failed == nil {
		return fmt.Sprintf("%s: switched from %s to %s %s", r.Site, r.From, r.To, by)
	}
	text := fmt.Sprintf("%s: the switch %s was %s: %v", r.Site, toWords(r.To)+by, told[result.Outcome], failed)
	var detail *switcher.Error
	if errors.As(failed, &detail) && detail.Traffic != "" {
		text += "; " + detail.Traffic
	}
	return text
}

// toWords: a file that is not understood has no other color to go to.
func toWords(color string) string {
	if color == "" {
		return ""
	}
	return "to " + color + " "
}

// liveAfter is the color with the traffic; empty where that is not known.
func liveAfter(result switcher.Result) string {
	switch result.Outcome {
	case switcher.Done:
		return string(result.Plan.To)
	case switcher.Stuck:
		return ""
	}
	return string(result.Plan.From)
}

// verdictOf is what was wrong, or what the target's health was.
func verdictOf(result switcher.Result) string {
	if result.Record.Error != "" || len(result.Verdicts) == 0 {
		return result.Record.Error
	}
	return result.Verdicts[0].String()
}

// tellFindings tells of what changed, and pings the dead man's switch with the
// exit code of every run; all at the same time.
func (s settings) tellFindings(ctx context.Context, findings []verify.Finding, code int, t *terminal) {
	out := s.telling(t)
	inParallel(siteLimit, len(findings)+1, func(i int) {
		if i == 0 {
			out.report(statedir.Folder{Path: s.stateDir}, s.notify.PingWith(ctx, code))
		} else if f := findings[i-1]; f.Event != "" {
			out.send(ctx, messageOf(f))
		}
	})
}

func messageOf(f verify.Finding) notify.Message {
	m := notify.Message{
		Event: f.Event, Text: fmt.Sprintf("BGSWITCH %s - %s: %s (%s)", f.Level, f.Site, f.Text, hostname()), Site: f.Site,
		Level: f.Level.String(), Live: string(f.Status.Live), Verdict: f.Text, Host: hostname(), Time: time.Now().UTC(),
	}
	if f.Switched != nil {
		m.From, m.To = string(f.Switched.Plan.From), string(f.Switched.Plan.To)
	}
	return m
}

// telling is the channels, and where it is reported that one did not work.
type telling struct {
	settings
	terminal *terminal
	one      sync.Mutex // reports
}

func (s settings) telling(t *terminal) *telling { return &telling{settings: s, terminal: t} }

func (t *telling) send(ctx context.Context, m notify.Message) {
	t.report(statedir.Of(t.stateDir, m.Site), t.notify.Tell(ctx, m))
}

const (
	notifyFile = "notify.json" // the channels that did not work when they were last needed
	notifyLock = "notify.lock"
)

// report says which channels did not work, and records it: below the site's
// folder, or the state folder's own where it is the ping.
func (t *telling) report(folder statedir.Folder, failures []notify.Failure) {
	if len(failures) == 0 {
		return
	}
	t.one.Lock()
	defer t.one.Unlock()
	for _, f := range failures {
		t.terminal.say(fmt.Sprintf("cannot notify: %s: %s", f.Channel, f.Error))
	}
	if err := record(folder, failures); err != nil {
		t.terminal.say("cannot record what could not be told: " + err.Error())
	}
}

func record(folder statedir.Folder, failures []notify.Failure) error {
	held, err := folder.TryLock(notifyLock)
	if lock.IsBusy(err) { // another run records its own
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = held.Release() }()
	return folder.Store(notifyFile, failures)
}
