package main

import (
	"errors"
	"strings"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"

	"github.com/urfave/cli/v2"
)

func checkCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:      "check",
			Category:  kindLook,
			Usage:     "ask a color now, as a switch would, and show every question and answer",
			ArgsUsage: "[blue|green]",
			Description: "Asks every backend of a color, or of both, as `bgswitch to` would: the same question, as\n" +
				"many attempts, as many good answers. Shows what was sent, what came, and why that was\n" +
				"good or bad. It changes nothing, needs no rights, and neither the live file nor an nginx\n" +
				"that runs.\n\n" +
				"Headers of yours, and what may be a key in a URL, are sent and shown as xxxxx. Of an\n" +
				"answer the first 4 KiB of headers and 1 KiB of the body are shown, of a backend the last\n" +
				"20 attempts.",
			Action: check,
		},
		several: true,
		examples: []example{
			{"why was green refused?", "bgswitch check green"},
			{"both colors", "bgswitch check"},
		},
		exits: saying(saying(saying(exitsOf(exitDone, exitFailed, exitUnhealthy, exitInterrupted),
			exitDone, "every backend that was asked is healthy"),
			exitFailed, "there was nobody to ask; wrong usage; unreadable settings"),
			exitUnhealthy, "a backend is not healthy"),
	}
}

// checked is what came of asking the colors of a site.
type checked struct {
	site     string
	colors   []switcher.Color // that were asked
	verdicts map[switcher.Color][]health.Verdict
}

func check(c *cli.Context) error {
	t := terminalOf(c)
	colors, err := colorsOf(c)
	if err != nil {
		return err
	}
	s, err := setup(c, t)
	if err != nil {
		return err
	}
	sites, err := s.chosen(c.String("site"))
	if err != nil {
		return err
	}
	n := len(colors)
	verdicts := make([][]health.Verdict, len(sites)*n)
	inParallel(siteLimit, len(verdicts), func(i int) {
		asking := s.switcherFor(sites[i/n], t)
		asking.Asker.Transcribe = true
		verdicts[i] = asking.Check(c.Context, colors[i%n])
	})
	if c.Context.Err() != nil {
		return &switcher.Error{Outcome: switcher.Interrupted, Step: "ask for health", Err: errors.New("interrupted")}
	}
	all := make([]checked, len(sites))
	for i, site := range sites {
		all[i] = checked{site.Name, colors, map[switcher.Color][]health.Verdict{}}
		for j, color := range colors {
			all[i].verdicts[color] = verdicts[i*n+j]
		}
	}
	return t.showChecked(all)
}

// colorsOf are the one that is named, or both.
func colorsOf(c *cli.Context) ([]switcher.Color, error) {
	if c.Args().Len() == 0 {
		return []switcher.Color{switcher.Blue, switcher.Green}, nil
	}
	color, err := nginxconf.ParseColor(c.Args().First())
	if c.Args().Len() > 1 || err != nil {
		return nil, usage("`"+typedOf(c).Command("check", "green")+"` asks green, `"+typedOf(c).Command("check")+"` both",
			"check takes one color or none, not %q", strings.Join(c.Args().Slice(), " "))
	}
	return []switcher.Color{color}, nil
}

func (t *terminal) showChecked(all []checked) error {
	o := checkObject{Schema: schema, Sites: []checkedObject{}}
	var verdicts []health.Verdict
	for i, c := range all {
		for _, color := range c.colors {
			verdicts = append(verdicts, c.verdicts[color]...)
		}
		o.Sites = append(o.Sites, checkedObjectOf(c))
		if i > 0 {
			t.result("")
		}
		t.showSite(c)
	}
	o.Healthy = healthOf(verdicts)
	if t.json {
		if err := t.object(o); err != nil {
			return err
		}
	}
	switch {
	case o.Healthy == nil:
		return exitCode(exitFailed)
	case !*o.Healthy:
		return exitCode(exitUnhealthy)
	}
	return nil
}
