package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every mutant on the list fits the program as it is, and so names tests that
// are there.
func TestListFits(t *testing.T) {
	t.Parallel()
	top := filepath.Join("..", "..")
	mutants, err := readList(filepath.Join(top, listFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if _, _, err := m.apply(top); err != nil {
			t.Error(err)
		}
		for _, tests := range m.tests {
			if !hasTest(t, filepath.Join(top, tests.pkg), tests.pattern) {
				t.Errorf("mutant %s: %s has no test %s", m.name, tests.pkg, tests.pattern)
			}
		}
	}
}

// hasTest says whether the first test that a pattern names is in a package.
func hasTest(t *testing.T, folder, pattern string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(strings.Trim(pattern, "^$"), "|")
	name, script, isScript := strings.Cut(name, "/run/")
	if isScript {
		_, err := os.Stat(filepath.Join(folder, "testdata/script", script+".txtar"))
		return err == nil
	}
	name, _, _ = strings.Cut(name, "/")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name) {
			return true
		}
	}
	return false
}
