package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/journal"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/verify"
)

// secondFile is what the other live file of a pair holds: a variable.
func secondFile(addr string) string {
	return fmt.Sprintf("# beside the other\nset $service_url http://%s;", addr)
}

// pairVictim is a site whose color stands in two files of two folders: the
// server of an upstream, and a variable.
func pairVictim(t *testing.T) *victim {
	t.Helper()
	v := newVictim(t)
	v.pair(v.Live, filepath.Join(v.Dir, "second", "second.inc"))
	return v
}

// mountedPair is a pair of which nginx has the first file mounted by itself, so
// that it is written in place.
func mountedPair(t *testing.T) *victim {
	t.Helper()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	dir := t.TempDir()
	launch := []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" "$0" && exec "$@"`, filepath.Join(dir, "conf.d", "active_upstream.conf")}
	v := victimIn(t, dir, nginxtest.Options{Workers: 1, Launch: launch})
	v.pair(v.Live, filepath.Join(v.Dir, "second", "second.inc"))
	return v
}

// pair gives the site another live file, in the order of the settings.
func (v *victim) pair(first, second string) {
	v.t.Helper()
	v.second = second
	if first != v.Live {
		v.second = first
	}
	if err := os.MkdirAll(filepath.Dir(v.second), 0o755); err != nil {
		v.t.Fatal(err)
	}
	v.write(v.second, secondFile(v.Blue.Addr))
	places := map[string]string{v.Live: "      - {}\n", v.second: "      - {file: " + v.second + ", selector: set $service_url}\n"}
	v.write(v.Settings, v.SettingsText("    places:\n"+places[first]+places[second]))
	if err := v.WriteConf(nginxtest.Options{Server: "include " + v.second + ";\nlocation / { proxy_pass http://myapp; proxy_http_version 1.1; proxy_set_header Connection \"\"; }\n" +
		"location /second { proxy_pass $service_url; }"}); err != nil {
		v.t.Fatal(err)
	}
	before := v.Workers()
	if err := v.Signal(syscall.SIGHUP); err != nil {
		v.t.Fatal(err)
	}
	if err := nginxtest.Eventually(patience, func() error { return v.Reloaded(before) }); err != nil {
		v.t.Fatal(err)
	}
	v.answers("at first", "blue", 3)
}

// apart has a site for each of the files.
func (v *victim) apart() {
	v.t.Helper()
	v.write(v.Settings, v.SettingsText(fmt.Sprintf("  second: {file: %s, selector: set $service_url, blue: %s, green: %s}\n", v.second, v.Blue.Addr, v.Green.Addr)))
}

// Two sites that are switched together, and killed between their files, are taken
// back together by the next switch of either.
func TestCutOffBetweenTwoSites(t *testing.T) {
	t.Parallel()
	v := pairVictim(t)
	v.apart()
	for _, site := range []string{"myapp", "second"} {
		for n := 1; n < 10 && v.whole("killed") != half; n++ {
			v.exits(exitDone, "", "to", "blue", "--site", "myapp,second")
			if got := v.whole("before"); got != "blue" {
				t.Fatalf("the files name %s", got)
			}
			v.at(point{"renameat2", n}, killed, "to", "green", "--site", "second,myapp")
		}
		if v.whole("killed") != half {
			t.Fatal("no switch was killed between the two files")
		}
		for status, put := range map[string]string{"second": "green", "myapp": "blue"} {
			v.exits(exitDrift, "DRIFT    an earlier run was killed before its files were sure to be right; the next switch puts the old "+v.second+" back\n           fix it: bgswitch to blue ", "status", "--site", status)
			v.exits(int(verify.Warning), "puts the old "+v.second+" back", "verify", "--site", status)
			v.exits(exitDone, "the next switch puts the old "+v.second+" back first", "to", put, "--dry-run", "--site", status)
		}
		whose := map[string]string{"second": "\n", "myapp": ", which is not a file of myapp: what it decides goes back to its old color, too\n"}
		v.exits(exitDone, "an earlier run was killed before its files were sure to be right: the old "+v.second+" is back"+whose[site], "to", "blue", "--site", site)
		if got := v.whole("mended"); got != "blue" {
			t.Errorf("mended by a switch of %s, the files name %s", site, got)
		}
		v.answers("mended", "blue", 3)
		v.nothingLeft("mended")
	}
}

// Sites whose backends all hang are looked at at the same time.
func TestStatusOfSitesThatHang(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	const sites = 8
	var extra strings.Builder
	for i := range sites {
		fmt.Fprintf(&extra, "  site%d: {file: %s, blue: %s, green: %s, check: {timeout: 2s}}\n", i, v.Live, v.Blue.Addr, v.Green.Addr)
	}
	v.write(v.Settings, v.SettingsText(extra.String()))
	v.Blue.Mute(true)
	v.Green.Mute(true)
	began := time.Now()
	_, out := v.bgswitch("status")
	if took := time.Since(began); took > sites*time.Second || strings.Count(out, " unhealthy ") != 2*(sites+1) {
		t.Errorf("%d sites that hang for 2 s took %s:\n%s", sites+1, took, out)
	}
}

