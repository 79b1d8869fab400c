package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/rightstest"
)

const examplesDir = "../../examples"

var commentedOut = regexp.MustCompile(`(?m)^( *)# ((?:  +)?[a-z_]+:.*|    [a-z]+: \{.*|    +- .*)$`)

// uncommented sets what is commented out.
func uncommented(text string) string { return commentedOut.ReplaceAllString(text, "$1$2") }

// Every setting of the example is one that there is, also where it is
// commented out.
func TestExampleSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(examplesDir, "bgswitch.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newReader().parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.sites) != 1 || s.sites[0].Name != "myapp" || s.sites[0].Confirm == nil || len(s.notify.Webhooks) != 1 || s.notify.Ping.IsZero() {
		t.Errorf("%+v", s)
	}
	if n := len(commentedOut.FindAll(text, -1)); n < 30 {
		t.Errorf("only %d settings are commented out", n)
	}
	if s, err = newReader().parse("all of "+path, []byte(uncommented(string(text)))); err != nil {
		t.Error(err)
	}
	if len(s.sites) != 5 || s.verify.Fall != 3 || s.sites[3].Files[0].Whole == nil || len(s.sites[4].Restart) == 0 || len(s.sites[1].Files) != 3 || s.sites[2].Files[0].Layout[0].Colors[switcher.Blue] == nil {
		t.Errorf("%+v", s)
	}
}

// What the examples type is what the program knows.
func TestExampleCommands(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range []string{"cron.d/bgswitch", "systemd/bgswitch-verify.service", "monitoring/nagios.cfg", "monitoring/icinga2.conf", "monitoring/sudoers", "prometheus/bgswitch.rules.yml"} {
		text, err := os.ReadFile(filepath.Join(examplesDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(text), "\n") {
			t.Errorf("%s: cron skips a last line that does not end", name)
		}
		for _, typed := range regexp.MustCompile("bgswitch((?: (?:verify|status|history|back|--[a-z-]+(?: [^ \\n`-][^ \\n`]*)?))+)").FindAllStringSubmatch(string(text), -1) {
			found++
			args := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(typed[1], "{{ $labels.site }}", "x"), "{{", "x"))
			var out strings.Builder
			run(t.Context(), append([]string{"bgswitch", "--config", "/no/such/settings"}, args...), &out, &out)
			if !strings.Contains(out.String(), "cannot read the settings") {
				t.Errorf("%s: bgswitch%s: %s", name, typed[1], &out)
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d commands found", found)
	}
}

// systemd's own opinion, where it is to be had.
func TestExampleUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		rightstest.Without(t, "systemd-analyze")
	}
	folder := t.TempDir()
	var units []string
	for _, name := range []string{"bgswitch-verify.service", "bgswitch-verify.timer"} {
		text, err := os.ReadFile(filepath.Join(examplesDir, "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		installed := strings.ReplaceAll(string(text), "ExecStart=/usr/local/bin/bgswitch", "ExecStart=/bin/true")
		units = append(units, filepath.Join(folder, name))
		if err := os.WriteFile(filepath.Join(folder, name), []byte(installed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, units...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=40", units[0]).CombinedOutput()
	if err != nil {
		t.Errorf("more exposed than 4.0: %v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
}

// Prometheus' own opinion of the alerts, where it is to be had; that they
// speak of metrics that there are is looked at anyhow.
func TestExampleAlerts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(examplesDir, "prometheus", "bgswitch.rules.yml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../switcher/verify/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`bgswitch_[a-z_]+`).FindAllString(string(text), -1)
	for _, metric := range named {
		if !strings.Contains(string(source), `"`+metric+`"`) {
			t.Errorf("there is no metric %s", metric)
		}
	}
	if len(named) < 8 {
		t.Errorf("only %v are named", named)
	}
	promtool := os.Getenv("BGSWITCH_TEST_PROMTOOL")
	if promtool == "" {
		promtool = "promtool"
	}
	if found, err := exec.LookPath(promtool); err == nil {
		if out, err := exec.Command(found, "check", "rules", path).CombinedOutput(); err != nil {
			t.Errorf("promtool check rules: %v: %s", err, out)
		}
	}
}
