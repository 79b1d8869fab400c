package main

import (
	"context"
	"fmt"
	"time"

	"bgswitch/switcher"
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
func (s settings) tellSwitch(result switcher.Result, failed error, t *terminal) {
	event, ok := told[result.Outcome]
	if !ok || result.Record.Site == "" {
		return
	}
	r := result.Record
	text := fmt.Sprintf("%s: switched from %s to %s by %s on %s", r.Site, r.From, r.To, r.Who, r.Host)
	if failed != nil {
		text = fmt.Sprintf("%s: %s to %s on %s was %s: %v", r.Site, r.Command, r.To, r.Host, event, failed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellLimit)
	defer cancel()
	s.tell(ctx, notify.Message{Event: event, Text: text, Site: r.Site, Live: liveAfter(result), From: r.From, To: r.To, Verdict: r.Error, Host: r.Host, Time: r.Time}, t)
}

func liveAfter(result switcher.Result) string {
	if result.Outcome == switcher.Done {
		return string(result.Plan.To)
	}
	return string(result.Plan.From)
}

// tellFindings tells of what changed, and pings the dead man's switch with the
// exit code of every run.
func (s settings) tellFindings(ctx context.Context, findings []verify.Finding, code int, t *terminal) {
	for _, f := range findings {
		if f.Event == "" {
			continue
		}
		m := notify.Message{
			Event: f.Event, Text: fmt.Sprintf("BGSWITCH %s - %s: %s (%s)", f.Level, f.Site, f.Text, hostname()), Site: f.Site,
			Level: f.Level.String(), Live: string(f.Status.Live), Verdict: f.Text, Host: hostname(), Time: time.Now().UTC(),
		}
		if f.Switched != nil {
			m.From, m.To = string(f.Switched.Plan.From), string(f.Switched.Plan.To)
		}
		s.tell(ctx, m, t)
	}
	s.report("", s.notify.PingWith(ctx, code), t)
}

func (s settings) tell(ctx context.Context, m notify.Message, t *terminal) {
	s.report(m.Site, s.notify.Tell(ctx, m), t)
}

// notifyFile keeps the channels that did not work.
const notifyFile = "notify.json"

// report says which channels did not work, and records it for the site.
func (s settings) report(site string, failures []notify.Failure, t *terminal) {
	for _, f := range failures {
		t.say(fmt.Sprintf("cannot notify: %s: %s", f.Channel, f.Error))
	}
	if len(failures) == 0 || site == "" {
		return
	}
	if err := statedir.Of(s.stateDir, site).Store(notifyFile, failures); err != nil {
		t.say("cannot record what could not be told: " + err.Error())
	}
}
