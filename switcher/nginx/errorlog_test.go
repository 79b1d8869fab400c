package nginx

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever may write where the log is puts something else there at any moment:
// nothing but a regular file is opened.
func TestLogIsSwapped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, other := filepath.Join(dir, "log"), filepath.Join(dir, "other")
	conf := fmt.Sprintf("error_log %s;", log)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644), os.WriteFile(log, nil, 0o644), unix.Mkfifo(other, 0o644)); err != nil {
		t.Fatal(err)
	}
	var swapping sync.WaitGroup
	stop := make(chan struct{})
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, log, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			}
		}
	})
	defer swapping.Wait()
	defer close(stop)
	open := (&Nginx{Conf: filepath.Join(dir, "conf")}).openLog(&Master{PID: os.Getpid()})
	opened := 0
	for range 20000 {
		file, err := open()
		if err != nil {
			continue
		}
		opened++
		info, err := file.Stat()
		_ = file.Close()
		if err != nil || !info.Mode().IsRegular() {
			t.Fatalf("%v was opened: %v", info.Mode(), err)
		}
	}
	if opened == 0 {
		t.Error("the log was never opened")
	}
}

// Whoever else writes to the log writes as much as he likes, in lines of any
// length: little of it is kept, and what nginx says is heard all the same.
func TestLogWithoutBounds(t *testing.T) {
	t.Parallel()
	l := &errorLog{master: 7, ours: map[int]bool{7: true}}
	for range 10 {
		l.take(strings.Repeat("x", logReadLimit))
	}
	if len(l.rest) > logReadLimit {
		t.Errorf("%d bytes of a line are kept", len(l.rest))
	}
	const others = "2026/01/01 00:00:00 [alert] 8#8: of another\n"
	l.take("\n2026/01/01 00:00:00 [emerg] 7#7: the reason\n")
	l.take(strings.Repeat(others, 20000))
	l.take("2026/01/01 00:00:00 [alert] 7#7: worker 9 cannot be respawned\n")
	l.take(strings.Repeat(others, 20000))
	if len(l.lines) > 1000 {
		t.Errorf("%d lines are kept", len(l.lines))
	}
	l.open = func() (*os.File, error) { return nil, os.ErrNotExist }
	if said := l.said(); !slices.Equal(said, []string{"[emerg] the reason", "[alert] worker 9 cannot be respawned"}) {
		t.Errorf("said: %q", said)
	}
}

// Anybody may run a process whose arguments are of many megabytes.
func TestTitleWithoutBounds(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	zeros := strings.Repeat("0", 100<<10)
	for name, limit := range map[string]int{"nginx: master process": 128 << 10, "other": 0} {
		process := exec.Command(sleep, "1000", zeros, zeros, zeros, zeros, zeros)
		process.Args[0] = name
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = process.Process.Kill()
			_ = process.Wait()
		})
		p, err := readProcess(process.Process.Pid)
		if err != nil || !strings.HasPrefix(p.title, name) || len(p.title) > limit+8192 {
			t.Errorf("%s: a title of %d bytes, %v", name, len(p.title), err)
		}
	}
}
