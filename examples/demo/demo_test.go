package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
)

func TestDemo(t *testing.T) {
	leavesNothing(t)
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, line := range []string{
		`(?m)^\$ bgswitch status\nmyapp  blue is live and healthy$`,
		`(?m)^\$ bgswitch to green --dry-run$`,
		`(?m)^dry run: nothing was written$`,
		`(?m)^green is live, blue is idle \(.*cut over in .*, proved by identity\)$`,
		`(?m)^bgswitch: cannot find the target healthy: blue: .*503`,
		`(?m)^\(exit 3\)$`,
		`(?m)^blue is live, green is idle \(.*proved by identity\)$`,
		`(?m)^.*green to blue  unhealthy `,
		`(?m)^-    server 127\.0\.0\.1:\d+;   # do not edit by hand\n\+    server 127\.0\.0\.1:\d+;   # do not edit by hand$`,
		`(?m)^requests sent        [1-9]\d+$`,
		`(?m)^requests failed      0$`,
		`(?m)^cut-over to green    \d+\.\d ms`,
	} {
		if !regexp.MustCompile(line).MatchString(out.String()) {
			t.Errorf("no line matches %s", line)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// At each of these lines the demo is interrupted while something is under way.
func TestInterrupted(t *testing.T) {
	for _, line := range []string{"From now on", "$ bgswitch status", "$ bgswitch to green --reason", "$ bgswitch back"} {
		t.Run(line, func(t *testing.T) {
			leavesNothing(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &interrupter{at: line, cancel: cancel}
			if err := run(ctx, out); !errors.Is(err, errInterrupted) {
				t.Errorf("%v, want %v\n%s", err, errInterrupted, &out.Buffer)
			}
		})
	}
}

func TestInterruptedBeforeTheBuild(t *testing.T) {
	leavesNothing(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, &bytes.Buffer{}); !errors.Is(err, errInterrupted) {
		t.Errorf("%v, want %v", err, errInterrupted)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seen nginxtest.Counts
		end  string
		want string
	}{
		"good":       {nginxtest.Counts{Requests: 9}, "a\n", ""},
		"none sent":  {nginxtest.Counts{}, "a\n", "no request was sent"},
		"one failed": {nginxtest.Counts{Requests: 9, Failed: 1, FirstFailure: "502"}, "a\n", "1 of 9 requests failed: 502"},
		"other file": {nginxtest.Counts{Requests: 9}, "b\n", "the file is not what it was"},
	} {
		got := fmt.Sprint(verdict(c.seen, []byte("a\n"), []byte(c.end)))
		if c.want == "" && got != "<nil>" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %q", name, got, c.want)
		}
	}
}

// interrupter keeps what is written, and interrupts when it reads a line.
type interrupter struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (i *interrupter) Write(text []byte) (int, error) {
	n, err := i.Buffer.Write(text)
	if strings.Contains(i.String(), i.at) {
		i.cancel()
	}
	return n, err
}

// leavesNothing gives the test a folder for temporary files, and makes sure at
// its end that the folder is empty and that no process uses a file of it.
func leavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		if err := nginxtest.Eventually(nginxtest.Patience, func() error { return unused(dir) }); err != nil {
			t.Error(err)
		}
	})
}

func unused(dir string) error {
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		return fmt.Errorf("left in the folder: %v, %v", left, err)
	}
	open, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return err
	}
	for _, fd := range open {
		if file, err := os.Readlink(fd); err == nil && strings.HasPrefix(file, dir) {
			return fmt.Errorf("%s is %s", fd, file)
		}
	}
	return nil
}
