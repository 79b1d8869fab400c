package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// victim is a site whose switches are killed or disturbed.
type victim struct {
	*nginxtest.Site
	t       *testing.T
	program string
	inside  []string // argv that bgswitch's own is appended to
	second  string   // another live file of the site; empty: it has one
}

// argv is bgswitch's.
func (v *victim) argv(args ...string) []string {
	return slices.Concat(v.inside, []string{v.program}, args)
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	site, err := nginxtest.StartSite(t.TempDir(), nginxtest.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	return victimOf(t, site)
}

func victimOf(t *testing.T, site *nginxtest.Site) *victim {
	t.Helper()
	program, err := exec.LookPath("bgswitch")
	if err != nil {
		t.Fatal(err)
	}
	return &victim{Site: site, t: t, program: program}
}

func (v *victim) read(path string) string {
	v.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(text)
}

func (v *victim) bgswitch(args ...string) (code int, out string) {
	v.t.Helper()
	argv := v.argv(args...)
	return v.run(exec.Command(argv[0], argv[1:]...))
}

func (v *victim) run(cmd *exec.Cmd) (code int, out string) {
	v.t.Helper()
	cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings, "GOMAXPROCS=1")
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		v.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(output)
}

// files are the two contents that a live file may ever have.
func (v *victim) files() map[string]string {
	return map[string]string{
		nginxtest.LiveFile(v.Blue.Addr):  "blue",
		nginxtest.LiveFile(v.Green.Addr): "green",
		secondFile(v.Blue.Addr):          "blue",
		secondFile(v.Green.Addr):         "green",
	}
}

func (v *victim) lives() []string {
	if v.second == "" {
		return []string{v.Live}
	}
	return []string{v.Live, v.second}
}

// answers makes sure that a color answers whatever any of the live files decides.
func (v *victim) answers(what, color string, n int) {
	v.t.Helper()
	for _, path := range []string{"", "second"}[:len(v.lives())] {
		if got := nginxtest.Answers(v.URL()+path, n); got[color] != n {
			v.t.Errorf("%s: /%s is not answered by %s: %v", what, path, color, got)
		}
	}
}

// half is what two live files name that do not agree.
const half = "half"

// whole says which color the live files name; each must be one of its two files
// to the last byte, accepted by nginx, and alone for nginx's include patterns.
func (v *victim) whole(what string) string {
	v.t.Helper()
	color := ""
	for _, path := range v.lives() {
		content, err := os.ReadFile(path)
		if err != nil {
			v.t.Fatalf("%s: %v", what, err)
		}
		switch named := v.files()[string(content)]; {
		case named == "":
			v.t.Fatalf("%s: %s is neither the old nor the new one: %q", what, path, content)
		case color != "" && color != named:
			color = half
		default:
			color = named
		}
	}
	if err := v.Test(); err != nil {
		v.t.Fatalf("%s: %v", what, err)
	}
	if matched, _ := filepath.Glob(filepath.Join(filepath.Dir(v.Live), "[^.]*")); len(matched) != 1 {
		v.t.Errorf("%s: nginx would read %v", what, matched)
	}
	return color
}

// agree makes sure that the next switch works without any repair command, in
// either direction, and leaves nothing. What a killed one was just about to run
// has its lock for a moment still.
func (v *victim) agree(what, color string) {
	v.t.Helper()
	if code, out := v.bgswitch("to", color, "--wait-lock", "20s"); code != 0 {
		v.t.Fatalf("%s: the next switch exits %d: %s", what, code, out)
	}
	if got := v.whole(what); got != color {
		v.t.Fatalf("%s: after the next switch to %s the file names %s", what, color, got)
	}
	v.answers(what+", after the next switch", color, 3)
	v.nothingLeft(what)
}

