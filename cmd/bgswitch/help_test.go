package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// everyCommand are all, and those that are under them, by their whole names.
func everyCommand() map[string]*command {
	all := map[string]*command{}
	for _, c := range commands() {
		all[c.Name] = c
		for _, sub := range c.under {
			all[c.Name+" "+sub.Name] = sub
		}
	}
	return all
}

// Each command's help tells all of it, and is no wider than a terminal.
func TestHelpOfEveryCommand(t *testing.T) {
	t.Parallel()
	pages := map[string][]string{"": {"--help"}}
	for name, c := range everyCommand() {
		pages[name] = append(strings.Fields(name), "--help")
		if len(c.exits) == 0 || len(c.examples) == 0 || c.Description == "" {
			t.Errorf("%s: %d exit codes, %d examples, described as %q", name, len(c.exits), len(c.examples), c.Description)
		}
		for _, e := range c.examples {
			if !strings.Contains(e.line, "bgswitch "+strings.TrimSpace(name)) {
				t.Errorf("%s: %q is no example of it", name, e.line)
			}
		}
	}
	for name, typed := range pages {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"bgswitch"}, typed...), &stdout, &stderr); code != exitDone || stderr.Len() > 0 {
			t.Errorf("%q: exit %d, %s", typed, code, &stderr)
		}
		for line := range strings.Lines(stdout.String()) {
			if len(line) > 100 || strings.ContainsAny(line, "\t") || strings.HasSuffix(line, " \n") {
				t.Errorf("%s: a line of %d bytes: %q", name, len(line), line)
			}
		}
		if strings.Contains(stdout.String(), "default: false") || !strings.Contains(stdout.String(), "\nEXIT CODES\n   0  ") {
			t.Errorf("%s:\n%s", name, &stdout)
		}
	}
}

// The list of the program's help leaves no command out, and `help` shows what
// --help does.
func TestHelpListsEveryCommand(t *testing.T) {
	t.Parallel()
	var list bytes.Buffer
	programPage().print(&list)
	for name, c := range everyCommand() {
		if !strings.Contains(name, " ") && c.Hidden == regexp.MustCompile(`(?m)^   `+name+`( |$)`).Match(list.Bytes()) {
			t.Errorf("%s, hidden: %v, in\n%s", name, c.Hidden, &list)
		}
		var asked, helped bytes.Buffer
		for into, typed := range map[*bytes.Buffer]string{&asked: name + " --help", &helped: "help " + name} {
			run(t.Context(), append([]string{"bgswitch"}, strings.Fields(typed)...), into, io.Discard)
		}
		if asked.String() != helped.String() || !strings.HasPrefix(helped.String(), "bgswitch "+name+": ") {
			t.Errorf("help %s shows\n%s", name, &helped)
		}
	}
}