// A roll-back that is killed between two files is taken further by the next run.
func TestKilledWhileRollingBack(t *testing.T) {
	t.Parallel()
	v := pairVictim(t)
	failing := filepath.Join(v.Dir, "failing.yaml")
	v.write(failing, strings.Replace(v.read(v.Settings), "nginx:\n", "nginx:\n  reload: [\"false\"]\n", 1))
	stop := v.steady()
	halves := 0
	args := []string{"to", "green", "--config", failing}
	var points []point // a stride may miss both moments between the files
	for i, p := range v.steps(exitRolledBack, args) {
		if i%stride() == 0 || strings.HasPrefix(p.call, "rename") {
			points = append(points, p)
		}
	}
	v.everyPoint(points, 0, 1, func(p point) bool {
		r := v.at(p, killed, args...)
		what := "killed before " + p.String()
		if v.whole(what) == half {
			halves++
		}
		v.settled(what)
		v.honest(what, v.whole(what))
		v.agree(what, []string{"green", "blue"}[halves%2])
		v.agree(what, "blue")
		return r.met
	})
	stop()
	if halves < 2 {
		t.Errorf("the run was killed %d times between the two files, want it on the way there and on the way back", halves)
	}
}

// cutOff kills a switch to green between the two files.
func (v *victim) cutOff() {
	v.t.Helper()
	for n := 1; n < 10; n++ {
		v.at(point{"renameat2", n}, killed, "to", "green")
		if v.whole("killed") == half {
			return
		}
		v.agree("killed", "blue")
	}
	v.t.Fatal("no switch was killed between the two files")
}

// A switch that was killed between two files is named by status, by verify and by
// a dry run, and what takes it back can be pasted.
func TestCutOffBetweenTwoFiles(t *testing.T) {
	t.Parallel()
	v := pairVictim(t)
	v.cutOff()
	_, out := v.bgswitch("status")
	_, mend, _ := strings.Cut(out, "fix it: bgswitch ")
	mend, _, _ = strings.Cut(mend, "\n")
	v.exits(exitNotAccepted, "an earlier switch was interrupted; `bgswitch "+mend+"` repairs what it left", "to", "green", "--dry-run")
	v.exits(int(verify.Unknown), "an earlier switch was killed before all files were switched: `bgswitch "+mend+"`", "verify")
	v.exits(exitDone, "an earlier run was killed before its files were sure to be right: the old "+v.Live+" is back", strings.Fields(mend)...)
	if got := v.whole("mended"); got != "blue" {
		t.Errorf("after `%s` the files name %s", mend, got)
	}
	v.agree("mended", "blue")

	// Nothing goes back where all stood in their place.
	for n := 1; n < 10 && v.whole("killed before a signal") != "green"; n++ {
		v.at(point{"pidfd_send_signal", n}, killed, "to", "green")
	}
	if out := v.exits(exitDone, "green is live: the files already named it", "to", "green"); strings.Contains(out, "earlier run") {
		t.Errorf("what stood was put back: %s", out)
	}
	v.agree("in the end", "blue")
}

func (v *victim) exits(code int, says string, args ...string) (out string) {
	v.t.Helper()
	got, out := v.bgswitch(args...)
	if got != code || !strings.Contains(out, says) {
		v.t.Errorf("%s exits %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, says, out)
	}
	return out
}

// What was killed between two files is mended as a whole by a site that has only
// one of them: the other one, too, unless somebody is at work there.
func TestCutOffMetByAnotherSite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		has  func(*victim) (file, selector string) // the other site
	}{
		{"the first file", func(v *victim) (string, string) { return v.Live, "server" }},
		{"the second file", func(v *victim) (string, string) { return v.second, "set $service_url" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := pairVictim(t)
			v.cutOff()
			file, selector := c.has(v)
			other := v.Live
			if file == v.Live {
				other = v.second
			}
			settings := filepath.Join(v.Dir, "other.yaml")
			text, _, _ := strings.Cut(v.SettingsText(""), "sites:")
			v.write(settings, text+fmt.Sprintf("sites: {other: {file: %s, selector: %s, blue: %s, green: %s}}\n", file, selector, v.Blue.Addr, v.Green.Addr))
			before := v.read(v.Live) + v.read(v.second)

			held, err := journal.Take(t.Context(), journal.Place{Folder: filepath.Dir(other), Live: other}, 0, "to", nil)
			if err != nil {
				t.Fatal(err)
			}
			if out := v.exits(exitBusy, "another bgswitch is at work", "to", "green", "--config", settings); strings.Contains(out, "--wait-lock") {
				t.Errorf("what never waits says how to wait:\n%s", out)
			}
			if v.read(v.Live)+v.read(v.second) != before {
				t.Error("half of it was mended")
			}
			if err := held.Leave(); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Dir(other), 0o777); err != nil {
				t.Fatal(err)
			}
			v.exits(exitFailed, "repair what an earlier run left, together with "+other+": others may write "+filepath.Dir(other)+" (mode 0777)\nhint: ", "to", "blue", "--config", settings)
			if err := os.Chmod(filepath.Dir(other), 0o755); err != nil {
				t.Fatal(err)
			}
			v.exits(exitDone, "blue is live", "to", "blue", "--config", settings)
			if got := v.whole("mended"); got != "blue" {
				t.Errorf("it names %s", got)
			}
			v.agree("mended", "green")
		})
	}
}
