package main

import (
	"context"
	"fmt"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
)

func toCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:      "to",
			Category:  kindSwitch,
			Usage:     "switch to a color, and prove it",
			ArgsUsage: "blue|green",
			Description: "Asks the color's health, tests the new configuration before the live file is touched,\n" +
				"replaces the file, reloads nginx, and waits until no worker with the old configuration\n" +
				"accepts any more. Whatever fails from the first changed byte on is rolled back.\n\n" +
				"Refused (exit 7) are a color that is blocked, a release that was fled and, where the\n" +
				"settings have `schema`, a release that cannot live with the database as it is.\n" +
				"--override with a reason passes all of it, once.\n\n" +
				"Ctrl-C, or Ctrl-\\, before the file is replaced changes nothing (exit 130). After that,\n" +
				"the switch is finished or rolled back, also when the terminal goes away. --wait holds no\n" +
				"lock while it waits. --drain is the last step: the switch is done by then, exit 8 says\n" +
				"only that the other color is not drained, and a Ctrl-C ends the waiting alone.\n\n" + ruleHelp + bakeHelp,
			Flags: append(switchFlags(), bakeFlag(),
				&cli.StringFlag{Name: "expect", Usage: "refuse (exit 3) unless the color carries this `RELEASE`, before the switch and after it; the settings have to say how to read it"},
				&cli.StringFlag{Name: "release", Usage: "the `RELEASE` that the color carries, for the history; where the settings say how to read it, it has to be that one", EnvVars: []string{"BGSWITCH_RELEASE"}}),
			Action: to,
		},
		several: true,
		examples: []example{
			{"look first: the diff, and the steps that would follow", "sudo bgswitch to green --dry-run"},
			{"switch, and say why", "sudo bgswitch to green --reason 'release 42'"},
			{"wait up to a minute for green to be healthy", "sudo bgswitch to green --wait 1m"},
			{"watch it for five minutes, and go back by itself if it fails", "sudo bgswitch to green --bake 5m"},
			{"two sites as one: both or none", "sudo bgswitch to green --site shop,api"},
		},
		exits: switchExits(),
	}
}

func backCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:     "back",
			Category: kindSwitch,
			Usage:    "switch to the color that had the traffic before",
			Description: "As `bgswitch to`, to the color that had the traffic before, and the short way: one good\n" +
				"answer of it is enough, whatever `passes` says, and the color that is live is asked\n" +
				"nothing, so that one that hangs holds nobody.\n\n" +
				"It undoes the newest switch once: for ten minutes a second one is refused (exit 7), also\n" +
				"with --override, for two people in one incident, or the arrow-up, would undo it; so is a\n" +
				"first one after a failover. `to` with the color goes there all the same. That it begins\n" +
				"is noted before anything changes: where it was killed, or the history is gone, another\n" +
				"one within these ten minutes stays where that one went. After a `to` that was killed\n" +
				"once it had begun to write, it ends where that one began; a dry run says what would be\n" +
				"put back first.\n\n" +
				"Where somebody has made something of the live file that is not understood, --restore\n" +
				"puts back what was last proved: it is tested, loaded and proved as every switch. What\n" +
				"else was written into the file since goes with it: --dry-run shows the diff. A file in\n" +
				"which another site stands is refused, and whole files need none of this: each color has\n" +
				"its own.",
			Flags: append(switchFlags(),
				&cli.StringFlag{Name: "bad", Usage: "mark the release that is left as bad: nobody goes to it again (exit 7); `WHY` is the reason, too"}),
			Action: back,
		},
		several: true,
		examples: []example{
			{"go back, and say why", "sudo bgswitch back --reason 'green answers 503'"},
			{"mark what is left as bad, so that nobody goes to it again", "sudo bgswitch back --bad 'it loses carts'"},
			{"the live file was broken by hand: put back what was last proved", "sudo bgswitch back --restore"},
		},
		exits: switchExits(),
	}
}

func switchExits() []exit {
	return saying(exitsOf(exitDone, exitFailed, exitUnhealthy, exitNotAccepted, exitBusy, exitBlocked, exitNotDrained, exitRolledBack, exitStuck, exitInterrupted),
		exitNotDrained, "switched, but not drained: something of the other color is open still (--drain)")
}

func switchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "only look, and show what would change"},
		&cli.BoolFlag{Name: "force", Usage: "do not ask the target's health, and go on where before fails (nginx's test and confirm are never skipped)"},
		&cli.BoolFlag{Name: "restore", Usage: "put the live file back as it was when that color was last proved, whatever has become of it"},
		&cli.StringFlag{Name: "reason", Usage: "`TEXT` for the history", EnvVars: []string{"BGSWITCH_REASON"}},
		&cli.StringFlag{Name: "override", Usage: "go there this once, whatever speaks against that color (exit 7); `WHY` is recorded"},
		&cli.DurationFlag{Name: "wait", Usage: "keep asking the target for this `DURATION` (60, 90s or 2m) (or $" + waitVariable + ")"},
		&cli.DurationFlag{Name: "wait-lock", Usage: "wait this `DURATION` (60, 90s or 2m) for another bgswitch"},
		&cli.DurationFlag{Name: "drain", Usage: "when it is done, wait for this `DURATION` (60, 90s or 2m) until nothing of the other color is open"},
		&cli.StringFlag{Name: "handover", Value: string(nginx.HandoverFast), Usage: "`WHO` ends the old workers: fast (bgswitch, at once) or nginx (100 ms later)"},
	}
}

