package notify

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// Message is what is told. Its JSON is the body of a webhook; chat tools show
// its text.
type Message struct {
	Schema  int            `json:"schema"`
	Event   string         `json:"event"`
	Text    string         `json:"text"`
	Site    string         `json:"site"`
	Level   statedir.Text  `json:"level"`
	Live    switcher.Color `json:"live"`
	From    switcher.Color `json:"from"`
	To      switcher.Color `json:"to"`
	Release statedir.Text  `json:"release"`
	Verdict statedir.Text  `json:"verdict"`
	Host    string         `json:"host"`
	Time    time.Time      `json:"time"`
}

// fit is the message in lines that are fit to be shown.
func (m Message) fit() Message {
	m.Schema = messageSchema
	m.Text, m.Host, m.Verdict = foreign.Line(m.Text), foreign.Line(m.Host), statedir.Text(foreign.Line(string(m.Verdict)))
	return m
}

// messageSchema is the version of Message.
const messageSchema = 1

// told are the outcomes of a switch that people hear of.
var told = map[switcher.Outcome]string{
	switcher.Done:        "switched",
	switcher.RolledBack:  "rolled back",
	switcher.Stuck:       "stuck",
	switcher.Unhealthy:   "refused",
	switcher.Hindered:    "refused",
	switcher.Unexpected:  "refused",
	switcher.NotAccepted: "refused",
	switcher.Blocked:     "refused",
}

// ofSwitch is the message of a switch by hand; ok is false where nobody needs
// to hear of it.
func ofSwitch(result switcher.Result, failed error) (m Message, ok bool) {
	event, ok := told[result.Outcome]
	r := result.Record
	if r.Command == switcher.BakeCommand {
		event, ok = ofBake(result.Outcome)
	}
	if !ok || r.Site == "" {
		return Message{}, false
	}
	return Message{
		Event: event, Text: switchText(result, failed), Site: r.Site, Live: liveAfter(result),
		From: r.From, To: r.To, Release: r.ToRelease, Verdict: verdictOf(result), Host: string(r.Host), Time: r.Time,
	}, true
}

func switchText(result switcher.Result, failed error) string {
	r := result.Record
	by := fmt.Sprintf("by %s on %s", r.Who, r.Host)
	if r.Reason != "" {
		by += fmt.Sprintf(" (%s)", r.Reason)
	}
	if marked := r.Marked(); marked != "" {
		by += ", " + marked
	}
	if len(r.Overrode) > 0 {
		by += fmt.Sprintf(", over: %s (%s)", strings.Join(r.Overrode, "; "), r.Override)
	}
	if r.Command == switcher.BakeCommand {
		return bakeText(r, failed)
	}
	if failed == nil {
		return fmt.Sprintf("%s: switched from %s to %s%s %s%s", r.Site, r.From, r.To, result.Release.InBrackets(), by, afterText(r))
	}
	text := fmt.Sprintf("%s: the switch %s was %s: %v", r.Site, toWords(r.To)+by, told[result.Outcome], failed)
	var detail *switcher.Error
	if errors.As(failed, &detail) && detail.Traffic != "" {
		text += "; " + detail.Traffic
	}
	return text
}

// ofBake is the event of a bake that was to go back: it did, or somebody has to look.
func ofBake(outcome switcher.Outcome) (event string, ok bool) {
	switch outcome {
	case switcher.Done:
		return "went back", true
	case switcher.Interrupted:
		return "", false
	}
	return "stuck", true
}

// bakeText tells why the color was left, or cannot be.
func bakeText(r statedir.Record, failed error) string {
	text := fmt.Sprintf("%s: %v", r.Site, failed)
	var detail *switcher.Error
	if errors.As(failed, &detail) {
		text += "; " + detail.Traffic
	}
	return text + " (on " + string(r.Host) + ")" + afterText(r)
}

// afterText tells of what should have followed, and did not.
func afterText(r statedir.Record) string {
	if r.After == nil || r.After.Error == "" {
		return ""
	}
	return "; " + string(r.After.Error)
}

// toWords: a file that is not understood has no other color to go to.
func toWords(color switcher.Color) string {
	if color == "" {
		return ""
	}
	return "to " + string(color) + " "
}

// liveAfter is the color with the traffic; empty where that is not known.
func liveAfter(result switcher.Result) switcher.Color {
	switch result.Outcome {
	case switcher.Done:
		return result.Plan.To
	case switcher.Stuck:
		return ""
	}
	return result.Plan.From
}

// verdictOf is what was wrong, or what the target's health was.
func verdictOf(result switcher.Result) statedir.Text {
	if result.Record.Error != "" || len(result.Verdicts) == 0 {
		return result.Record.Error
	}
	return statedir.Text(result.Verdicts[0].String())
}

// ofBlock is the message of a block, or of those that were lifted.
func ofBlock(block *statedir.Block, lifted []statedir.Block) (m Message, ok bool) {
	switch {
	case block != nil:
		return Message{Event: "blocked", Text: switcher.BlockWords(*block), Verdict: statedir.Text(block.Reason), Time: block.Time}, true
	case len(lifted) > 0:
		by, color := lifted[0].Lifted, lifted[0].Color
		return Message{Event: "unblocked", Text: fmt.Sprintf("%s is no longer blocked, by %s on %s", color, by.Who, by.Host), Time: by.Time}, true
	}
	return m, false
}

// ofFinding is the message of what verify found on a host.
func ofFinding(f verify.Finding, host string) Message {
	m := Message{
		Event: f.Event, Text: fmt.Sprintf("BGSWITCH %s - %s: %s (%s)", f.Level, f.Site, f.Text, host), Site: f.Site,
		Level: statedir.Text(f.Level.String()), Live: f.Status.Live, Release: statedir.Text(f.Status.Releases[f.Status.Live].Name), Verdict: statedir.Text(f.Text), Host: host, Time: time.Now().UTC(),
	}
	if f.Switched != nil {
		m.From, m.To = f.Switched.Plan.From, f.Switched.Plan.To
	}
	return m
}
