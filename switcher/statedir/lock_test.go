package statedir

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const insideVariable = "BGSWITCH_TEST_INSIDE"

// inside runs the calling test once more, in a process with other rights, and
// says whether this is that process.
func inside(t *testing.T, attributes *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv(insideVariable) == t.Name() {
		return true
	}
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), insideVariable+"="+t.Name(), "TMPDIR=/tmp")
	again.Dir, again.SysProcAttr = "/", attributes
	said, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(said, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("inside, the test did not pass: %v\n%s", err, said)
	}
	return false
}

// insideMounts is inside with mounts of its own; without root, in a user
// namespace of its own.
func insideMounts(t *testing.T) bool {
	t.Helper()
	attributes := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attributes = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	return inside(t, attributes)
}

// nobody is a user without rights, for inside.
func nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

func wantBusy(t *testing.T, err error) Holder {
	t.Helper()
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Fatalf("error %v, want a BusyError", err)
	}
	return busy.Holder
}

func TestLock(t *testing.T) {
	t.Parallel()
	f := folder(t)
	if _, held, err := f.Held(); held || err != nil {
		t.Fatalf("held before anything: %v, %v", held, err)
	}
	if _, err := os.Lstat(f.Path); !os.IsNotExist(err) {
		t.Errorf("asking made the folder: %v", err)
	}
	lock, err := f.Lock(t.Context(), 0, "to green")
	must(t, err)
	_, err = f.Lock(t.Context(), 0, "to blue")
	if by := wantBusy(t, err); by.PID != os.Getpid() || by.Command != "to green" || time.Since(by.Since) > time.Minute {
		t.Errorf("held by %+v", by)
	}
	if by, held, err := f.Held(); err != nil || !held || by.Command != "to green" {
		t.Errorf("held: %v by %+v, %v", held, by, err)
	}
	must(t, lock.Unlock())
	must(t, lock.Unlock()) // again does no harm
	if by, held, err := f.Held(); err != nil || held || by != (Holder{}) {
		t.Errorf("held after it was let go: %v by %+v, %v", held, by, err)
	}
	lock, err = f.Lock(t.Context(), 0, "back")
	must(t, err)
	must(t, lock.Unlock())
}

func TestLockWaits(t *testing.T) {
	t.Parallel()
	f := folder(t)
	first, err := f.Lock(t.Context(), 0, "to green")
	must(t, err)
	got := make(chan error)
	go func() {
		second, err := f.Lock(t.Context(), time.Minute, "to blue")
		if err == nil {
			err = second.Unlock()
		}
		got <- err
	}()
	must(t, first.Unlock())
	must(t, <-got)
}

func TestTryLock(t *testing.T) {
	t.Parallel()
	f := folder(t)
	lock, err := f.TryLock("verify.lock")
	must(t, err)
	_, err = f.TryLock("verify.lock")
	if by := wantBusy(t, err); !IsBusy(err) || by.PID != os.Getpid() {
		t.Errorf("error %v", err)
	}
	if _, held, err := f.Held(); held || err != nil {
		t.Errorf("the lock of the site is held: %v, %v", held, err)
	}
	switching, err := f.Lock(t.Context(), 0, "to green")
	must(t, err)
	must(t, errors.Join(switching.Unlock(), lock.Unlock()))
	lock, err = f.TryLock("verify.lock")
	must(t, err)
	must(t, lock.Unlock())
	if IsBusy(nil) || IsBusy(os.ErrExist) {
		t.Error("another error is taken for busy")
	}
}