func to(c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usage(hintColors(c), "to needs one color")
	}
	color, err := nginxconf.ParseColor(c.Args().First())
	if err != nil {
		return usage(hintColors(c), "there is no color %q", c.Args().First())
	}
	return switchTo(c, color)
}

func back(c *cli.Context) error {
	if c.Args().Len() != 0 {
		return usage(hintColors(c), "back takes no color")
	}
	return switchTo(c, "")
}

func hintColors(c *cli.Context) string {
	return fmt.Sprintf("`%s` or `%s`", typedOf(c).Command("to", "blue"), typedOf(c).Command("to", "green"))
}

// switching is what switches one site, or several as one.
type switching struct {
	settings
	of    []*switcher.Switcher
	typed switcher.Typed // leads to all of them
	bake  *switcher.Bake // nil: nothing bakes
}

func switchingOf(c *cli.Context, t *terminal) (s switching, err error) {
	if s.settings, err = setup(c, t); err != nil {
		return s, err
	}
	sites, err := s.together(c.String("site"))
	if err != nil {
		return s, err
	}
	if s.typed = s.typedFor(sites[0]); len(sites) > 1 {
		s.typed = s.settings.typed
		if c.Duration("drain") > 0 {
			return s, usage(fmt.Sprintf("wait for each of them afterwards: `%s`", s.typedFor(sites[0]).Command("drain", "--wait", "60s")), "--drain waits for one site, but --site names several")
		}
	}
	if s.bake, err = bakeOf(c, s, sites); err != nil {
		return s, err
	}
	for _, site := range sites {
		s.of = append(s.of, s.switcherFor(site, t))
	}
	return s, nil
}

func (s switching) run(ctx context.Context, request switcher.Request) ([]switcher.Result, error) {
	results, err := switcher.Together(ctx, s.typed, s.of, request)
	for i := range results {
		if r := &results[i]; ctx.Err() != nil && touched[r.Outcome] {
			r.Notes = append(r.Notes, "interrupted after the file was replaced: "+finished(r.Outcome))
		}
	}
	return results, err
}

func switchTo(c *cli.Context, color switcher.Color) error {
	t := terminalOf(c)
	request, err := requestOf(c, color)
	if err != nil {
		return err
	}
	s, err := switchingOf(c, t)
	if err != nil {
		return err
	}
	if request.Restore {
		if err := s.restorable(request.DryRun); err != nil {
			return err
		}
	}
	request.Bake = s.bake
	results, err := s.run(c.Context, request)
	first := &results[0]
	drains := c.Duration("drain") > 0 && err == nil
	if drains && request.DryRun {
		first.Steps = append(first.Steps, "wait until nothing of "+string(first.Plan.To.Other())+" is open")
	}
	goesOn := (drains || first.Baker != nil) && !request.DryRun
	if !t.json || !goesOn {
		t.showSwitches(results, err)
	}
	code := codeOf(first.Outcome)
	if err != nil {
		code = t.exit(err)
	}
	if request.DryRun {
		return exitCode(code)
	}
	// People are told when the one who typed knows.
	for _, result := range results {
		s.teller(t).Switched(result, err)
	}
	if goesOn {
		code = t.goOn(c, s, *first, drains)
	}
	return exitCode(code)
}

// goOn is what follows a switch that is done: its bake, and then the wait for the
// color that was left, where that is to be stopped still.
func (t *terminal) goOn(c *cli.Context, s switching, result switcher.Result, drains bool) int {
	after := aftermath{}
	if result.Baker != nil {
		after.bake = t.bakes(c.Context, result.Baker)
		result.Record = after.bake.Record
		if after.bake.Return != nil {
			s.teller(t).Switched(*after.bake.Return, after.bake.Err)
		}
		after.undrained = drains && after.bake.Err == nil && after.bake.Record.Bake.Outcome != statedir.BakePassed
		drains = drains && after.bake.Record.Bake.Outcome == statedir.BakePassed
	}
	if drains {
		d := t.drain(c, s.of[0], result.Plan.To.Other(), c.Duration("drain"))
		after.drain = &d
	}
	return t.showAfter(result, after)
}

// aftermath is what came after a switch; nil: nothing did.
type aftermath struct {
	bake  *switcher.Baked
	drain *drained

	undrained bool // the bake did not come to its end, and so nobody waited
}

// showAfter: a switch that is done stays so, whatever came of the wait: its exit code
// is that of a drain that has no answer, or that answer no.
func (t *terminal) showAfter(result switcher.Result, after aftermath) int {
	if t.json {
		t.showObject(switchObjectOf(result, nil, after))
	}
	if after.bake != nil && !t.json {
		t.showBaked(*after.bake)
	}
	if after.drain != nil && !t.json {
		t.showDrained(*after.drain)
	}
	switch {
	case after.bake != nil && after.bake.Err != nil:
		return t.exit(after.bake.Err)
	case after.drain != nil && after.drain.err != nil:
		t.exit(after.drain.err)
		return exitNotDrained
	case after.undrained:
		t.say("not drained: the bake did not finish; do not stop the other color yet")
		return exitNotDrained
	}
	return exitDone
}

// touched are the outcomes of a switch that had begun to change something.
var touched = map[switcher.Outcome]bool{switcher.Done: true, switcher.RolledBack: true, switcher.Stuck: true}

func finished(outcome switcher.Outcome) string {
	if outcome == switcher.Done {
		return "the switch was finished"
	}
	return "the switch was " + string(outcome)
}
