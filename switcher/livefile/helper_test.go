package livefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	blue  = "upstream myapp {\n    server 127.0.0.1:3001;\n}\n"
	green = "upstream myapp {\n    server 127.0.0.1:3002;\n}\n"
)

func write(t *testing.T, path, content string) string {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func read(t *testing.T, named string) *File {
	t.Helper()
	f, err := Read(named)
	must(t, err)
	return f
}

// live makes a live file that says blue, in a folder of its own.
func live(t *testing.T) *File {
	t.Helper()
	return read(t, write(t, filepath.Join(t.TempDir(), "active.conf"), blue))
}

func prepared(t *testing.T, old *File) *Replacement {
	t.Helper()
	r := New(old, []byte(green), false, "")
	must(t, r.Prepare())
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want one that wraps %v", err, want)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	if string(got) != want {
		t.Fatalf("%s holds %q, want %q", path, got, want)
	}
}

// wantAlone says that nothing stands beside the live file.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, entry := range entries {
		if entry.Name() != filepath.Base(path) {
			t.Errorf("%s stands beside %s", entry.Name(), path)
		}
	}
}

func mountAt(t *testing.T, what, where, kind string, flags uintptr, options string) {
	t.Helper()
	if err := unix.Mount(what, where, kind, flags, options); err != nil {
		t.Fatalf("mount %s at %s: %v", kind, where, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(where, unix.MNT_DETACH) })
}

// mountVariable names, for TestWaitInNamespace, what startInNamespace wants.
const mountVariable = "BGSWITCH_TEST_MOUNT"

// startInNamespace starts a process that waits, with mounts of its own: source
// is mounted at the file, and root is its root.
func startInNamespace(t *testing.T, source, at, root string) (pid int) {
	t.Helper()
	other := exec.Command("/proc/self/exe", "-test.run=^TestWaitInNamespace$")
	other.Env = append(os.Environ(), mountVariable+"="+strings.Join([]string{source, at, root}, ":"))
	other.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	stdin, err := other.StdinPipe()
	must(t, err)
	stdout, err := other.StdoutPipe()
	must(t, err)
	must(t, other.Start())
	t.Cleanup(func() { stdin.Close(); _ = other.Wait() })
	said, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || said != "ready\n" {
		t.Fatalf("the other process said %q (%v)", said, err)
	}
	return other.Process.Pid
}

// TestWaitInNamespace is the process that startInNamespace starts.
func TestWaitInNamespace(t *testing.T) {
	mount, ok := os.LookupEnv(mountVariable)
	if !ok {
		return
	}
	paths := strings.Split(mount, ":")
	must(t, unix.Mount(paths[0], paths[1], "", unix.MS_BIND, ""))
	must(t, unix.Chroot(paths[2]))
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	must(t, err)
}

// linked is a replacement on a file system that cannot exchange, if byLink.
func linked(r *Replacement, byLink bool) *Replacement {
	r.byLink = byLink
	return r
}

// putBackLeft restores what a killed run left, and says whether it was needed.
func putBackLeft(l Leftover) (back bool, err error) {
	live := l.Live
	was, err := Read(live)
	if err != nil {
		return false, err
	}
	r, err := l.Replacement()
	if err != nil || r == nil {
		return false, err
	}
	if err := r.Restore(); err != nil && !errors.Is(err, ErrChanged) {
		return false, err
	}
	now, err := Read(live)
	return err == nil && now.Hash() != was.Hash(), err
}

// leftBy is what a run left that was killed during a replacement.
func leftBy(r *Replacement, kept string) Leftover {
	return Leftover{Live: r.Old.Path, Kept: kept, Before: r.Old.Hash(), After: r.after(), InPlace: r.InPlace, Link: r.Old.link, Led: string(r.Old.Bytes)}
}

// left are our files beside a live file.
func left(t *testing.T, live string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(live), ".*"+mark+"*"))
	must(t, err)
	return found
}
