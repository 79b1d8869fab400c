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

// hasTest says whether every test that a pattern names is in a package.
func hasTest(t *testing.T, folder, pattern string) bool {
	t.Helper()
	for name := range strings.SplitSeq(pattern, "|") {
		name, script, isScript := strings.Cut(strings.Trim(name, "^$"), "/run/")
		if isScript {
			if _, err := os.Stat(filepath.Join(folder, "testdata/script", script+".txtar")); err != nil {
				return false
			}
			continue
		}
		name, _, _ = strings.Cut(name, "/")
		if !strings.Contains(source(t, folder), "\nfunc "+name+"(") {
			return false
		}
	}
	return true
}

// source is all of a package's tests.
func source(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