// honest makes sure that status exits as the facts are.
func (v *victim) honest(what, color string) {
	v.t.Helper()
	code, out := v.bgswitch("status")
	if color == half {
		if code != exitNotAccepted || !strings.Contains(out, "DRIFT    an earlier switch was killed before all files were switched\n           fix it: bgswitch to ") {
			v.t.Errorf("%s: the files do not agree; status exits %d:\n%s", what, code, out)
		}
		return
	}
	serves := nginxtest.Answers(v.URL(), 1)[color] == 1
	for before := !serves; before != serves; { // nginx may have got a signal before the kill, and load only now
		before = serves
		code, out = v.bgswitch("status")
		serves = nginxtest.Answers(v.URL(), 1)[color] == 1
	}
	unknown := strings.Contains(out, "loaded: unknown")
	if code == exitDrift && strings.Contains(out, "DRIFT    an earlier run was killed before its files were sure to be right; the next switch puts the old ") {
		return // they are written, but a power cut could still take that away
	}
	if serves && code != exitDone || !serves && code != exitDrift && !unknown {
		v.t.Errorf("%s: the file names %s, it answers: %v; status exits %d:\n%s", what, color, serves, code, out)
	}
}

// Every call that fails, once or from then on, ends in a switch that is done,
// refused, or rolled back: the exit code says truly which.
func TestEveryErrorIsHonest(t *testing.T) {
	t.Parallel()
	for _, d := range disturbances {
		name := strings.Trim(regexp.MustCompile(`\W+`).ReplaceAllString(d.calls, "-"), "-")
		t.Run(name+"_"+d.errno+d.lasting, func(t *testing.T) {
			t.Parallel()
			newVictim(t).everyErrorIsHonest(d)
		})
		if !soaking() && !moves[d.calls] {
			continue
		}
		t.Run("two_files_"+name+"_"+d.errno+d.lasting, func(t *testing.T) {
			t.Parallel()
			pairVictim(t).everyErrorIsHonest(d)
		})
	}
}

// moves are the calls that a second file makes a difference to.
var moves = map[string]bool{"fsync": true, "renameat,renameat2": true, "unlinkat": true}

func (v *victim) everyErrorIsHonest(d disturbance) {
	v.t.Helper()
	step := 1
	if d.calls == "openat" { // of which there are hundreds
		step = stride()
	}
	for k, clean := 1, 0; clean < 2; k += step {
		what := fmt.Sprintf("%s %s at call %d%s", d.calls, d.errno, k, d.lasting)
		code, out, times := v.under(d.injection(k), "to", "green")
		clean++
		if times > 0 {
			clean = 0
		}
		if code == exitStuck && times > 1 { // what put the file back met an error, too
			v.saysWhatStands(what, out)
		} else {
			v.truly(what, code, out)
		}
		v.agree(what, "blue")
	}
}

func (v *victim) saysWhatStands(what, out string) {
	v.t.Helper()
	got := v.whole(what)
	says := map[string]string{half: "bgswitch does not understand what the files say (" + v.second, "blue": "says? blue", "green": "says? green"}[got]
	if !regexp.MustCompile("the files? "+says).MatchString(out) && !strings.Contains(out, says) {
		v.t.Errorf("%s: it names %s: %s", what, got, out)
	}
}

// truly holds an exit code against what stands where. A program that did not
// even start, or whose runtime gave up on the error, says nothing: then it was
// as good as killed.
func (v *victim) truly(what string, code int, out string) {
	v.t.Helper()
	got := v.whole(what)
	want := map[int]string{
		exitDone: "green", exitFailed: "blue", exitUnhealthy: "blue", exitNotAccepted: "blue", exitBlocked: "blue", exitRolledBack: "blue",
	}[code]
	if code == 2 || code == 127 {
		return
	}
	if want == "" {
		v.t.Fatalf("%s: exits %d: %s", what, code, out)
	}
	if got != want {
		v.t.Errorf("%s: exits %d, and the file names %s: %s", what, code, got, out)
	}
	v.answers(fmt.Sprintf("%s: exits %d: %s", what, code, out), want, 3)
}
