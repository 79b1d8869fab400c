package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bed is a copy of the tree, in which one mutant at a time is tried.
type bed struct {
	folder string // holds tree, and what the tests leave
	tree   string
	limit  time.Duration
}

// end is what a mutant came to.
type end struct {
	lives bool
	how   string
}

func (e end) String() string {
	if e.lives {
		return "IT LIVES: " + e.how
	}
	return "dies: " + e.how
}

func newBed(top string, limit time.Duration) (*bed, error) {
	folder, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	b := &bed{folder: folder, tree: filepath.Join(folder, "tree"), limit: limit}
	// What tests leave running becomes ours, and can be ended (prctl(2)).
	err = errors.Join(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), os.Chmod(folder, 0o755), b.copy(top))
	if err != nil {
		return nil, errors.Join(err, b.remove())
	}
	return b, nil
}

func (b *bed) copy(top string) error {
	entries, err := os.ReadDir(top)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(top, entry.Name()), filepath.Join(b.tree, entry.Name())
		switch {
		case entry.Name() == ".git":
		case entry.IsDir():
			err = os.CopyFS(to, os.DirFS(from))
		case entry.Type().IsRegular():
			err = copyFile(to, from)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644))
}

// sound makes sure that the whole list fits, and that the tests pass as long as
// nothing is broken.
func (b *bed) sound(ctx context.Context, mutants []mutant) error {
	patterns := map[string][]string{}
	for _, m := range mutants {
		if _, _, err := m.apply(b.tree); err != nil {
			return err
		}
		for _, t := range m.tests {
			patterns[t.pkg] = append(patterns[t.pkg], t.pattern)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(patterns)) {
		said, err := b.test(ctx, tests{pkg, strings.Join(slices.Compact(slices.Sorted(slices.Values(patterns[pkg]))), "|")})
		if err != nil {
			return fmt.Errorf("the tests of %s fail with nothing broken: %w\n%s", pkg, err, said)
		}
	}
	return nil
}

// try breaks the copy, runs the mutant's tests, and mends the copy.
func (b *bed) try(ctx context.Context, m mutant) (e end, err error) {
	before, after, err := m.apply(b.tree)
	if err != nil {
		return end{}, err
	}
	path := filepath.Join(b.tree, m.file)
	defer func() { err = errors.Join(err, os.WriteFile(path, before, 0o644)) }()
	if err := os.WriteFile(path, after, 0o644); err != nil {
		return end{}, err
	}
	for _, t := range m.tests {
		said, failed := b.test(ctx, t)
		switch {
		case ctx.Err() != nil:
			return end{}, ctx.Err()
		case strings.Contains(said, "[build failed]") || strings.Contains(said, "[setup failed]"):
			return end{lives: true, how: "it does not build: mend the list\n" + said}, nil
		case failed != nil:
			return end{how: told(said, failed)}, nil
		}
		e = end{lives: true, how: told(said, nil)}
	}
	return e, nil
}

var failure = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// told says in a few words what the tests said.
func told(said string, failed error) string {
	switch tests := failure.FindAllStringSubmatch(said, -1); {
	case strings.Contains(said, "panic: test timed out"):
		return "it hung"
	case len(tests) > 0:
		return tests[len(tests)-1][1]
	case failed != nil:
		return failed.Error()
	case strings.Contains(said, "[no tests to run]"):
		return "there is no such test"
	case strings.Contains(said, "--- SKIP"):
		return "a test was skipped"
	}
	return "its tests pass"
}

// killAfter is what go test gets beyond its own limit, to build.
const killAfter = 5 * time.Minute

// test runs tests in the copy, and ends what they leave behind.
func (b *bed) test(ctx context.Context, t tests) (said string, err error) {
	temporary := filepath.Join(b.folder, "tmp")
	if err := errors.Join(os.Mkdir(temporary, 0o755), os.Chmod(temporary, 0o777|os.ModeSticky)); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, b.cleanUp(temporary)) }()
	output, err := os.Create(filepath.Join(b.folder, "said"))
	if err != nil {
		return "", err
	}
	defer output.Close()
	ctx, cancel := context.WithTimeout(ctx, b.limit+killAfter)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-v", "-count=1", "-parallel=4", "-vet=off", "-timeout="+b.limit.String(), "-run="+t.pattern, t.pkg)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.tree, output, output
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary, "PWD="+b.tree)
	failed := cmd.Run()
	text, err := os.ReadFile(output.Name())
	return string(text), errors.Join(failed, err)
}

func (b *bed) remove() error {
	return errors.Join(b.cleanUp(b.folder))
}

// cleanUp ends what tests left running, and removes a folder with all that is
// mounted in it.
func (b *bed) cleanUp(folder string) error {
	endChildren()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], folder+"/") {
			err = errors.Join(err, unix.Unmount(fields[4], unix.MNT_DETACH))
		}
	}
	return errors.Join(err, os.RemoveAll(folder))
}

// endChildren ends what is left of this process's children and of theirs, which
// become ours when theirs end.
func endChildren() {
	for {
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, list := range lists {
			pids, _ := os.ReadFile(list)
			for _, pid := range strings.Fields(string(pids)) {
				var child int
				if _, err := fmt.Sscan(pid, &child); err == nil {
					_ = unix.Kill(child, unix.SIGKILL)
				}
			}
		}
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return // ECHILD: none is left
		}
	}
}
