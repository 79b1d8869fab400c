package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// durations is how one is written, on the command line and in the settings.
const durations = "60 (seconds), 90s or 2m"

var bareNumber = regexp.MustCompile(`^[+-]?\d+(\.\d+)?$`)

// withUnit gives a number its unit where it has none.
func withUnit(text string) string {
	if bareNumber.MatchString(text) {
		return text + "s"
	}
	return text
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(withUnit(text))
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; use %s", text, durations)
	}
	return d, nil
}

// noneNegative refuses flags that say for how long to wait.
func noneNegative(c *cli.Context, flags ...string) error {
	for _, flag := range flags {
		if d := c.Duration(flag); d < 0 {
			return usage("write a DURATION as "+durations, "--%s: %s is not allowed: a time to wait cannot be negative", flag, durationText(d))
		}
	}
	return nil
}

// durationText is a duration as one writes it: 6h, and not 6h0m0s.
func durationText(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
