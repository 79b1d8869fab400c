package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// mutant is one change of the program that a test has to notice.
type mutant struct {
	name, why string
	file      string   // below the top of the tree
	old       []string // lines, without their indentation: once in the file
	new       []string // what comes in their place
	tests     []tests  // that notice
}

// tests are those of a package that match a pattern, as go test has it.
type tests struct{ pkg, pattern string }

func (m mutant) String() string { return m.name + ": " + m.why }

// readList reads a list of mutants. All mistakes in it are told by their line.
func readList(path string) ([]mutant, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []mutant
	at := 0
	for line := range strings.Lines(string(text)) {
		at++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		if key == "mutant" {
			list = append(list, mutant{})
		}
		if len(list) == 0 || !list[len(list)-1].set(key, strings.TrimSpace(value)) {
			return nil, fmt.Errorf("%s:%d: not understood: %s", path, at, line)
		}
	}
	return list, complete(list)
}

func (m *mutant) set(key, value string) bool {
	switch key {
	case "mutant":
		m.name = value
	case "why":
		m.why = value
	case "file":
		m.file = value
	case "old":
		m.old = append(m.old, value)
	case "new":
		m.new = append(m.new, value)
	case "test":
		pkg, pattern, _ := strings.Cut(value, " ")
		m.tests = append(m.tests, tests{pkg, strings.TrimSpace(pattern)})
	default:
		return false
	}
	return true
}

func complete(list []mutant) error {
	named := map[string]bool{}
	for _, m := range list {
		if m.name == "" || m.why == "" || m.file == "" || m.old == nil || m.new == nil || m.tests == nil {
			return fmt.Errorf("mutant %q: it needs a name, why, file, old, new and test", m.name)
		}
		if named[m.name] {
			return fmt.Errorf("mutant %q is there twice", m.name)
		}
		named[m.name] = true
	}
	return nil
}

// apply returns the file as it is, and as the mutant has it. What is to change
// has to stand there once.
func (m mutant) apply(top string) (before, after []byte, err error) {
	before, err = os.ReadFile(filepath.Join(top, m.file))
	if err != nil {
		return nil, nil, err
	}
	found := m.finder().FindAllIndex(before, -1)
	if len(found) != 1 {
		return nil, nil, fmt.Errorf("mutant %s: `%s` stands in %s %d times, not once: mend the list", m.name, strings.Join(m.old, " "), m.file, len(found))
	}
	from, to := found[0][0], found[0][1]
	after = append(append(append(after, before[:from]...), strings.Join(m.new, "\n")...), before[to:]...)
	return before, after, nil
}

func (m mutant) finder() *regexp.Regexp {
	lines := make([]string, len(m.old))
	for i, line := range m.old {
		lines[i] = regexp.QuoteMeta(line)
	}
	return regexp.MustCompile(strings.Join(lines, `\n[\t ]*`))
}
