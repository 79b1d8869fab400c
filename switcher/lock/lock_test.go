package lock

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/trust"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
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
	path := filepath.Join(t.TempDir(), "lock")
	if _, held, err := Held(path); held || err != nil {
		t.Fatalf("held before anything: %v, %v", held, err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("asking made the file: %v", err)
	}
	held, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	_, err = Take(t.Context(), path, 0, "to blue", nil)
	if by := wantBusy(t, err); by.PID != os.Getpid() || by.Command != "to green" || time.Since(by.Since) > time.Minute {
		t.Errorf("held by %+v", by)
	}
	if by, held, err := Held(path); err != nil || !held || by.Command != "to green" {
		t.Errorf("held: %v by %+v, %v", held, by, err)
	}
	must(t, held.Release())
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("it left its file: %v", err)
	}
	if by, held, err := Held(path); err != nil || held || by != (Holder{}) {
		t.Errorf("held after it was let go: %v by %+v, %v", held, by, err)
	}
	held, err = Take(t.Context(), path, 0, "back", nil)
	must(t, err)
	must(t, held.Release())
}

// A child holds copies of our descriptors from its fork until it runs its
// program: a lock that was let go is free all the same.
func TestLockIsLetGoBesideACopy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	dup, err := unix.FcntlInt(held.File.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(dup)
	must(t, held.Leave())
	if _, held, err := Held(path); held || err != nil {
		t.Errorf("held: %v, %v", held, err)
	}
}

func TestLockWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	got := make(chan error)
	go func() {
		second, err := Take(t.Context(), path, time.Minute, "to blue", nil)
		if err == nil {
			err = second.Release()
		}
		got <- err
	}()
	must(t, first.Release())
	must(t, <-got)
}

func TestLockStopsWaiting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	defer held.Release()
	began := time.Now()
	_, err = Take(t.Context(), path, 150*time.Millisecond, "to blue", nil)
	wantBusy(t, err)
	if took := time.Since(began); took < 150*time.Millisecond || took > 10*time.Second {
		t.Errorf("it waited %s", took)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Take(interrupted, path, time.Minute, "to blue", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// Only one of many has the lock at any time.
func TestLockExcludes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	var inside, most atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				held, err := Take(t.Context(), path, time.Minute, "to green", nil)
				if err != nil {
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				inside.Add(-1)
				if err := held.Release(); err != nil {
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
	path := filepath.Join(t.TempDir(), "lock")
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := Held(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		held, err := Take(t.Context(), path, 0, "to green", nil)
		if err != nil {
			t.Errorf("nobody had it: %v", err)
			break
		}
		must(t, held.Release())
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
	_, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	must(t, err)
}

func holdLock(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	holder := exec.Command("/proc/self/exe", "-test.run=^TestHoldLock$")
	holder.Env = append(os.Environ(), "BGSWITCH_TEST_HOLD="+path)
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
	path := filepath.Join(t.TempDir(), "lock")
	holder := holdLock(t, path)
	_, err := Take(t.Context(), path, 0, "to blue", nil)
	if by := wantBusy(t, err); by.PID != holder.Process.Pid || by.Command != "to green" {
		t.Errorf("held by %+v, want process %d", by, holder.Process.Pid)
	}
	must(t, holder.Process.Kill())
	_ = holder.Wait()
	if _, held, err := Held(path); held || err != nil {
		t.Errorf("held by the dead: %v, %v", held, err)
	}
	left, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(left), "to green") {
		t.Fatalf("the killed one left no note: %q, %v", left, err)
	}
	if by := holderOf(path); by.PID != 0 {
		t.Errorf("the note of the dead names %+v", by)
	}
	held, err := Take(t.Context(), path, 0, "to blue", nil)
	must(t, err)
	must(t, held.Release())
}

func TestNotesThatNameNobody(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"pid":1,"comm`, "garbage": "\x00\x00", "no pid": `{"command":"x"}`, "negative": `{"pid":-1,"command":"x"}`,
		"dead": `{"pid":4194303,"command":"x"}`, "another shape": `[1]`, "huge": `{"pid":1,"command":"` + strings.Repeat("x", sizeLimit) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "lock")
			must(t, errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o600|os.ModeSticky)))
			if by := holderOf(path); by != (Holder{}) {
				t.Errorf("%q names %+v", text, by)
			}
			if said := (&BusyError{holderOf(path)}).Error(); !strings.Contains(said, "that left no name") {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestNoteCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Take(t.Context(), path, 0, "to \x1b[2J\ngreen", nil)
	must(t, err)
	defer held.Release()
	if by := holderOf(path); by.Command != "to ?[2J green" {
		t.Errorf("command %q", by.Command)
	}
}

// Whoever can open a lock's file can lock it: only its owner can, and what may
// be somebody else's is not taken for a lock.
func TestLockIsNobodyElses(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"all can write it": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666|os.ModeSticky))
		},
		"all can read it": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o604|os.ModeSticky))
		},
		"a second name where all can put one": func(path string) error {
			return errors.Join(os.WriteFile(path+".victim", []byte("precious"), 0o600), os.Link(path+".victim", path), os.Chmod(filepath.Dir(path), 0o777))
		},
		"a link": func(path string) error {
			return errors.Join(os.WriteFile(path+".victim", []byte("precious"), 0o600), os.Symlink(path+".victim", path))
		},
		"a fifo": func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a stranger's": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 65534, 65534), os.Chmod(path, 0o600|os.ModeSticky))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "a stranger's" {
				rightstest.Needs(t, rightstest.Root)
			}
			path := filepath.Join(t.TempDir(), "lock")
			must(t, make(path))
			if _, err := Take(t.Context(), path, 0, "to green", nil); !errors.Is(err, trust.ErrUnsafe) {
				t.Errorf("taken: %v, want one that wraps trust.ErrUnsafe", err)
			}
			if text, err := os.ReadFile(path + ".victim"); err == nil && string(text) != "precious" {
				t.Errorf("the other one now holds %q", text)
			}
		})
	}
}

