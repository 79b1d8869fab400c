package rightstest

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a whole run of the tests did not test, and for want of what: `task test`
// ends with this one. The tests of one reason stand in one line.
func TestWhatWasNotTested(t *testing.T) {
	text, err := os.ReadFile(os.Getenv(lackingVariable))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, line := range lacking(string(text)) {
		t.Log(line)
	}
}

func lacking(text string) (lines []string) {
	tests := map[string][]string{}
	for line := range strings.Lines(text) {
		what, test, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if !slices.Contains(tests[what], test) {
			tests[what] = append(tests[what], test)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(tests)) {
		lines = append(lines, "not tested without "+what+": "+strings.Join(slices.Sorted(slices.Values(tests[what])), ", "))
	}
	return lines
}

func TestLacking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lacking")
	t.Setenv(lackingVariable, path)
	for _, name := range []string{"b", "a"} {
		if !t.Run(name, func(t *testing.T) {
			Needs(t, Right{"a", func() bool { return true }}, Right{"wings", func() bool { return false }})
		}) {
			t.Error("it is not skipped")
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"not tested without wings: TestLacking/a, TestLacking/b"}
	if got := lacking(string(text)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
