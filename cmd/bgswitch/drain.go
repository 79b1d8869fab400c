package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
)

func drainCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:      "drain",
			Category:  kindSwitch,
			Usage:     "whether the idle color may be stopped, or what is still open of it",
			ArgsUsage: "[blue|green]",
			Description: "Connections that were opened before a switch stay with it, in old workers of nginx. This\n" +
				"looks for those that still finish their connections, for what color each of them passes\n" +
				"to, and for their connections to the idle color. Name the color where it is stopped\n" +
				"next: where somebody has gone back meanwhile it is live, and the answer is 8. It changes\n" +
				"nothing.\n\n" +
				"Exits 0 when no old worker is left that may pass to the color, and none has a connection\n" +
				"to it. What an old worker passes to is known from the history; where it is not, the\n" +
				"worker counts. One counts without a connection, too: something that was opened before\n" +
				"the switch may still be asked on it. Connections of new workers (a preview), of health\n" +
				"checks and of others never count.\n\n" +
				"Only root sees whose connections are whose, unless nginx runs as you do; else the\n" +
				"workers decide alone, and it says so. Where nginx itself cannot be seen, nothing is\n" +
				"known, which is exit 1, never 0. nginx's `worker_shutdown_timeout` bounds how long old\n" +
				"workers may take. On a terminal one line shows what is open while it waits, elsewhere\n" +
				"there is a line for each change.",
			Flags:  []cli.Flag{&cli.DurationFlag{Name: "wait", Usage: "wait until nothing is open, for this `DURATION` (60, 90s or 2m)"}},
			Action: drain,
		},
		examples: []example{
			{"may the idle color be stopped?", "sudo bgswitch drain"},
			{"wait for blue, and stop it", "sudo bgswitch drain blue --wait 60s && docker stop app-blue"},
		},
		exits: saying(saying(exitsOf(exitDone, exitFailed, exitNotAccepted, exitBusy, exitDrift, exitNotDrained, exitInterrupted),
			exitDone, "nothing keeps the color from being stopped"),
			exitNotAccepted, "the file is not understood"),
	}
}

func drain(c *cli.Context) error {
	t := terminalOf(c)
	var color switcher.Color
	if c.Args().Len() > 0 {
		var err error
		if color, err = nginxconf.ParseColor(c.Args().First()); err != nil || c.Args().Len() > 1 {
			return usage(hintDrain(c), "drain takes one color or none, not %q", strings.Join(c.Args().Slice(), " "))
		}
	}
	if err := noneNegative(c, "wait"); err != nil {
		return err
	}
	s, site, err := setupSite(c, t)
	if err != nil {
		return err
	}
	d := t.drain(c, s.switcherFor(site, t), color, c.Duration("wait"))
	if !t.json {
		t.showDrained(d)
	} else if err := t.object(drainObject{schema, site.Name, drainedObjectOf(d)}); err != nil {
		return err
	}
	return d.err
}

func hintDrain(c *cli.Context) string {
	return "`" + typedOf(c).Command("drain", "blue") + "` tells whether blue may be stopped, `" + typedOf(c).Command("drain") + "` whether the idle color may"
}

// drained is what came of looking, or of waiting.
type drained struct {
	switcher.Drain
	waited time.Duration
	err    error // why the color may not be stopped; an *Error
}

// drain waits, and tells what for.
func (t *terminal) drain(c *cli.Context, s *switcher.Switcher, color switcher.Color, wait time.Duration) drained {
	began, telling := time.Now(), t.progress()
	open, err := s.Drain(c.Context, color, wait, func(open switcher.Drain, left time.Duration) {
		telling.tell(fmt.Sprintf("%s is not drained: %s", open.Color, open), fmt.Sprintf("%s, %s left", ageWords(open.Oldest()), left.Round(time.Second)))
	})
	telling.end()
	return drained{open, time.Since(began), err}
}

// ageWords is how old the oldest is.
func ageWords(since time.Time) string {
	if since.IsZero() {
		return "for an unknown time"
	}
	return "the oldest was told to end " + switcher.Ago(time.Since(since))
}

