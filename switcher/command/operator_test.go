package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// A command is told what there is to tell, as one line each.
func TestOperatorIsTold(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	script := `echo "$BGSWITCH_SITE|$BGSWITCH_REASON" >` + out
	if err := Operator(t.Context(), time.Minute, shell(script), []Told{{"SITE", "shop"}, {"REASON", "two\nlines\x1b[2J"}}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(out); err != nil || string(text) != "shop|two lines?[2J\n" {
		t.Errorf("it was told %q, %v", text, err)
	}
}

// What it says last is what is repeated, however much it says.
func TestOperatorSaysLast(t *testing.T) {
	t.Parallel()
	err := Operator(t.Context(), time.Minute, shell(`yes | head -c 100000000; printf 'the \033[2J end\n'; exit 9`), nil)
	if !Exited(err) || !strings.HasPrefix(err.Error(), "exit status 9: ...") || !strings.HasSuffix(err.Error(), "y y the ?[2J end") || len(err.Error()) > 500 {
		t.Errorf("%v", err)
	}
}

// What it leaves in the background is no error, and does not hold it up, even
// where its output is ours.
func TestOperatorLeavesSomebody(t *testing.T) {
	t.Parallel()
	left := filepath.Join(t.TempDir(), "left")
	began := time.Now()
	err := Operator(t.Context(), time.Minute, shell(fmt.Sprintf("sleep 600 & echo $! >%s", left)), nil)
	if took := time.Since(began); err != nil || took > 20*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	text, err := os.ReadFile(left)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Errorf("what it left is gone: %v", err)
	}
}

// With its time, it ends, and whatever it has begun.
func TestOperatorIsLate(t *testing.T) {
	t.Parallel()
	began := time.Now()
	err := Operator(t.Context(), 300*time.Millisecond, shell("echo waiting; sleep 600 & wait"), nil)
	if err == nil || err.Error() != "it took longer than 0.3s, and was ended: waiting" || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = Operator(ctx, time.Minute, shell("echo waiting; sleep 600 & wait"), nil)
	if !errors.Is(err, ErrEnded) || err.Error() != "it was ended: waiting" || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
