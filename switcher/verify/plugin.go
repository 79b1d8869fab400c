package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
)

// LevelOf is the worst level of several findings.
func LevelOf(findings []Finding) Level {
	worst := OK
	for _, f := range findings {
		worst = Worst(worst, f.Level)
	}
	return worst
}

// Line is the one line of a monitoring plugin: level, text with the worst
// first, performance data.
func Line(findings []Finding) string {
	var texts, data []string
	for _, f := range findings {
		data = append(data, f.performance(len(findings) > 1)...)
	}
	worst := slices.Clone(findings)
	slices.SortStableFunc(worst, func(a, b Finding) int { return b.Level.Compare(a.Level) })
	for _, f := range worst {
		texts = append(texts, foreign.Plugin(f.Site+": "+f.Text))
	}
	return fmt.Sprintf("BGSWITCH %s - %s | %s", LevelOf(findings), strings.Join(texts, "; "), strings.Join(data, " "))
}

// UnknownLine is the line where nothing could be looked at.
func UnknownLine(why error) string {
	return fmt.Sprintf("BGSWITCH %s - %s", Unknown, foreign.Plugin(strings.ReplaceAll(why.Error(), "\n", ";")))
}

// performance is the slowest answer of each color in seconds, or U where it is
// not healthy.
func (f Finding) performance(several bool) []string {
	var data []string
	for _, c := range bothColors {
		name := string(c)
		if several {
			name = f.Site + "." + name
		}
		data = append(data, name+"="+f.latency(c))
	}
	return data
}

func (f Finding) latency(c switcher.Color) string {
	verdicts := f.Status.Colors[c]
	var slowest time.Duration
	for _, v := range verdicts {
		if !v.Healthy {
			return "U"
		}
		slowest = max(slowest, v.Latency)
	}
	if len(verdicts) == 0 {
		return "U"
	}
	return fmt.Sprintf("%.4fs", slowest.Seconds())
}