// A flag is shown with what it takes, and with what holds without it.
func TestFlagTerms(t *testing.T) {
	t.Parallel()
	for want, flag := range map[term]cli.Flag{
		{"--json", "print one JSON object"}:                         &cli.BoolFlag{Name: "json", Usage: "print one JSON object"},
		{"-n N", "at most N of them (default: 20)"}:                 &cli.IntFlag{Name: "n", Value: 20, Usage: "at most `N` of them"},
		{"--pid N", "of N"}:                                         &cli.IntFlag{Name: "pid", Usage: "of `N`"},
		{"--stay DURATION", "for this DURATION (default: 2s)"}:      &cli.DurationFlag{Name: "stay", Value: 2e9, Usage: "for this `DURATION`"},
		{"--wait DURATION", "for this DURATION"}:                    &cli.DurationFlag{Name: "wait", Usage: "for this `DURATION`"},
		{"--reason TEXT", "TEXT for the history (or $A, $B)"}:       &cli.StringFlag{Name: "reason", Usage: "`TEXT` for the history", EnvVars: []string{"A", "B"}},
		{"--handover WHO", "WHO ends `old` ones (default: fast)"}:   &cli.StringFlag{Name: "handover", Value: "fast", Usage: "`WHO` ends `old` ones"},
		{"--blue ADDRESS", "blue's ADDRESS; repeat it for several"}: &cli.StringSliceFlag{Name: "blue", Usage: "blue's `ADDRESS`; repeat it for several"},
	} {
		if got := flagTerm(flag); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// A page is broken where a line is full, but never within what is to be copied.
func TestPage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456 ", 10)
	p := page{
		{passages: []passage{{text: "name: " + long}}},
		{title: "TEXT", passages: passagesOf("\n" + long + "`bgswitch to green --dry-run`,\nand more.\n\n   one\n\n     two\n   three\n\n\nend")},
		{title: "LIST", passages: []passage{{terms: []term{{"-n N", long}, {strings.Repeat("x", 30), "below"}, {"empty", ""}}}}},
	}
	var got bytes.Buffer
	p.print(&got)
	want := `name: 0123456 0123456 0123456 0123456 0123456 0123456 0123456 0123456 0123456
0123456

TEXT
   0123456 0123456 0123456 0123456 0123456 0123456 0123456 0123456 0123456
   0123456 ` + "`bgswitch to green --dry-run`" + `, and more.

   one

     two
   three

   end

LIST
   -n N   0123456 0123456 0123456 0123456 0123456 0123456 0123456 0123456
          0123456 0123456
   xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
          below
   empty
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

// The exit codes that a script sees of a command are among those that its help
// names, and no code is named that the program does not have.
func TestExitCodesOfEveryCommand(t *testing.T) {
	t.Parallel()
	app, seen := newApp(io.Discard, io.Discard), 0
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^exits (\d+) bgswitch (.*)$`).FindAllStringSubmatch(string(text), -1) {
			l := arrange(app, append([]string{"bgswitch"}, strings.Fields(strings.ReplaceAll(match[2], "'", " "))...))
			c, name := commandOf(l.words)
			if c == nil || l.help {
				continue
			}
			seen++
			code, _ := strconv.Atoi(match[1])
			if !slices.ContainsFunc(c.exits, func(e exit) bool { return e.code == code }) {
				t.Errorf("%s: %s exits %d, of which its help knows nothing", script, name, code)
			}
		}
	}
	if seen < 300 {
		t.Errorf("only %d lines were found", seen)
	}
	for name, c := range everyCommand() {
		for _, e := range c.exits {
			if name != verifyName && !slices.ContainsFunc(exits, func(is exit) bool { return is.code == e.code }) {
				t.Errorf("%s: there is no exit code %d", name, e.code)
			}
		}
	}
}

// Every example can be typed: the shell reads it, and the program its flags.
func TestExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range everyCommand() {
		for _, e := range c.examples {
			for _, typed := range typedBy(t, e.line) {
				if err := accepted(typed); err != nil {
					t.Errorf("%s: %s: %v", name, e.line, err)
				}
			}
		}
	}
}

// What is nearly a command, or is called otherwise elsewhere, is told which it is.
func TestCommandsMeant(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"stauts": "bgswitch status", "stat --site a": "bgswitch status --site a", "Status": "bgswitch status",
		"rollback": "bgswitch back", "rollback --reason 503": "bgswitch back --reason 503", "undo": "bgswitch back",
		"green": "bgswitch to green", "blue --dry-run": "bgswitch to blue --dry-run", "tp green": "bgswitch to green",
		"switch green": "bgswitch to green", "switch": "bgswitch help to", "switch it": "bgswitch help to",
		"log -n 5": "bgswitch history -n 5", "help stauts": "bgswitch status", "version": "bgswitch --version",
		"frobnicate": "", "x": "",
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"bgswitch"}, strings.Fields(typed)...), io.Discard, &stderr); code != exitFailed {
			t.Errorf("%s: exit %d", typed, code)
		}
		meant := ""
		if found := regexp.MustCompile("did you mean `(.*)`\\?\n").FindStringSubmatch(stderr.String()); found != nil {
			meant = found[1]
		}
		if meant != want || !strings.Contains(stderr.String(), "there is no command") {
			t.Errorf("%s: %s", typed, &stderr)
		}
	}
	for name, line := range otherNames {
		if err := accepted(append([]string{"bgswitch"}, strings.Fields(line)...)); err != nil {
			t.Errorf("%s is told to type %s: %v", name, line, err)
		}
		if c, _ := commandOf([]string{name}); c != nil {
			t.Errorf("%s is a command", name)
		}
	}
}