func TestLockStopsWaiting(t *testing.T) {
	t.Parallel()
	f := folder(t)
	lock, err := f.Lock(t.Context(), 0, "to green")
	must(t, err)
	defer lock.Unlock()
	began := time.Now()
	_, err = f.Lock(t.Context(), 150*time.Millisecond, "to blue")
	wantBusy(t, err)
	if took := time.Since(began); took < 150*time.Millisecond || took > 10*time.Second {
		t.Errorf("it waited %s", took)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Lock(interrupted, time.Minute, "to blue"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// Only one of many has the lock at any time.
func TestLockExcludes(t *testing.T) {
	t.Parallel()
	f := folder(t)
	var inside, most atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				lock, err := f.Lock(t.Context(), time.Minute, "to green")
				if err != nil {
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				inside.Add(-1)
				if err := lock.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d had it at once", most.Load())
	}
}

// Who only asks keeps nobody from the lock.
func TestAskingKeepsNobodyAway(t *testing.T) {
	t.Parallel()
	f := folder(t)
	must(t, f.Create())
	must(t, os.WriteFile(f.file(lockFile), nil, fileMode))
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := f.Held(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		lock, err := f.Lock(t.Context(), 0, "to green")
		if err != nil {
			t.Errorf("nobody had it: %v", err)
			break
		}
		must(t, lock.Unlock())
	}
	cancel()
	asking.Wait()
}

// TestHoldLock is the process that holdLock starts.
func TestHoldLock(t *testing.T) {
	path := os.Getenv("BGSWITCH_TEST_HOLD")
	if path == "" {
		return
	}
	_, err := Folder{path}.Lock(t.Context(), 0, "to green")
	must(t, err)
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	must(t, err)
}

func holdLock(t *testing.T, f Folder) *exec.Cmd {
	t.Helper()
	holder := exec.Command("/proc/self/exe", "-test.run=^TestHoldLock$")
	holder.Env = append(os.Environ(), "BGSWITCH_TEST_HOLD="+f.Path)
	stdin, err := holder.StdinPipe()
	must(t, err)
	stdout, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	t.Cleanup(func() { stdin.Close(); _ = holder.Wait() })
	if said, err := bufio.NewReader(stdout).ReadString('\n'); said != "held\n" {
		t.Fatalf("the holder said %q (%v)", said, err)
	}
	return holder
}

func TestLockOfAKilledHolder(t *testing.T) {
	t.Parallel()
	f := folder(t)
	holder := holdLock(t, f)
	_, err := f.Lock(t.Context(), 0, "to blue")
	if by := wantBusy(t, err); by.PID != holder.Process.Pid || by.Command != "to green" {
		t.Errorf("held by %+v, want process %d", by, holder.Process.Pid)
	}
	must(t, holder.Process.Kill())
	_ = holder.Wait()
	if _, held, err := f.Held(); held || err != nil {
		t.Errorf("held by the dead: %v, %v", held, err)
	}
	left, err := os.ReadFile(f.file(lockFile))
	if err != nil || !strings.Contains(string(left), "to green") {
		t.Fatalf("the killed one left no note: %q, %v", left, err)
	}
	if by := f.holder(lockFile); by.PID != 0 {
		t.Errorf("the note of the dead names %+v", by)
	}
	lock, err := f.Lock(t.Context(), 0, "to blue")
	must(t, err)
	must(t, lock.Unlock())
}

func TestNotesThatNameNobody(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"pid":1,"comm`, "garbage": "\x00\x00", "no pid": `{"command":"x"}`, "negative": `{"pid":-1,"command":"x"}`,
		"dead": `{"pid":4194303,"command":"x"}`, "another shape": `[1]`, "huge": `{"pid":1,"command":"` + strings.Repeat("x", noteLimit) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			must(t, f.Create())
			must(t, os.WriteFile(f.file(lockFile), []byte(text), fileMode))
			if by := f.holder(lockFile); by != (Holder{}) {
				t.Errorf("%q names %+v", text, by)
			}
			if said := (&BusyError{f.holder(lockFile)}).Error(); !strings.Contains(said, "did not leave its name") {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestNoteCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	f := folder(t)
	lock, err := f.Lock(t.Context(), 0, "to \x1b[2J\ngreen")
	must(t, err)
	defer lock.Unlock()
	if by := f.holder(lockFile); by.Command != "to ?[2J?green" {
		t.Errorf("command %q", by.Command)
	}
}
