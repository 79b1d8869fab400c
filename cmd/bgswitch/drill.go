package main

import (
	"errors"
	"fmt"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
)

// started is when this program was: a way back begins with Enter.
var started = time.Now()

func drillCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:     "drill",
			Category: kindSwitch,
			Usage:    "practice: switch to the other color and back, and measure both",
			Description: "Switches to the other color and back, under requests of its own to the url of confirm,\n" +
				"which has to be set, and reports how long each way took, when the color that was left\n" +
				"gave its last answer, how many requests failed, and how long the way back takes from\n" +
				"Enter.\n\n" +
				"Visitors are on the other color meanwhile, and before and after run. Both colors have to\n" +
				"be healthy, and nothing may speak against either; nobody else switches while it lasts.\n" +
				"It asks first; --yes, or --live in production, answers. Ctrl-C shortens the stay.\n\n" +
				"It is recorded as a drill: no release is fled, and a later back is not held up. If the\n" +
				"way there fails, it is rolled back as every switch; if the other color has to keep the\n" +
				"traffic, that is exit 11. After one that was killed, `back` ends where it began.\n" +
				"`status` and `verify` say when the last one was.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "yes", Usage: "do not ask"},
				&cli.BoolFlag{Name: "live", Usage: "do not ask: this is production, and I mean it (recorded)"},
				&cli.IntFlag{Name: "rate", Value: switcher.DrillRate, Usage: "`N` requests a second"},
				&cli.DurationFlag{Name: "stay", Value: switcher.DrillStay, Usage: "leave the traffic with the other color for this `DURATION` (60, 90s or 2m)"},
				&cli.StringFlag{Name: "reason", Usage: "`TEXT` for the history", EnvVars: []string{"BGSWITCH_REASON"}},
				&cli.DurationFlag{Name: "wait-lock", Usage: "wait this `DURATION` (60, 90s or 2m) for another bgswitch"},
			},
			Action: drill,
		},
		examples: []example{
			{"there and back, in staging", "sudo bgswitch drill --yes"},
			{"in production, with more traffic of its own", "sudo bgswitch drill --live --rate 200 --stay 5s"},
		},
		exits: exitsOf(exitDone, exitFailed, exitUnhealthy, exitNotAccepted, exitBusy, exitDrift, exitBlocked, exitRolledBack, exitStuck, exitInterrupted),
	}
}

func drill(c *cli.Context) error {
	t := terminalOf(c)
	if c.Args().Len() != 0 {
		return usage("`"+typedOf(c).Command("drill")+"` goes to the color that is idle", "drill takes no argument")
	}
	request := switcher.DrillRequest{
		Rate: c.Int("rate"), Stay: c.Duration("stay"), Live: c.Bool("live"), Reason: foreign.Line(c.String("reason")),
		WaitLock: c.Duration("wait-lock"), Strict: c.Bool("strict"), Who: who(), Handover: nginx.HandoverFast,
	}
	if err := request.Validate(); err != nil {
		return usage("the defaults are `--rate 50 --stay 2s`", "%v", err)
	}
	s, site, err := setupSite(c, t)
	if err != nil {
		return err
	}
	request.Started = time.Since(started)
	if !c.Bool("yes") && !c.Bool("live") {
		if err := t.agreed(c, site.Name); err != nil {
			return err
		}
	}
	d, err := s.switcherFor(site, t).Drill(c.Context, request)
	if t.json {
		t.showObject(drillObjectOf(d, err))
	} else {
		t.showDrill(d, err)
	}
	code := exitDone
	if err != nil {
		code = t.exit(err)
		if n := len(d.Legs); n > 0 {
			s.teller(t).Switched(d.Legs[n-1], err)
		}
	}
	return exitCode(code)
}

// agreed asks on the terminal.
func (t *terminal) agreed(c *cli.Context, site string) error {
	yes := usage(fmt.Sprintf("`%s` does not ask; in production, type `%s`", typedOf(c).Again("--yes"), typedOf(c).Again("--live")),
		"a drill switches %s there and back, and nobody has confirmed that", site)
	if !t.canAsk() {
		return yes
	}
	said, err := t.answer(c, "begin the drill", "visitors of "+site+" will be on the other color for a moment. Continue? [y/N]")
	if err != nil || isYes(said) {
		return err
	}
	return yes
}

func (t *terminal) showDrill(d switcher.Drilled, err error) {
	for _, note := range drillObjectOf(d, err).Notes {
		t.say(note)
	}
	if d.There == nil {
		return
	}
	t.showLeg("there", d.From, d.To, *d.There)
	if d.Back != nil {
		t.showLeg("back", d.To, d.From, *d.Back)
	}
	failed := "none failed"
	if d.Failed > 0 {
		failed = fmt.Sprintf("%d FAILED, the first: %s", d.Failed, d.FirstFailure)
	}
	t.line("asked", fmt.Sprintf("%s, %d a second: %s", switcher.Counted(d.Requests, "request"), d.Rate, failed))
	if err == nil {
		t.result("%s is live again: the way back takes %s from Enter (proved by %s)", t.color(d.From), shortMS(*d.WayBackMS), d.Back.Proof)
	}
}

func (t *terminal) showLeg(name string, from, to switcher.Color, leg statedir.Leg) {
	words := fmt.Sprintf("%s to %s: %s in %s", from, to, leg.Outcome, shortMS(leg.TookMS))
	if leg.CutOverMS != nil {
		words += ", cut over in " + shortMS(*leg.CutOverMS)
	}
	if leg.LastOldMS != nil {
		words += fmt.Sprintf(", last answer of %s after %s", from, shortMS(*leg.LastOldMS))
	}
	if leg.Late > 0 {
		words += fmt.Sprintf(", %d of them LATE", leg.Late)
	}
	if leg.Proof != "" {
		words += ", proved by " + string(leg.Proof)
	}
	t.line(name, words)
}

// drillObject is what `drill` prints with --json.
type drillObject struct {
	Schema  int            `json:"schema"`
	Site    string         `json:"site"`
	Drill   statedir.Drill `json:"drill"`
	Notes   []string       `json:"notes"`
	Traffic statedir.Text  `json:"traffic"`
	Hint    statedir.Text  `json:"hint"`
}

func drillObjectOf(d switcher.Drilled, err error) drillObject {
	o := drillObject{Schema: schema, Site: d.Site, Drill: d.Drill, Notes: []string{}}
	for _, r := range d.Legs {
		o.Notes = append(o.Notes, r.Notes...)
	}
	o.Notes = append(o.Notes, d.Notes...)
	if failed := (*switcher.Error)(nil); errors.As(err, &failed) {
		o.Traffic, o.Hint = statedir.Text(failed.Traffic), statedir.Text(failed.Hint)
	}
	return o
}

func (t *terminal) showDrills(d *switcher.Drills) {
	if d != nil {
		t.line("drill", d.String())
	}
}

// drillsObject is what a status says of them.
type drillsObject struct {
	Last  *statedir.Drill `json:"last"`
	Cut   *statedir.Drill `json:"cut"`
	Error statedir.Text   `json:"error"`
}

func drillsObjectOf(d *switcher.Drills) *drillsObject {
	if d == nil {
		return nil
	}
	return &drillsObject{d.Last, d.Cut, errorText(d.Err)}
}
