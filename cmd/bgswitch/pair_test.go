package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
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

// A roll-back that is killed between two files is taken further by the next run.
func TestKilledWhileRollingBack(t *testing.T) {
	t.Parallel()
	v := pairVictim(t)
	failing := filepath.Join(v.Dir, "failing.yaml")
	v.write(failing, strings.Replace(v.read(v.Settings), "nginx:\n", "nginx:\n  reload: [\"false\"]\n", 1))
	stop := v.steady()
	halves := 0
	args := []string{"to", "green", "--config", failing}
	v.everyStepOf(exitRolledBack, args, 0, 1, func(p point) bool {
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

// A switch that was killed between two files is named by status, and what takes
// it back can be pasted.
func TestCutOffBetweenTwoFiles(t *testing.T) {
	t.Parallel()
	v := pairVictim(t)
	cut := 0
	v.everyStep(0, 1, func(p point) bool {
		if p.call != "renameat2" {
			return true
		}
		r := v.at(p, killed, "to", "green")
		what := "killed before " + p.String()
		if v.whole(what) == half {
			cut++
			_, out := v.bgswitch("status")
			_, mend, _ := strings.Cut(out, "mend it: bgswitch ")
			mend, _, _ = strings.Cut(mend, "\n")
			if code, out := v.bgswitch("to", "green", "--dry-run"); code != exitNotAccepted || !strings.Contains(out, "an earlier switch was cut off: `bgswitch "+mend+"` mends what it left") {
				t.Errorf("%s: a dry run exits %d: %s", what, code, out)
			}
			if code, out := v.bgswitch("verify"); code != 3 || !strings.Contains(out, "an earlier switch was killed before all files were switched: `bgswitch "+mend+"`") {
				t.Errorf("%s: verify exits %d: %s", what, code, out)
			}
			if code, out := v.bgswitch(strings.Fields(mend)...); code != exitDone || !strings.Contains(out, "an earlier run was killed before its files were sure to be right: the old one is back") {
				t.Errorf("%s: `%s` exits %d: %s", what, mend, code, out)
			}
			if got := v.whole(what); got != "blue" {
				t.Errorf("%s: after `%s` the files name %s", what, mend, got)
			}
		}
		v.agree(what, "blue")
		return r.met
	})
	if cut == 0 {
		t.Error("no switch was killed between the two files")
	}
}
