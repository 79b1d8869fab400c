package verify

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher"
)

// exposed reads the text format strictly: each family once, HELP before TYPE
// before its samples, no sample twice, every value a number.
func exposed(text []byte) (map[string]float64, error) {
	var (
		help    = regexp.MustCompile(`^# HELP (bgswitch_[a-z_]+) \S.*\.$`)
		kind    = regexp.MustCompile(`^# TYPE (bgswitch_[a-z_]+) (gauge|counter)$`)
		line    = regexp.MustCompile(`^((bgswitch_[a-z_]+)\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\}) (\S+)$`)
		samples = map[string]float64{}
		seen    = map[string]bool{}
		name    string
		typed   bool
	)
	if !bytes.HasSuffix(text, []byte("\n")) {
		return nil, errors.New("the last line does not end")
	}
	for i, row := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		h, k, s := help.FindStringSubmatch(row), kind.FindStringSubmatch(row), line.FindStringSubmatch(row)
		switch {
		case h != nil && !seen[h[1]]:
			name, typed, seen[h[1]] = h[1], false, true
		case k != nil && k[1] == name && !typed && (k[2] == "counter") == strings.HasSuffix(name, "_total"):
			typed = true
		case s != nil && s[2] == name && typed:
			value, err := strconv.ParseFloat(s[3], 64)
			if _, twice := samples[s[1]]; twice || err != nil {
				return nil, fmt.Errorf("line %d: %s", i+1, row)
			}
			samples[s[1]] = value
		default:
			return nil, fmt.Errorf("line %d: %s", i+1, row)
		}
	}
	return samples, nil
}

// promtool is Prometheus' own opinion, where it is to be had.
func promtool(t *testing.T, text []byte) {
	t.Helper()
	program := os.Getenv("BGSWITCH_TEST_PROMTOOL")
	if program == "" {
		program = "promtool"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return
	}
	check := exec.Command(path, "check", "metrics")
	check.Stdin = bytes.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v: %s\n%s", err, out, text)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Options.Failover, s.Options.Fall, s.Options.Rise = true, 1, 1
	s.byHand(switcher.Green)
	s.clock = s.clock.Add(time.Hour)
	s.Green.Sicken(true)
	f := s.run()
	if f.Event != EventFailover {
		t.Fatalf("%s: %s", f.Level, f.Text)
	}
	f.Status.Releases = map[switcher.Color]switcher.Release{switcher.Green: {Name: `v"42\`}}
	other := Finding{Site: `a "b" \c`, Level: Unknown}
	text := Metrics([]Finding{f, other}, time.UnixMilli(1700000000123))
	promtool(t, text)
	got, err := exposed(text)
	if err != nil {
		t.Fatal(err)
	}
	for sample, want := range map[string]float64{
		`bgswitch_live{site="myapp",color="blue"}`:                                            1,
		`bgswitch_live{site="myapp",color="green"}`:                                           0,
		`bgswitch_healthy{site="myapp",color="blue"}`:                                         1,
		`bgswitch_healthy{site="myapp",color="green"}`:                                        0,
		`bgswitch_backend_healthy{site="myapp",color="green",backend="` + s.Green.Addr + `"}`: 0,
		`bgswitch_way_back_open{site="myapp"}`:                                                0,
		`bgswitch_drift{site="myapp"}`:                                                        0,
		`bgswitch_release_info{site="myapp",color="green",release="v\"42\\"}`:                 1,
		`bgswitch_level{site="myapp"}`:                                                        1,
		`bgswitch_level{site="a \"b\" \\c"}`:                                                  3,
		`bgswitch_switches_total{site="myapp"}`:                                               2,
		`bgswitch_roll_backs_total{site="myapp"}`:                                             0,
		`bgswitch_failovers_total{site="myapp"}`:                                              1,
		`bgswitch_last_switch_time_seconds{site="myapp"}`:                                     seconds(f.Switched.Record.Time),
		`bgswitch_verified_time_seconds{site="myapp"}`:                                        1700000000.123,
	} {
		if value, there := got[sample]; !there || value != want {
			t.Errorf("%s is %v (there: %v), want %v", sample, value, there, want)
		}
	}
	if latency := got[`bgswitch_backend_latency_seconds{site="myapp",color="blue",backend="`+s.Blue.Addr+`"}`]; latency <= 0 || latency > 2 {
		t.Errorf("latency %v", latency)
	}
	if _, there := got[`bgswitch_draining_workers{site="myapp"}`]; !there {
		t.Error("no draining workers")
	}
	for sample := range got {
		if strings.HasPrefix(sample, `bgswitch_release_info{site="myapp",color="blue"`) {
			t.Errorf("%s, which is not known", sample)
		}
		if strings.Contains(sample, `\c`) && !regexp.MustCompile(`^bgswitch_(level|switches_total|roll_backs_total|failovers_total|verified_time_seconds)\{`).MatchString(sample) {
			t.Errorf("%s of a site of which nothing is known", sample)
		}
	}
}

// The strict reader is strict.
func TestExposed(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no end":        "# HELP bgswitch_a A.",
		"no help":       "# TYPE bgswitch_a gauge\n",
		"no type":       "# HELP bgswitch_a A.\nbgswitch_a{site=\"x\"} 1\n",
		"wrong counter": "# HELP bgswitch_a A.\n# TYPE bgswitch_a counter\n",
		"twice":         "# HELP bgswitch_a A.\n# TYPE bgswitch_a gauge\nbgswitch_a{site=\"x\"} 1\nbgswitch_a{site=\"x\"} 1\n",
		"no number":     "# HELP bgswitch_a A.\n# TYPE bgswitch_a gauge\nbgswitch_a{site=\"x\"} one\n",
		"bare quote":    "# HELP bgswitch_a A.\n# TYPE bgswitch_a gauge\nbgswitch_a{site=\"x\"y\"} 1\n",
	} {
		if _, err := exposed([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