func (t *terminal) showDrained(d drained) {
	for _, note := range d.Notes {
		t.say(note)
	}
	if d.Unread != nil && len(d.Workers) > 0 {
		t.say(fmt.Sprintf("judging by the workers alone, because their connections are unknown: %v", d.Unread))
	}
	if d.err == nil {
		t.result("%s may be stopped: no old worker of nginx passes to it any more%s", t.color(d.Color), waitedWords(d.waited))
	}
	if d.err == nil || len(d.Keeping()) > 0 {
		t.showOpen(d.Drain)
	}
}

func waitedWords(waited time.Duration) string {
	if waited < 100*time.Millisecond {
		return ""
	}
	return " (after " + health.Short(waited) + ")"
}

// showOpen lists the old workers and, where anything keeps the color, its servers.
func (t *terminal) showOpen(d switcher.Drain) {
	for _, w := range d.Workers {
		t.result("  worker %d %s", w.PID, t.oldWords(d, w))
	}
	if d.Drained() {
		return
	}
	for _, b := range d.Backends {
		t.result("  %s%s%-24s %s of old workers", t.color(d.Color), strings.Repeat(" ", 9-len(d.Color)), b.Name, switcher.Counted(b.Connections, "connection"))
	}
}

func (t *terminal) oldWords(d switcher.Drain, w switcher.OldWorker) ink {
	words := inked("passes to an unknown color")
	if w.Color != "" {
		words = inked("passes to %s", t.color(w.Color))
	}
	if w.Since.IsZero() {
		words += inked(", started %s", switcher.Ago(time.Since(w.Started())))
	} else {
		words += inked(", told to end %s by the switch at %s", switcher.Ago(time.Since(w.Since)), moment.Text(w.Since))
	}
	if d.Unread == nil {
		words += inked(", %s to %s", switcher.Counted(w.Connections, "connection"), t.color(d.Color))
	}
	return words
}

// drainObject is what `drain` prints with --json.
type drainObject struct {
	Schema int           `json:"schema"`
	Site   string        `json:"site"`
	Drain  drainedObject `json:"drain"`
}

// drainedObject is what is open of a color.
type drainedObject struct {
	Color       switcher.Color    `json:"color"`
	Drained     bool              `json:"drained"`
	WaitedMS    float64           `json:"waited_ms"`
	Connections *int              `json:"connections"`
	Workers     []oldWorkerObject `json:"workers"`
	Backends    []openObject      `json:"backends"`
	Unknown     statedir.Text     `json:"unknown"`
	Notes       []string          `json:"notes"`
	Error       statedir.Text     `json:"error"`
	Hint        statedir.Text     `json:"hint"`
}

type oldWorkerObject struct {
	PID         int             `json:"pid"`
	Color       switcher.Color  `json:"color"`
	Keeps       bool            `json:"keeps"`
	Started     time.Time       `json:"started"`
	Since       statedir.Moment `json:"since"`
	Connections *int            `json:"connections"`
}

type openObject struct {
	Backend     string `json:"backend"`
	Connections int    `json:"connections"`
}

func drainedObjectOf(d drained) drainedObject {
	o := drainedObject{
		Color: d.Color, Drained: d.err == nil && d.Drained(), WaitedMS: float64(d.waited.Microseconds()) / 1000,
		Workers: []oldWorkerObject{}, Backends: []openObject{}, Unknown: errorText(d.Unread), Notes: append([]string{}, d.Notes...), Error: errorText(d.err),
	}
	var failed *switcher.Error
	if errors.As(d.err, &failed) {
		o.Hint = statedir.Text(failed.Hint)
	}
	if d.Unread == nil && (d.err == nil || len(d.Workers) > 0) {
		n := d.Connections()
		o.Connections = &n
	}
	for _, w := range d.Workers {
		one := oldWorkerObject{PID: w.PID, Color: w.Color, Keeps: w.Keeps(d.Color), Started: w.Started(), Since: statedir.Moment{Time: w.Since}}
		if d.Unread == nil {
			one.Connections = &w.Connections
		}
		o.Workers = append(o.Workers, one)
	}
	for _, b := range d.Backends {
		o.Backends = append(o.Backends, openObject{b.Name, b.Connections})
	}
	return o
}
