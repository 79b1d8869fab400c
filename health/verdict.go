package health

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verdict is what came of asking one backend. It is fit to be shown: one line
// of printable text, without header values and without user names or
// passwords of URLs.
type Verdict struct {
	Backend  string // its name, as nginx writes it
	Healthy  bool
	Attempts int           // made, good and bad ones; 0: nothing could be asked
	Took     time.Duration // from the first attempt to the last answer, pauses included
	Latency  time.Duration // of the last attempt alone
	Asked    string        // such as GET http://127.0.0.1:3002/healthz
	Reason   string        // the last answer in words

	Exchanges []Exchange // the attempts, where they were taken down: the newest of them
}

// String is the verdict on one line.
func (v Verdict) String() string {
	word := "unhealthy"
	if v.Healthy {
		word = "healthy"
	}
	return fmt.Sprintf("%s%s: %s: %s", word, v.effort(), v.Asked, v.Reason)
}

func (v Verdict) effort() string {
	switch v.Attempts {
	case 0:
		return ""
	case 1:
		return " after 1 attempt in " + Short(v.Took)
	}
	return fmt.Sprintf(" after %d attempts in %s", v.Attempts, Short(v.Took))
}

// Healthy tells whether there are verdicts, and all of them are good.
func Healthy(verdicts []Verdict) bool {
	return len(verdicts) > 0 && !slices.ContainsFunc(verdicts, func(v Verdict) bool { return !v.Healthy })
}

// Short is a duration as people say it: 0.03ms, 1.2ms, 0.6s, 2s, 1m30s, 5m.
func Short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Short(-d)
	case d < time.Millisecond:
		return decimals(d, time.Millisecond, 2) + "ms"
	case d < 100*time.Millisecond:
		return decimals(d, time.Millisecond, 1) + "ms"
	case d < 10*time.Second:
		return decimals(d, time.Second, 2) + "s"
	case d < time.Minute:
		return decimals(d, time.Second, 1) + "s"
	}
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		return strings.TrimSuffix(text, "0s")
	}
	return text
}

func decimals(d, unit time.Duration, places int) string {
	text := strconv.FormatFloat(float64(d)/float64(unit), 'f', places, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
