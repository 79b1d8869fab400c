// Package rightstest runs tests with other rights than their own.
package rightstest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const insideVariable = "BGSWITCH_TEST_INSIDE"

// Inside runs the calling test once more, in a process with other rights and
// with env besides, and says whether this is that process: the test goes on
// there alone.
func Inside(t *testing.T, attributes *syscall.SysProcAttr, env ...string) bool {
	t.Helper()
	if os.Getenv(insideVariable) == t.Name() {
		return true
	}
	steps := strings.Split(t.Name(), "/")
	for i, step := range steps {
		steps[i] = "^" + regexp.QuoteMeta(step) + "$"
	}
	again := exec.Command("/proc/self/exe", "-test.run="+strings.Join(steps, "/"), "-test.v")
	again.Env = slices.Concat(os.Environ(), []string{insideVariable + "=" + t.Name(), "GOCOVERDIR=", "TMPDIR=/tmp"}, env)
	again.Dir, again.SysProcAttr = "/", attributes
	said, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(said, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("inside, the test did not pass: %v\n%s", err, said)
	}
	return false
}

// InsideMounts is Inside with mounts of its own; without root, in a user
// namespace of its own.
func InsideMounts(t *testing.T) bool {
	t.Helper()
	attributes := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attributes = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	return Inside(t, attributes)
}

// Nobody is a user without rights, for Inside.
func Nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// InsideNobody is Inside as a user without rights: root's tests run once more
// as Nobody, and those of anybody else go on as they are.
func InsideNobody(t *testing.T) bool {
	t.Helper()
	return os.Geteuid() != 0 || Inside(t, Nobody())
}

// OpenFolder is a temporary folder that other users may enter.
func OpenFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
