package main

import (
	"errors"
	"strings"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
)

func blockCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:      "block",
			Category:  kindSwitch,
			Usage:     "let nobody go to a color, and say why",
			ArgsUsage: "blue|green --reason WHY",
			Description: "From now on whatever would go to the color is refused (exit 7) with the reason, who\n" +
				"gave it, and when: to, back, a bake that goes back, verify's failover. For the\n" +
				"day on which the database has moved on, and the old release cannot live with it.\n\n" +
				"`bgswitch unblock blue` lifts it, and --override with a reason passes it once. The\n" +
				"live color may be blocked: that is for when it is left. A switch that has begun is\n" +
				"not stopped. Several blocks of a color hold side by side.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "reason", Usage: "`WHY`, for whoever is refused", EnvVars: []string{"BGSWITCH_REASON"}},
				&cli.StringFlag{Name: "until", Usage: "it ends by itself: after a duration as 90m or 2h, or at a `TIME` with its zone, as 2026-11-24T09:00+01:00 or 2026-11-24T08:00Z"},
			},
			Action: blockColor,
		},
		several: true,
		examples: []example{
			{"the old release cannot live with the database any more", "sudo bgswitch block blue --reason 'v43 dropped users.legacy_email'"},
			{"only for two hours", "sudo bgswitch block green --reason 'its disk is being moved' --until 2h"},
		},
		exits: exitsOf(exitDone, exitFailed),
	}
}

func unblockCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:        "unblock",
			Category:    kindSwitch,
			Usage:       "lift all blocks of a color",
			ArgsUsage:   "blue|green",
			Description: "Lifts every block of the color, and says which there were. The history keeps them.",
			Action:      unblockColor,
		},
		several:  true,
		examples: []example{{"blue carries another release now", "sudo bgswitch unblock blue"}},
		exits:    exitsOf(exitDone, exitFailed),
	}
}

func blockColor(c *cli.Context) error {
	until, err := untilOf(c.String("until"), time.Now())
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(c.String("reason"))
	switch {
	case reason == "":
		return usage("say why, for whoever is refused: --reason 'v43 dropped users.legacy_email'", "block needs a reason")
	case len(reason) > statedir.ReasonLimit:
		return usage("use fewer words", "--reason is longer than %d bytes", statedir.ReasonLimit)
	}
	return blocking(c, func(s *switcher.Switcher, o *blockedObject) error {
		b, err := s.Block(c.Context, o.Color, reason, until, signature())
		if err == nil {
			o.Block = &b
		}
		return err
	})
}

func unblockColor(c *cli.Context) error {
	return blocking(c, func(s *switcher.Switcher, o *blockedObject) (err error) {
		o.Lifted, err = s.Unblock(c.Context, o.Color, signature())
		return err
	})
}

// blocking does it at each of the sites, and says of each what came of it.
func blocking(c *cli.Context, do func(*switcher.Switcher, *blockedObject) error) error {
	t := terminalOf(c)
	color, err := nginxconf.ParseColor(c.Args().First())
	if err != nil || c.Args().Len() != 1 {
		whole := []string{c.Command.Name, "blue"}
		if c.Command.Name == "block" {
			whole = append(whole, "--reason", "say why")
		}
		return usage("`"+typedOf(c).Command(whole...)+"`", "%s needs blue or green, not %q", c.Command.Name, strings.Join(c.Args().Slice(), " "))
	}
	s, err := switchingOf(c, t)
	if err != nil {
		return err
	}
	o, code := blocksObject{Schema: schema}, exitDone
	for _, site := range s.of {
		b := blockedObject{Site: site.Site.Name, Color: color}
		err := do(site, &b)
		if b.Live = site.LiveColor(); err != nil { // by now: a switch that had begun may have ended
			b.Error, b.Hint = whyOf(err)
			code = t.exit(err)
		} else {
			t.showBlocked(site, b, len(s.of) > 1)
			s.teller(t).Blocked(b.Site, b.Live, b.Block, b.Lifted)
		}
		o.Sites = append(o.Sites, b)
	}
	if t.json {
		t.showObject(o)
	}
	return exitCode(code)
}

func whyOf(err error) (why, hint statedir.Text) {
	var failed *switcher.Error
	if errors.As(err, &failed) {
		hint = statedir.Text(failed.Hint)
	}
	return errorText(err), hint
}

func signature() statedir.Signature {
	return statedir.Signature{Who: statedir.Text(who()), Host: statedir.Text(hostname()), Time: time.Now().UTC()}
}

// showBlocked is one site's; where there are several, it is named.
func (t *terminal) showBlocked(s *switcher.Switcher, b blockedObject, named bool) {
	site := ""
	if named {
		site = b.Site + ": "
	}
	if b.Block == nil {
		for _, lifted := range b.Lifted {
			t.result("%s%s is no longer blocked; it was blocked by %s", site, b.Color, switcher.GivenWords(lifted))
		}
		if len(b.Lifted) == 0 {
			t.result("%s%s is not blocked", site, b.Color)
		}
		return
	}
	t.result("%s%s", site, switcher.BlockWords(*b.Block))
	if b.Live == b.Color {
		t.result("%s%s is live, and stays live; once it is left, nobody can go back to it", site, b.Color)
	}
	if holder, held, err := s.Holder(); held && err == nil {
		t.say(site + "another bgswitch is at work (" + holder.String() + "); a switch that has begun is not stopped")
	}
}

// showBlocks are the lines of a status.
func (t *terminal) showBlocks(st switcher.Status) {
	for _, b := range st.Blocks {
		t.line("block", switcher.BlockWords(b))
	}
	if st.Unread != nil {
		t.line("block", "unknown: "+st.Unread.Error())
	}
}

// blocksObject is what `block` and `unblock` print with --json.
type blocksObject struct {
	Schema int             `json:"schema"`
	Sites  []blockedObject `json:"sites"`
}

type blockedObject struct {
	Site   string           `json:"site"`
	Color  switcher.Color   `json:"color"`
	Live   switcher.Color   `json:"live"`
	Block  *statedir.Block  `json:"block"`
	Lifted []statedir.Block `json:"lifted"`
	Error  statedir.Text    `json:"error"`
	Hint   statedir.Text    `json:"hint"`
}

// untilOf is when a block ends: after a duration, or at a time with its zone. The
// zero time: never.
func untilOf(text string, now time.Time) (until time.Time, err error) {
	if text == "" {
		return until, nil
	}
	if lasts, err := time.ParseDuration(text); err == nil { // a number alone may be an hour of the day
		until = now.Add(lasts).Truncate(time.Second)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			until = at
		}
	}
	switch {
	case until.IsZero():
		return until, usage("use --until 2h, or --until 2026-11-24T09:00+01:00", "--until: %q is neither a duration nor a time with its zone", text)
	case !until.After(now):
		return until, usage("give a time in the future, or leave it out", "--until: %s has already passed", moment.Text(until))
	}
	return until, nil
}
