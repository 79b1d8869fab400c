package verify

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
)

// Metrics are the findings of a run in Prometheus' text format (exposition
// format 0.0.4), for the node exporter's text file folder. What could not be
// found out has no sample.
func Metrics(findings []Finding, now time.Time) []byte {
	var b metrics
	b.current(findings)
	b.backends(findings)
	b.history(findings)
	b.family("bgswitch_verified_time_seconds", "gauge", "When this was last found out, in Unix time.")
	b.sites(findings, func(Finding) (float64, bool) { return seconds(now), true })
	return b.Bytes()
}

func (b *metrics) current(findings []Finding) {
	b.family("bgswitch_live", "gauge", "Whether the color is live by the file.")
	b.colors(findings, func(f Finding, c switcher.Color) (float64, bool) {
		return truth(f.Status.Live == c), f.Status.Live != ""
	})
	b.family("bgswitch_healthy", "gauge", "Whether every backend of the color is healthy, by rise and fall.")
	b.colors(findings, func(f Finding, c switcher.Color) (float64, bool) {
		streak, known := f.Memory.Streaks[string(c)]
		return truth(streak.Up), known
	})
	b.family("bgswitch_way_back_open", "gauge", "Whether one could switch to the idle color now.")
	b.sites(findings, func(f Finding) (float64, bool) { return truth(f.WayOpen != nil && *f.WayOpen), f.WayOpen != nil })
	b.family("bgswitch_drift", "gauge", "In how many ways file, nginx and traffic do not agree.")
	b.sites(findings, func(f Finding) (float64, bool) { return float64(len(f.Status.Drift)), f.Status.Live != "" })
	b.family("bgswitch_draining_workers", "gauge", "Old workers of nginx that still finish connections.")
	b.sites(findings, func(f Finding) (float64, bool) {
		running := f.Status.Running
		return float64(len(running.Workers.Draining)), running.Err == nil && running.Workers.Master != 0
	})
	b.family("bgswitch_release_info", "gauge", "What the color carries: always 1.")
	for _, f := range findings {
		for _, c := range bothColors {
			if name := f.Status.Releases[c].Name; name != "" {
				b.sample(1, "site", f.Site, "color", string(c), "release", name)
			}
		}
	}
	b.family("bgswitch_level", "gauge", "What was found: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.")
	b.sites(findings, func(f Finding) (float64, bool) { return float64(f.Level), true })
}

func (b *metrics) history(findings []Finding) {
	b.family("bgswitch_last_switch_time_seconds", "gauge", "When the last switch that was done was begun, in Unix time.")
	b.sites(findings, func(f Finding) (float64, bool) {
		return seconds(f.Memory.Totals.Switched.Time), !f.Memory.Totals.Switched.IsZero()
	})
	b.family("bgswitch_switches_total", "counter", "Switches that were done.")
	b.sites(findings, func(f Finding) (float64, bool) { return float64(f.Memory.Totals.Switches), true })
	b.family("bgswitch_roll_backs_total", "counter", "Switches that were rolled back.")
	b.sites(findings, func(f Finding) (float64, bool) { return float64(f.Memory.Totals.RollBacks), true })
	b.family("bgswitch_failovers_total", "counter", "Switches that verify made by itself.")
	b.sites(findings, func(f Finding) (float64, bool) { return float64(f.Memory.Totals.Failovers), true })
}

// metrics writes families of samples, one after the other.
type metrics struct {
	bytes.Buffer
	name string // of the family that was begun last
}

func (b *metrics) family(name, kind, help string) {
	b.name = name
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes one sample of the family that was begun last.
func (b *metrics) sample(value float64, labels ...string) {
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+foreign.Label(labels[i+1])+`"`)
	}
	fmt.Fprintf(b, "%s{%s} %v\n", b.name, strings.Join(pairs, ","), value)
}

func (b *metrics) sites(findings []Finding, value func(Finding) (float64, bool)) {
	for _, f := range findings {
		if value, known := value(f); known {
			b.sample(value, "site", f.Site)
		}
	}
}

var bothColors = []switcher.Color{switcher.Blue, switcher.Green}

func (b *metrics) colors(findings []Finding, value func(Finding, switcher.Color) (float64, bool)) {
	for _, f := range findings {
		for _, c := range bothColors {
			if value, known := value(f, c); known {
				b.sample(value, "site", f.Site, "color", string(c))
			}
		}
	}
}

func (b *metrics) backends(findings []Finding) {
	b.family("bgswitch_backend_healthy", "gauge", "Whether the backend was healthy when it was last asked.")
	b.eachBackend(findings, func(v health.Verdict) float64 { return truth(v.Healthy) })
	b.family("bgswitch_backend_latency_seconds", "gauge", "How long the backend took to answer when it was last asked.")
	b.eachBackend(findings, func(v health.Verdict) float64 { return v.Latency.Seconds() })
}

func (b *metrics) eachBackend(findings []Finding, value func(health.Verdict) float64) {
	for _, f := range findings {
		for _, c := range bothColors {
			if f.unasked[c] {
				continue
			}
			for _, verdict := range f.Status.Colors[c] {
				b.sample(value(verdict), "site", f.Site, "color", string(c), "backend", verdict.Backend)
			}
		}
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
