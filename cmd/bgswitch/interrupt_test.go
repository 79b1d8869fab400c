package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
)

// stride is how far it is from one step that is disturbed to the next.
func stride() int {
	if soaking() {
		return 1
	}
	return 3
}

func sending(signal syscall.Signal) func(pid int) {
	return func(pid int) { _ = syscall.Kill(pid, signal) }
}

// An interruption is obeyed up to the replacement, and nothing has changed
// then; from there the switch is finished or rolled back, and says which.
func TestInterruptedAtEveryStep(t *testing.T) {
	t.Parallel()
	for i, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			stop := v.steady()
			seen := map[int]int{}
			v.everyStep(i, stride(), func(p point) bool {
				workers := v.Workers()
				r := v.at(p, sending(signal), "to", "green")
				seen[r.code]++
				v.obeyed(p, r, workers)
				v.backToBlue(fmt.Sprintf("after %v at %v", signal, p))
				return r.met
			})
			stop()
			t.Logf("how often each exit code was seen: %v", seen)
			if seen[exitInterrupted] == 0 || seen[exitDone] < 4 {
				t.Errorf("the steps before and after the replacement were not both met: %v", seen)
			}
		})
	}
}

func (v *victim) obeyed(p point, r disturbed, workers []int) {
	v.t.Helper()
	what := "interrupted at " + p.String()
	if r.code == exitDone {
		v.truly(what, r.code, r.out)
		if r.met && !strings.Contains(r.out, "the switch was finished") && !mayBeLast[p.call] {
			v.t.Errorf("%s: it was finished, and does not say so: %s", what, r.out)
		}
		return
	}
	if r.code != exitInterrupted {
		v.t.Errorf("%s: exits %d: %s", what, r.code, r.out)
	}
	if got := v.whole(what); got != "blue" {
		v.t.Errorf("%s: exits %d, and the file names %s: %s", what, r.code, got, r.out)
	}
	if now := v.Workers(); !slices.Equal(now, workers) {
		v.t.Errorf("%s: exits %d, and nginx was reloaded: %s", what, r.code, r.out)
	}
	if !strings.Contains(r.out, "interrupted before anything changed") {
		v.t.Errorf("%s: exits %d and says: %s", what, r.code, r.out)
	}
	v.nothingLeft(what)
}

// mayBeLast are the calls that a switch ends with: an interruption that comes
// only then may be noticed too late to be told of.
var mayBeLast = map[string]bool{"unlinkat": true, "write": true, "fsync": true, "ftruncate": true}

// backToBlue begins the next round where the last one began; what was not
// switched has to be as it was.
func (v *victim) backToBlue(what string) {
	v.t.Helper()
	if v.whole(what) == "green" {
		v.agree(what, "blue")
		return
	}
	v.nothingLeft(what)
	if got := nginxtest.Answers(v.URL(), 3); got["blue"] != 3 {
		v.t.Errorf("%s: the file names blue, the answers are %v", what, got)
	}
}

// The end of a session, or of whoever read the output, changes nothing.
func TestHangUpAtEveryStep(t *testing.T) {
	t.Parallel()
	for i, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGPIPE} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			stop := v.steady()
			v.everyStep(i, stride(), func(p point) bool {
				what := fmt.Sprintf("%v at %v", signal, p)
				r := v.at(p, sending(signal), "to", "green")
				if r.code != exitDone || v.whole(what) != "green" {
					t.Errorf("%s: exits %d: %s", what, r.code, r.out)
				}
				v.backToBlue(what)
				return r.met
			})
			stop()
		})
	}
}

// Whoever reads along may stop after any line.
func TestReaderLeavesAfterEveryLine(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	color := switcher.Green
	for lines := range 20 {
		what := fmt.Sprintf("the reader left after %d lines", lines)
		cmd := exec.Command(v.program, "to", string(color), "--verbose")
		cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings)
		if read := v.readLines(cmd, lines); read < lines {
			if lines < 10 {
				t.Errorf("there are only %d lines: the steps are not all told", read)
			}
			break
		}
		if code := cmd.ProcessState.ExitCode(); code != exitDone {
			t.Errorf("%s: exits %d", what, code)
		}
		if got := nginxtest.Answers(v.URL(), 5); got[v.whole(what)] != 5 || got[string(color)] != 5 {
			t.Errorf("%s: the answers are %v", what, got)
		}
		color = color.Other()
	}
}

// readLines runs a program whose output nobody reads after that many lines.
func (v *victim) readLines(cmd *exec.Cmd, lines int) (read int) {
	v.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		v.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	writer.Close()
	text := bufio.NewReader(reader)
	for read < lines {
		if _, err := text.ReadString('\n'); err == io.EOF {
			break
		} else if err != nil {
			v.t.Fatal(err)
		}
		read++
	}
	reader.Close()
	_ = cmd.Wait()
	return read
}
