package main

import (
	"cmp"
	"os"
	"strings"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/release"

	"github.com/urfave/cli/v2"
)

// requestOf is what was typed, as a switch takes it.
func requestOf(c *cli.Context, color switcher.Color) (switcher.Request, error) {
	handover := nginx.Handover(c.String("handover"))
	if handover != nginx.HandoverFast && handover != nginx.HandoverNginx {
		return switcher.Request{}, usage("use `--handover fast` or `--handover nginx`", "there is no handover %q", handover)
	}
	wait, err := waitOf(c)
	if err != nil {
		return switcher.Request{}, err
	}
	if err := noneNegative(c, "wait", "wait-lock", "drain"); err != nil {
		return switcher.Request{}, err
	}
	for _, flag := range []string{"override", "bad"} {
		if c.IsSet(flag) && strings.TrimSpace(c.String(flag)) == "" {
			return switcher.Request{}, usage("say why; the history keeps it", "--%s needs a reason", flag)
		}
	}
	for _, flag := range []string{"expect", "release"} {
		if name, err := release.Name(c.String(flag)); c.String(flag) != "" && (err != nil || name != c.String(flag)) {
			return switcher.Request{}, usage("name a release such as v43", "--%s: %q is not the name of a release", flag, c.String(flag))
		}
	}
	return switcher.Request{
		To:       color,
		Bad:      foreign.Line(c.String("bad")),
		Release:  c.String("release"),
		Expect:   c.String("expect"),
		Override: foreign.Line(c.String("override")),
		Force:    c.Bool("force"),
		Restore:  c.Bool("restore"),
		Reason:   foreign.Line(cmp.Or(c.String("bad"), c.String("reason"))),
		Wait:     wait,
		WaitLock: c.Duration("wait-lock"),
		DryRun:   c.Bool("dry-run"),
		Handover: handover,
		Strict:   c.Bool("strict"),
		Command:  c.Command.Name,
		Who:      who(),
	}, nil
}

// waitVariable says --wait where a rule of sudo's permits no more words: see
// examples/sudoers.d.
const (
	waitVariable = "BGSWITCH_WAIT"
	longestWait  = time.Hour // that it may say
)

func waitOf(c *cli.Context) (time.Duration, error) {
	text := os.Getenv(waitVariable)
	if c.IsSet("wait") || text == "" {
		return c.Duration("wait"), nil
	}
	wait, err := parseDuration(text)
	if err != nil || wait < 0 || wait > longestWait {
		return 0, usage("write it as "+durations+", at most "+durationText(longestWait), "$%s: %q is not allowed", waitVariable, foreign.Excerpt(text))
	}
	return wait, nil
}
