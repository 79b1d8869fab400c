package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func (v *victim) watch(flags ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(v.t.Context(), 2*patience)
	v.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, v.program, append([]string{"status", "--watch", "--config", v.Settings}, flags...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=")
	return cmd
}

func (v *victim) unconfirmed() {
	v.t.Helper()
	if err := os.WriteFile(v.Settings, []byte(v.SettingsText("")), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

func has(parts ...string) func(string) bool {
	return func(shown string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(shown, part) })
	}
}

// On a terminal the status stands in its place, whatever is typed and however
// large the window is; what changed is marked, and Ctrl-C leaves it there.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.unconfirmed()
	cmd := v.watch()
	s := onScreen(t, 24, 100, cmd)
	shown := s.until("the status", has("  myapp  blue by the file", "\n    green    "+v.Green.Addr, "Ctrl-C"))
	if !strings.HasPrefix(shown, "  myapp  ") || strings.Contains(shown, "*") {
		t.Errorf("at first it shows\n%s", shown)
	}
	height := strings.Count(shown, "\n")

	v.Green.Sicken(true)
	shown = s.until("what changed", has("\n*   green    "))
	if strings.Count(shown, "*") != 1 || strings.Count(shown, "\n") != height {
		t.Errorf("with green sick it shows\n%s", shown)
	}
	s.types("\n\n\nhello\n")
	s.until("what was typed, and nothing of it a moment later", func(shown string) bool {
		return s.wrote("hello") && !strings.Contains(shown, "hello") && strings.Count(shown, "myapp") == 1 && strings.HasPrefix(shown, "  myapp  ")
	})

	s.resize(5, 30)
	shown = s.until("the beginning", has(" more lines"))
	for line := range strings.Lines(shown) {
		if len(line) > 31 || strings.Count(shown, "\n") > 3 {
			t.Errorf("in a small window it shows\n%s", shown)
		}
	}
	s.resize(24, 100)
	s.until("the whole", func(shown string) bool { return strings.Count(shown, "\n") == height && has("myapp", "Ctrl-C")(shown) })

	before := s.shows()
	s.types("\x03")
	err := cmd.Wait()
	<-s.ended
	if err != nil {
		t.Errorf("Ctrl-C ends it with %v", err)
	}
	if after := s.shows(); strings.Count(after, "\n") != strings.Count(before, "\n") || strings.Contains(after, "^C") || s.row != height+1 || s.col != 0 {
		t.Errorf("it leaves\n%s\nand the cursor at %d, %d", after, s.row, s.col)
	}
	if len(s.unknown) > 0 || s.noWrap {
		t.Errorf("lines are not wrapped any more: %v; not known: %v", s.noWrap, s.unknown)
	}
}

// What the screen showed before can be scrolled back to.
func TestWatchKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.unconfirmed()
	cmd := exec.Command("sh", "-c", `echo "precious words"; exec "$0" status --watch --config "$1"`, v.program, v.Settings)
	cmd.Env = append(os.Environ(), "TERM=xterm")
	s := onScreen(t, 24, 80, cmd)
	s.until("the status", has("Ctrl-C"))
	s.lock.Lock()
	kept := slices.Contains(s.scrolled, "precious words")
	s.lock.Unlock()
	if !kept || strings.Contains(s.shows(), "precious") {
		t.Errorf("%q has left the screen, which shows\n%s", s.scrolled, s.shows())
	}
	// A session that ends, ends it.
	if err := s.ours.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("without a terminal it ends with %v", err)
	}
}

// Elsewhere each change is a block of its own, or an object.
func TestWatchElsewhere(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.unconfirmed()
	blocks, objects := v.watch(), v.watch("--json")
	out, err := blocks.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := objects.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []*exec.Cmd{blocks, objects} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	read, lines := bufio.NewReader(out), bufio.NewReader(stream)
	first, healthy := block(t, read), object(t, lines)
	v.Green.Sicken(true)
	second, sick := block(t, read), object(t, lines)
	if strings.Contains(first, "*") || strings.Contains(first+second, "\x1b") || strings.Count(second, "\n*   green    ") != 1 || strings.Count(second, "*") != 1 {
		t.Errorf("it prints\n%s\nand then\n%s", first, second)
	}
	if _, err := time.Parse("2006-01-02 15:04:05 MST", strings.SplitN(first, "\n", 2)[0]); err != nil {
		t.Error(err)
	}
	if !healthy.Sites[0].Green.Healthy || sick.Sites[0].Green.Healthy || !sick.Time.After(healthy.Time.Add(watchEvery/2)) {
		t.Errorf("green is %+v, and then %+v", healthy.Sites[0].Green, sick.Sites[0].Green)
	}
	// One is interrupted; the other's reader goes away.
	if err := blocks.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(read); err != nil || len(rest) > 0 {
		t.Errorf("nothing has changed, and it prints %s, %v", rest, err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	for _, cmd := range []*exec.Cmd{blocks, objects} {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v ends with %v", cmd.Args, err)
		}
	}
}

// block reads to the end of a block.
func block(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	var text strings.Builder
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

func object(t *testing.T, from *bufio.Reader) (o struct {
	Time  time.Time
	Sites []struct{ Green struct{ Healthy bool } }
}) {
	t.Helper()
	line, err := from.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &o)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return o
}
