package main

import (
	"bytes"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"bgswitch/switcher/rightstest"
)

// manPage is a page as it is installed.
func manPage(t *testing.T, name string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"bgswitch", "man", name}, &stdout, &stderr); code != exitDone || stderr.Len() > 0 {
		t.Fatalf("man %s: exit %d, %s", name, code, &stderr)
	}
	return stdout.String()
}

// formatted is what a reader sees of it.
func formatted(t *testing.T, roff string) string {
	t.Helper()
	groff := exec.CommandContext(t.Context(), "groff", "-ww", "-man", "-Tascii", "-P-c", "-rLL=100n", "-rLT=100n")
	var complaints bytes.Buffer
	groff.Stdin, groff.Stderr = strings.NewReader(roff), &complaints
	shown, err := groff.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("groff: %v: %s", err, &complaints)
	}
	return regexp.MustCompile(".\b").ReplaceAllString(string(shown), "")
}

// The pages are the same each time, and of letters that each reader of them has.
func TestManPages(t *testing.T) {
	t.Parallel()
	for _, name := range []string{programManual, settingsManual} {
		text := manPage(t, name)
		if again := manPage(t, name); again != text {
			t.Errorf("%s is another one the next time", name)
		}
		if odd := regexp.MustCompile(`[^\n -~]`).FindString(text); odd != "" {
			t.Errorf("%s: %q is not ASCII", name, odd)
		}
		for line := range strings.Lines(text) {
			if regexp.MustCompile(`^[.']`).MatchString(line) && !regexp.MustCompile(`^\.(TH|SH|SS|PP|TP|EX|EE|in|nr|nh|ad)\b`).MatchString(line) {
				t.Errorf("%s: %q is taken for a request", name, line)
			}
		}
	}
	for _, typed := range []string{"man nginx", "man bgswitch bgswitch"} {
		if code := run(t.Context(), append([]string{"bgswitch"}, strings.Fields(typed)...), io.Discard, io.Discard); code != exitFailed {
			t.Errorf("%s: exit %d", typed, code)
		}
	}
}

// What is written stays what it is: nothing of it is a request, and an option is
// copied with the sign that was typed.
func TestRoff(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	page{
		{title: `A "b"`, sub: true, passages: passagesOf(".conf `a -x`\n'b' **c**\n\n   .d\n\n   e \\f")},
		{title: "L", passages: passagesOf("- `-n N`: .g\n- h\n  i")},
	}.roff(&got, "x.y", 5, "1")
	want := `.TH "X.Y" 5 "" "bgswitch 1"
.nr HY 0
.nh
.ad l
.SS "A \(dqb\(dq"
.PP
\&.conf \fBa \-x\fR \(aqb\(aq \fBc\fR
.PP
.in +4n
.EX
\&.d
.EE
.in
.PP
.in +4n
.EX
e \(rsf
.EE
.in
.SH "L"
.TP
\fB\-n N\fR
\&.g
.TP
\(bu 2
h i
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

// groff has nothing to complain of, and what is to be copied is what was written.
func TestManPagesAreShown(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("groff"); err != nil {
		rightstest.Without(t, "groff")
	}
	for name, want := range map[string]string{
		programManual:  "sudo bgswitch to green --reason 'release 42'\n",
		settingsManual: `{url: "http://127.0.0.1:3002/version", field: build.version}` + "\n",
	} {
		if shown := formatted(t, manPage(t, name)); !strings.Contains(shown, "NAME\n") || !strings.Contains(shown, want) {
			t.Errorf("%s is shown as\n%s", name, shown)
		}
	}
}

// bgswitch(1) has each command, flag and exit code; what it shows can be copied.
func TestManPageOfTheProgram(t *testing.T) {
	t.Parallel()
	text := manPage(t, programManual)
	for name, c := range everyCommand() {
		if c.Hidden {
			continue
		}
		var want []string
		want = append(want, `.SS "`+escaped(c.line(name))+`"`)
		for _, flag := range append(c.own, c.common...) {
			want = append(want, `\fB`+escaped(flagTerm(flag).name)+`\fR`)
		}
		for _, e := range c.examples {
			want = append(want, "\n"+escaped(e.line)+"\n")
		}
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is missing", name, part)
			}
		}
	}
	for _, e := range exits {
		if !strings.Contains(text, escaped(e.meaning)) {
			t.Errorf("exit code %d is missing", e.code)
		}
	}
}

// bgswitch.yaml(5) has each setting, and says something of it.
func TestManPageOfTheSettings(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for _, c := range settingsPage() {
		told[strings.ToLower(c.title)] = true
		for _, b := range c.passages {
			for _, term := range b.terms {
				for _, word := range all(term.name+" "+term.text, `\b([a-z0-9_]+)\b`) {
					told[word] = true
				}
				if strings.TrimSpace(term.text) == "" {
					t.Errorf("%s says nothing", term.name)
				}
			}
			for _, key := range all(strings.Join(append(b.shown, b.text), "\n"), `\b([a-z0-9_]+):`) {
				told[key] = true
			}
		}
	}
	for key := range everyKey() {
		if !told[key] {
			t.Errorf("%s is missing", key)
		}
	}
}

// An example becomes chapters, lists, paragraphs and what stays as it is.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	exampleOf(`# What the file
# is.

# one: 1   # the first

sites:
  app:
    file: /a   # what decides
    # Told of check.
    check:     # how to ask
      # path: /
      timeout: 2s   # for each: at most
    # bake:
    #   for: 5m   # how long
    #   # {url: "http://x/#a"}   # or this

  # A second one
  # of them:
  # shop:
  #   file: /b   # stays

verify:   # by cron
  rise: 2   # good ones
`).print(&got)
	want := `DESCRIPTION
   What the file is.

ONE
   one: 1  the first

SITES
   file: /a  what decides

   Told of check.

   check:                how to ask
   check.path: /
   check.timeout: 2s     for each: at most
   bake.for: 5m          how long
   {url: "http://x/#a"}  or this

   A second one of them:

   shop:
     file: /b   # stays

VERIFY
   verify:         by cron
   verify.rise: 2  good ones
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}
