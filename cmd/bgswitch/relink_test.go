package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// linkedVictim is a site whose color is decided by where a link leads: the live
// file itself, or the folder that it is in.
func linkedVictim(t *testing.T, folder bool) *victim {
	t.Helper()
	v := newVictim(t)
	confd := filepath.Dir(v.Live)
	of := func(color string) string { return filepath.Join(v.Dir, "up", color) }
	var errs []error
	for color, app := range map[string]*nginxtest.App{"blue": v.Blue, "green": v.Green} {
		errs = append(errs, os.MkdirAll(of(color), 0o755), os.WriteFile(filepath.Join(of(color), filepath.Base(v.Live)), []byte(nginxtest.LiveFile(app.Addr)), 0o644))
	}
	link, below := v.Live, "/"+filepath.Base(v.Live)
	if folder {
		link, below = confd, ""
		errs = append(errs, os.RemoveAll(confd), os.Symlink("up/blue", confd))
	} else {
		errs = append(errs, os.Remove(v.Live), os.Symlink("../up/blue"+below, v.Live))
	}
	binary, _ := nginxtest.Binary()
	settings := fmt.Sprintf("state_dir: %s\nnginx: {binary: %s, conf: %s, prefix: %s}\nsites:\n  myapp:\n    file: %s\n    blue_file: %s\n    green_file: %s\n    check: {interval: 10ms, timeout: 2s, blue_url: 'http://%s', green_url: 'http://%s'}\n",
		v.StateDir, binary, v.Conf, v.Dir, link, of("blue")+below, of("green")+below, v.Blue.Addr, v.Green.Addr)
	if err := errors.Join(append(errs, os.WriteFile(v.Settings, []byte(settings), 0o600))...); err != nil {
		t.Fatal(err)
	}
	return v
}

// bothAsTheyWere makes sure that nothing but the link is another one.
func (v *victim) bothAsTheyWere(what string) {
	v.t.Helper()
	for color, app := range map[string]*nginxtest.App{"blue": v.Blue, "green": v.Green} {
		if got := v.read(filepath.Join(v.Dir, "up", color, filepath.Base(v.Live))); got != nginxtest.LiveFile(app.Addr) {
			v.t.Errorf("%s: %s's file holds %q", what, color, got)
		}
	}
}

// linkLeft makes sure that nothing of ours stands beside a link.
func (v *victim) linkLeft(what string) {
	v.t.Helper()
	if found, _ := filepath.Glob(filepath.Join(v.Dir, ".*bgswitch*")); len(found) > 0 {
		v.t.Errorf("%s: left %v", what, found)
	}
}

// A switch by a link that is killed before any of its steps leaves it at the one
// or at the other, both as they were, and the next one needs no repair.
func TestLinkKilledBeforeEveryStep(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]bool{"to a file": false, "to a folder": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := linkedVictim(t, folder)
			stop := v.steady()
			colors := []string{"green", "blue"}
			round := 0
			v.everyStep(0, stride(), func(p point) bool {
				round++
				from, to := colors[round%2], colors[(round+1)%2]
				v.agree("before", from)
				r := v.at(p, killed, "to", to)
				what := "killed before " + p.String()
				if !r.met && r.code != exitDone || r.met && r.code != -1 {
					t.Errorf("%s: exits %d: %s", what, r.code, r.out)
				}
				v.settled(what)
				v.honest(what, v.whole(what))
				v.at(point{p.call, 1}, killed, "to", from) // and while the next one mends it
				v.settled(what)
				v.agree(what, colors[(round/2)%2])
				v.bothAsTheyWere(what)
				v.linkLeft(what)
				return r.met
			})
			stop()
			v.oneColor("in the end")
		})
	}
}

// Every call that fails, once or from then on, ends in a link that leads to the
// one or to the other, as the exit code says.
func TestLinkEveryErrorIsHonest(t *testing.T) {
	t.Parallel()
	calls := disturbances[0]
	calls.calls, calls.errno = "symlinkat", "ENOSPC"
	for _, d := range append(slices.Clone(disturbances), calls) {
		if d.calls != calls.calls && !strings.Contains(d.calls, "rename") && !strings.Contains(d.calls, "unlink") && !strings.Contains(d.calls, "fsync") && !soaking() {
			continue // these are what is done to a link
		}
		t.Run(strings.ReplaceAll(d.calls, ",", "-")+"_"+d.errno+d.lasting, func(t *testing.T) {
			t.Parallel()
			v := linkedVictim(t, false)
			for k, clean := 1, 0; clean < 2; k++ {
				what := fmt.Sprintf("%s %s at call %d%s", d.calls, d.errno, k, d.lasting)
				code, out, times := v.under(d.injection(k), "to", "green")
				clean++
				if times > 0 {
					clean = 0
				}
				if code == exitStuck && times > 1 {
					v.saysWhatStands(what, out)
				} else {
					v.truly(what, code, out)
				}
				v.agree(what, "blue")
				v.bothAsTheyWere(what)
			}
		})
	}
}

// Words and a link that change together: a run that is killed between the two is
// mended by the next, and both say the same.
func TestLinkBesideWordsKilled(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	link := filepath.Join(v.Dir, "active")
	errs := []error{os.Symlink("which-blue", link)}
	for _, color := range []string{"blue", "green"} {
		folder := filepath.Join(v.Dir, "which-"+color)
		errs = append(errs, os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, "which.conf"), []byte("map $host $which { default "+color+"; }\n"), 0o644))
	}
	binary, _ := nginxtest.Binary()
	settings := fmt.Sprintf("state_dir: %s\nnginx: {binary: %s, conf: %s, prefix: %s}\nsites:\n  myapp:\n    blue: %s\n    green: %s\n    check: {interval: 10ms, timeout: 2s, blue_url: 'http://%[5]s', green_url: 'http://%[6]s'}\n"+
		"    places:\n    - file: %s\n    - {file: %s, blue_file: %[9]s-blue, green_file: %[9]s-green}\n",
		v.StateDir, binary, v.Conf, v.Dir, v.Blue.Addr, v.Green.Addr, v.Live, link, filepath.Join(v.Dir, "which"))
	errs = append(errs, os.WriteFile(v.Settings, []byte(settings), 0o600), v.WriteConf(nginxtest.Options{Workers: 1, HTTP: "include " + link + "/*.conf;"}))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	round := 0
	v.everyStep(0, stride(), func(p point) bool {
		round++
		from, to := []string{"green", "blue"}[round%2], []string{"green", "blue"}[(round+1)%2]
		v.agree("before", from)
		r := v.at(p, killed, "to", to)
		what := "killed before " + p.String()
		v.settled(what)
		v.agree(what, []string{"green", "blue"}[(round/2)%2])
		if leads, _ := os.Readlink(link); leads != "which-"+v.whole(what) {
			t.Errorf("%s: the words say %s, and the link leads to %s", what, v.whole(what), leads)
		}
		v.linkLeft(what)
		return r.met
	})
}
