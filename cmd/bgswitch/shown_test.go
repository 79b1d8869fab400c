package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"github.com/google/go-cmp/cmp"
)

// shown is a command that a page shows with its answer.
type shown struct {
	line   string
	answer []string
	code   int
}

// transcripts are the blocks of a page that begin with what was typed.
func transcripts(text string) (list [][]shown) {
	for _, block := range all(text, "(?s)```\n(\\$ .*?)```\n") {
		var commands []shown
		for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
			last := len(commands) - 1
			if typed, is := strings.CutPrefix(line, "$ "); is {
				commands = append(commands, shown{line: typed})
			} else if code := regexp.MustCompile(`^\(exit (\d+)\)$`).FindStringSubmatch(line); code != nil {
				commands[last].code, _ = strconv.Atoi(code[1])
			} else if line != "" {
				commands[last].answer = append(commands[last].answer, line)
			}
		}
		list = append(list, commands)
	}
	return list
}

// stage is a site on which what pages show is typed.
type stage struct {
	*nginxtest.Site
	t       *testing.T
	program string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	site, err := nginxtest.StartSite(t.TempDir(), nginxtest.Options{Main: "worker_shutdown_timeout 10m;"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	program, err := exec.LookPath("bgswitch")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{site, t, program}
	s.write(site.Settings, site.SettingsText(site.ConfirmText()))
	return s
}

func (s *stage) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// types runs a line of bgswitch, and returns all that it prints.
func (s *stage) types(args ...string) (code int, out string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.program, args...)
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), "BGSWITCH_CONFIG="+s.Settings, "TZ=UTC")
	printed, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !asExit(err, &exit) {
		s.t.Fatalf("%q: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), string(printed)
}

func asExit(err error, into **exec.ExitError) (is bool) {
	*into, is = err.(*exec.ExitError)
	return is
}

func (s *stage) does(args ...string) {
	s.t.Helper()
	if code, out := s.types(args...); code != exitDone {
		s.t.Fatalf("%q: exit %d: %s", args, code, out)
	}
}

// holds opens an answer through nginx that goes on until the test ends.
func (s *stage) holds() {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(s.URL() + "hold")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
}

// differing is what is another one in each run, and what stands in its place.
var differing = []struct{ found, same string }{
	{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`, "DATE"},
	{`\b(?:\d+h)?(?:\d+m)?[0-9.]+ ?(?:ms|s|µs)\b`, "TIME"},
	{`TIME ago|just now`, "AGO"},
	{`, last answer of \w+ after TIME`, ""}, // nobody may have asked in that moment
	{`\b(master|worker) \d+`, "$1 PID"},
	{`by \w+(?: \(as root\))?, proof`, "by WHOM, proof"},
	{`127\.0\.0\.1:(?:[4-9]\d{3,4}|3\d{4})`, "ADDRESS"},
	{`\b\d+ requests`, "N requests"},
	{`  +`, "  "},
}

func (s *stage) same(text string) (lines []string) {
	for is, shown := range map[string]string{
		s.Live: defaultFile, s.Conf: "/etc/nginx/nginx.conf", s.Blue.Addr: defaultBlue, s.Green.Addr: defaultGreen,
		" --config " + s.Settings: "", "sudo bgswitch": "bgswitch",
	} {
		text = strings.ReplaceAll(text, is, shown)
	}
	for _, d := range differing {
		text = regexp.MustCompile(d.found).ReplaceAllString(text, d.same)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if !strings.Contains(line, " is not drained: ") { // a terminal has it while it waits
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// scene is what makes a block of a page true: what is done before its commands.
type scene map[int]func(*stage)

var scenes = map[string][]scene{
	"../../README.md": {
		{0: practices, 1: func(s *stage) { s.Green.Sicken(true) }},
		{0: takenPort},
	},
	"manual/bgswitch.md": {
		{0: func(s *stage) { s.Green.Sicken(true) }},
		{0: func(s *stage) {
			practices(s)
			s.does("to", "green", "--reason", "release 42")
			s.does("back", "--reason", "green answers 503")
			s.write(s.Live, nginxtest.LiveFile(s.Green.Addr))
		}},
		{0: func(s *stage) {
			s.does("to", "green")
			s.does("to", "blue")
			s.does("to", "green")
			s.write(s.Live, "upstream myapp {\n    server "+s.Green.Addr+";\n\n")
		}},
		{0: func(s *stage) { s.Green.Sicken(true) }},
		{0: func(s *stage) { s.holds(); s.holds(); s.does("to", "green") }},
		{0: func(s *stage) { s.does("to", "green") }},
		{0: practices},
		{0: func(s *stage) { practices(s); _ = s.Green.Stop() }},
	},
	// They need an app that fails now and then, and nginx in a container: see
	// TestBake and TestContainer.
	"manual/bgswitch.yaml.md": nil,
}

func practices(s *stage) { s.does("drill", "--yes", "--stay", "10ms") }

// takenPort adds a port to the configuration that another process has.
func takenPort(s *stage) {
	s.t.Helper()
	other, err := nginxtest.StartApp("other")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = other.Stop() })
	if err := s.WriteConf(nginxtest.Options{HTTP: "server { listen " + other.Addr + "; }"}); err != nil {
		s.t.Fatal(err)
	}
}

// What the pages show is what the program answers.
func TestPagesShowWhatIsAnswered(t *testing.T) {
	t.Parallel()
	for path, text := range pages(t) {
		blocks := transcripts(text)
		if played, is := scenes[path]; is && played == nil {
			continue
		}
		if len(blocks) != len(scenes[path]) {
			t.Errorf("%s has %d transcripts, and the test plays %d", path, len(blocks), len(scenes[path]))
			continue
		}
		for i, block := range blocks {
			t.Run(fmt.Sprintf("%s-%d", filepath.Base(path), i), func(t *testing.T) {
				t.Parallel()
				rightstest.Needs(t, rightstest.Mounts) // as the sudo that is shown has
				s := newStage(t)
				for n, command := range block {
					if prepare := scenes[path][i][n]; prepare != nil {
						prepare(s)
					}
					s.answers(command)
				}
			})
		}
	}
}

// answers holds an answer against the one that is shown, of which `...` leaves
// something out.
func (s *stage) answers(c shown) {
	s.t.Helper()
	args := strings.ReplaceAll(c.line, "--wait 60s", "--wait 100ms")
	code, out := s.types(typedBy(s.t, args)[0][1:]...)
	got, want := s.same(out), s.same(strings.Join(c.answer, "\n"))
	if at := slices.Index(want, "..."); at >= 0 {
		got, want = slices.Concat(got[:at], got[len(got)-len(want)+at+1:]), slices.Delete(want, at, at+1)
	}
	if diff := cmp.Diff(want, got); diff != "" || code != c.code {
		s.t.Errorf("%s: exit %d, shown is %d (-shown +answered):\n%s\n%s", c.line, code, c.code, diff, out)
	}
}

// What takes long, or cannot be had on a site of a test, is done in a small way.
var smaller = strings.NewReplacer("--bake 5m", "--bake 1s", "--stay 5s", "--stay 100ms", "--wait 60s", "--wait 100ms",
	" --site shop,api", "", "--site shop", "--site myapp", "--config new.yaml", "--config bgswitch.yaml")

// notRun are examples that would change this host, need what the site of a test has
// not, find what is so on this host, or never end; their lines are read all the same.
var notRun = regexp.MustCompile(`^(init|releases prune|doctor)$|--watch`)

// refused are examples that a site refuses to which nothing bad has happened.
var refused = map[string]int{
	"bgswitch back --bad 'it loses carts'": exitBlocked, // right after another one
	"bgswitch back --restore":              exitBlocked,
}

// Each example of a command does what it says, on a site of a test.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	for name, c := range everyCommand() {
		if notRun.MatchString(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == verifyName {
				rightstest.Needs(t, rightstest.Mounts) // else the way back is unknown
			}
			s := newStage(t)
			if name == "back" || name == "drain" {
				s.does("to", "green")
			}
			for _, e := range c.examples {
				if notRun.MatchString(e.line) {
					continue
				}
				for _, typed := range typedBy(t, smaller.Replace(e.line)) {
					code, out := s.types(typed[1:]...)
					if want := refused[strings.TrimPrefix(e.line, "sudo ")]; code != want || strings.HasPrefix(out, "bgswitch: wrong usage") {
						t.Errorf("%s: exit %d, want %d: %s", e.line, code, want, out)
					}
				}
			}
		})
	}
}