// Whoever may write the folder can replace what the lock guards: he can take it.
func TestLockIsSharedWithTheFoldersOwner(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	folder := filepath.Join(t.TempDir(), "conf.d")
	must(t, errors.Join(os.Mkdir(folder, 0o755), os.Chown(folder, 65534, 65534)))
	path := filepath.Join(folder, "lock")
	held, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	defer held.Release()
	info, err := os.Stat(path)
	must(t, err)
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 65534 || info.Mode().Perm() != 0o600 {
		t.Errorf("it belongs to %d, mode %o", owner, info.Mode().Perm())
	}
}

// A name that was taken away with the lock locks nothing any more.
func TestLockOfALostName(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	must(t, os.Remove(path))
	second, err := Take(t.Context(), path, 0, "to blue", nil)
	must(t, err)
	must(t, first.Release())
	if by, held, err := Held(path); err != nil || !held || by.Command != "to blue" {
		t.Errorf("the other's name was taken away: held %v by %+v, %v", held, by, err)
	}
	must(t, second.Release())
}

// With an access list the group's bits of a folder's mode are the most that
// anybody named in it may do: they do not say that the group may write it.
func TestLockIsNotSharedByAMask(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	list := binary.LittleEndian.AppendUint32(nil, 2) // POSIX_ACL_XATTR_VERSION
	for _, entry := range []struct {
		tag, rights uint16
		id          uint32
	}{{1, 7, 1<<32 - 1}, {2, 7, 1000}, {4, 5, 1<<32 - 1}, {16, 7, 1<<32 - 1}, {32, 5, 1<<32 - 1}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.rights)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	if err := unix.Setxattr(folder, "system.posix_acl_access", list, 0); errors.Is(err, unix.ENOTSUP) {
		rightstest.Without(t, "a file system with access lists")
	} else if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "lock")
	held, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	defer held.Release()
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o: the group can hold it", info.Mode().Perm())
	}
}

// Somebody who may write the folder gives the lock's name to a file of ours, and
// takes it away again, all the time: nothing is ever written into that file.
func TestLockIsNoNameOfAnother(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path, victim := filepath.Join(folder, "lock"), filepath.Join(folder, "victim")
	must(t, errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Chmod(folder, 0o777)))
	ctx, cancel := context.WithCancel(t.Context())
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for ctx.Err() == nil {
			_ = os.Link(victim, path)
			_ = os.Remove(path)
		}
	})
	for range 2000 {
		held, err := Take(t.Context(), path, 0, "to green", nil)
		switch {
		case err == nil:
			must(t, held.Release())
		case !errors.Is(err, trust.ErrUnsafe) && !IsBusy(err):
			t.Errorf("taken: %v", err)
		}
	}
	cancel()
	swapping.Wait()
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("the file of ours now holds %q, %v", text, err)
	}
}

// Who may only see the lock, and give it a name of his own elsewhere, keeps nobody
// away.
func TestLockWithANameElsewhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	left, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	must(t, errors.Join(os.Link(path, filepath.Join(t.TempDir(), "his")), left.Leave()))
	held, err := Take(t.Context(), path, 0, "to green", nil)
	must(t, err)
	must(t, held.Release())
}

// A file that nobody made for a lock is none, whoever gave it the name.
func TestLockIsNoOtherFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
	if _, err := Take(t.Context(), path, 0, "to green", nil); !errors.Is(err, trust.ErrUnsafe) {
		t.Errorf("taken: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("it holds %q, %v", text, err)
	}
}
