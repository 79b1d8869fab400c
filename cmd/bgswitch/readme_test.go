package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bgswitch/health"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/verify"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

const top = "../.."

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// part is the only match of a pattern's group.
func part(t *testing.T, text, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("%d places match %s, want 1", len(found), pattern)
	}
	return found[0][1]
}

// all lists what the pattern's group matches.
func all(text, pattern string) []string {
	var list []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		list = append(list, match[1])
	}
	return list
}

// The settings of the README can be used, show every setting there is, and say
// the truth about the defaults.
func TestReadmeSettings(t *testing.T) {
	t.Parallel()
	block := part(t, readme(t), "(?s)```yaml\n(.*?)```")
	got, err := newReader().parse("README.md", []byte(block))
	if err != nil {
		t.Fatal(err)
	}
	r := newReader()
	_ = r.document([]byte(block)).settings()
	for key := range r.known {
		if !regexp.MustCompile(`(?m)[ {]` + key + `:|^` + key + `:`).MatchString(block) {
			t.Errorf("the setting %s is not shown", key)
		}
	}
	if got.stateDir != defaultStateDir {
		t.Errorf("state_dir is %s, the default %s", got.stateDir, defaultStateDir)
	}
	if diff := cmp.Diff(verify.Defaults(), got.verify); diff != "" {
		t.Errorf("verify (-default +README):\n%s", diff)
	}
	site := got.sites[0]
	if diff := cmp.Diff(health.Defaults(), site.Check, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("check (-default +README):\n%s", diff)
	}
	if site.Files[0].Path != defaultFile {
		t.Errorf("file is %s, the default %s", site.Files[0].Path, defaultFile)
	}
}

// The table of exit codes is that of the program's help, word by word.
func TestReadmeExitCodes(t *testing.T) {
	t.Parallel()
	type row struct{ Code, Meaning, Traffic string }
	var want, got []row
	for _, e := range exits {
		want = append(want, row{strconv.Itoa(e.code), e.meaning, e.traffic})
	}
	for _, match := range regexp.MustCompile(`(?m)^\| (\d+) \| (.+?) \| (.+?) \|$`).FindAllStringSubmatch(readme(t), -1) {
		got = append(got, row{match[1], match[2], match[3]})
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 12 {
		t.Errorf("exit codes (-help +README):\n%s", diff)
	}
}

// The README types no flag that is not there.
func TestReadmeFlags(t *testing.T) {
	t.Parallel()
	text := readme(t)
	known := map[string]bool{}
	for _, command := range newApp(io.Discard, io.Discard).Commands {
		for _, flag := range command.Flags {
			known[typed(flag)] = true
		}
	}
	for _, line := range all(text, `(?m)^(.*\bbgswitch (?:to|back|status|check|drain|history|verify) .*)$`) {
		for _, flag := range all(line, ` (--[a-z-]+)`) {
			if !known[flag] {
				t.Errorf("there is no flag %s: %s", flag, line)
			}
		}
	}
}

func typed(flag cli.Flag) string {
	if name := flag.Names()[0]; len(name) > 1 {
		return "--" + name
	}
	return "-" + flag.Names()[0]
}

// The steps of the README are those that a switch takes, in their order: this
// one confirms, and has a test of its own, so that none is left out.
func TestReadmeSteps(t *testing.T) {
	t.Parallel()
	site, err := nginxtest.StartSite(t.TempDir(), nginxtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	settings := strings.Replace(site.SettingsText(site.ConfirmText()+"    before: [/bin/true]\n    after: [/bin/true]\n"), "nginx:\n", "nginx:\n  test: [\"true\"]\n", 1)
	if err := os.WriteFile(site.Settings, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"bgswitch", "to", "green", "--dry-run", "--json", "--config", site.Settings}, &stdout, &stderr); code != exitDone {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	var planned switchObject
	if err := json.Unmarshal(stdout.Bytes(), &planned); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, step := range planned.Steps {
		want = append(want, step.Step)
	}
	want = append(want, planned.Would...)
	if diff := cmp.Diff(want, all(readme(t), "(?m)^\\d+\\. `(.+?)`: ")); diff != "" {
		t.Errorf("steps (-program +README):\n%s", diff)
	}
}

// Tests, scripts and files that are named are there; so are the tasks.
func TestReadmeNames(t *testing.T) {
	t.Parallel()
	text, tests := readme(t), testNames(t)
	named := all(text, "`((?:Test|Fuzz)[A-Z]\\w+)`")
	for _, name := range named {
		if !slices.Contains(tests, name) {
			t.Errorf("there is no test %s", name)
		}
	}
	scripts := all(text, "`(\\w[\\w-]*\\.txtar)`")
	for _, script := range scripts {
		exists(t, filepath.Join("testdata/script", script))
	}
	files := all(text, "`((?:cmd|switcher|nginxconf|health|examples)/[\\w./-]+)`")
	for _, file := range files {
		exists(t, filepath.Join(top, file))
	}
	if len(named) < 10 || len(scripts) < 5 || len(files) < 20 {
		t.Errorf("only %d tests, %d scripts, %d files found", len(named), len(scripts), len(files))
	}
}

func exists(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		names = append(names, all(string(source), `(?m)^func ((?:Test|Fuzz)\w+)\(`)...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestReadmeTasks(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(top, "Taskfile.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Tasks map[string]any }
	if err := yaml.Unmarshal(source, &file); err != nil {
		t.Fatal(err)
	}
	delete(file.Tasks, "default")
	rows := all(readme(t), "(?m)^\\| `task ([\\w-]+)` \\|")
	for _, row := range rows {
		if _, ok := file.Tasks[row]; !ok {
			t.Errorf("there is no task %s", row)
		}
	}
	if len(rows) != len(file.Tasks) {
		t.Errorf("the README shows %d tasks, there are %d", len(rows), len(file.Tasks))
	}
}

// The rule for sudo is that of the file that is there to be installed.
func TestReadmeSudoers(t *testing.T) {
	t.Parallel()
	rule := part(t, readme(t), `(?m)^(deploy ALL=.+)$`)
	installed, err := os.ReadFile(filepath.Join(top, "examples/sudoers.d/bgswitch"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal("examples/sudoers.d/bgswitch is missing")
	}
	words := func(text string) string { // a rule may go on in the next line
		return strings.Join(strings.Fields(strings.ReplaceAll(text, "\\\n", " ")), " ")
	}
	if !strings.Contains(words(string(installed)), words(rule)) {
		t.Errorf("the README's rule is not in examples/sudoers.d/bgswitch:\n%s", rule)
	}
}

// With a C compiler about, what is built would load libraries, and those what the
// files of a container name.
func TestBuiltWithoutLibraries(t *testing.T) {
	t.Parallel()
	task, err := os.ReadFile(filepath.Join(top, "Taskfile.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all(readme(t)+string(task), `\n(.*go build .*cmd/bgswitch)\n`) {
		if !strings.Contains(line, "CGO_ENABLED=0 go build") {
			t.Errorf("not by itself: %s", line)
		}
	}
}
