package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bgswitch/examples"
	"bgswitch/health"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/verify"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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

// The settings of the README are all that a site needs, and can be used.
func TestReadmeSettings(t *testing.T) {
	t.Parallel()
	block := part(t, readme(t), "(?s)```yaml\n(.*?)```")
	got, err := newReader().parse("README.md", []byte(block))
	if err != nil {
		t.Fatal(err)
	}
	if site := got.sites[0]; site.Confirm == nil || site.Files[0].Path != defaultFile || strings.Count(block, "\n") > 12 {
		t.Errorf("%+v", site)
	}
}

// What the example of all settings shows as a default is one.
func TestExampleShowsDefaults(t *testing.T) {
	t.Parallel()
	got, err := newReader().parse("all of bgswitch.yaml", []byte(uncommented(strings.ReplaceAll(examples.Settings, "path: /healthz", "path: /"))))
	if err != nil {
		t.Fatal(err)
	}
	if got.stateDir != defaultStateDir {
		t.Errorf("state_dir is %s, the default %s", got.stateDir, defaultStateDir)
	}
	if diff := cmp.Diff(verify.Defaults(), got.verify); diff != "" {
		t.Errorf("verify (-default +example):\n%s", diff)
	}
	for _, site := range got.sites {
		if site.Name != "myapp" {
			continue
		}
		if diff := cmp.Diff(health.Defaults(), site.Check, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("check (-default +example):\n%s", diff)
		}
		if site.Files[0].Path != defaultFile {
			t.Errorf("file is %s, the default %s", site.Files[0].Path, defaultFile)
		}
	}
}

// It is read in a minute.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	if lines := strings.Count(readme(t), "\n"); lines > 150 {
		t.Errorf("the README has %d lines", lines)
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

// The steps of bgswitch(1) are those that a switch takes, in their order: this
// one confirms, and has a test of its own, so that none is left out.
func TestManualSteps(t *testing.T) {
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
	if diff := cmp.Diff(want, all(manualText(t), "(?m)^\\d+\\. `(.+?)`: ")); diff != "" {
		t.Errorf("steps (-program +manual):\n%s", diff)
	}
}

func manualText(t *testing.T) string {
	t.Helper()
	text, err := manuals.ReadFile("manual/bgswitch.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Tests, scripts and files that a page names are there; the README's promises
// each have some.
func TestPagesNameWhatIsThere(t *testing.T) {
	t.Parallel()
	tests, files := testNames(t), 0
	for path, text := range pages(t) {
		for _, name := range all(text, "`((?:Test|Fuzz)[A-Z]\\w+)`") {
			if !slices.Contains(tests, name) {
				t.Errorf("%s: there is no test %s", path, name)
			}
		}
		for _, script := range all(text, "`(\\w[\\w-]*\\.txtar)`") {
			exists(t, filepath.Join("testdata/script", script))
		}
		for _, file := range all(text, "`((?:cmd|switcher|nginxconf|health|examples)/[\\w./-]+)`") {
			files++
			exists(t, filepath.Join(top, file))
		}
		for _, link := range all(text, `\]\(([^):#]+)\)`) {
			files++
			exists(t, filepath.Join(filepath.Dir(path), link))
		}
	}
	if files < 80 {
		t.Errorf("only %d files are named", files)
	}
	promises := all(readme(t), `(?m)^\| \*\*.*\| (.*) \|$`)
	for _, shown := range promises {
		if !regexp.MustCompile("`(Test|Fuzz)[A-Z]|\\.txtar`").MatchString(shown) {
			t.Errorf("no test shows a promise: %s", shown)
		}
	}
	if len(promises) != 7 {
		t.Errorf("the README promises %d things", len(promises))
	}
}

// pages are all that is written to be read, by their paths.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{filepath.Join(top, "README.md"), filepath.Join(top, "cmd/README.md"), "manual/bgswitch.md", "manual/bgswitch.yaml.md"}
	for _, path := range filesBelow(t, examplesDir) {
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	return texts
}

// Each folder of the examples says what it is, and the list of them leaves none out.
func TestExamplesHavePages(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	list := pages(t)[filepath.Join(examplesDir, "README.md")]
	for _, folder := range folders {
		if folder.IsDir() {
			exists(t, filepath.Join(examplesDir, folder.Name(), "README.md"))
		}
		if name := folder.Name(); filepath.Ext(name) != ".go" && name != "README.md" && !strings.Contains(list, "[`"+name+"`]") {
			t.Errorf("%s is not in the list of examples", name)
		}
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

func TestTasksAreTold(t *testing.T) {
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
	rows := all(pages(t)[filepath.Join(top, "cmd/README.md")], "(?m)^\\| `task ([\\w-]+)` \\|")
	for _, row := range rows {
		if _, ok := file.Tasks[row]; !ok {
			t.Errorf("there is no task %s", row)
		}
	}
	if len(rows) != len(file.Tasks) {
		t.Errorf("cmd/README.md shows %d tasks, there are %d", len(rows), len(file.Tasks))
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
