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
	again := exec.Command("/proc/self/exe", justThis(t)...)
	again.Env, again.SysProcAttr = env, attributes
	passes(t, again)
	return false
}

// justThis are the arguments of a test's binary that run one test.
func justThis(t *testing.T) []string {
	steps := strings.Split(t.Name(), "/")
	for i, step := range steps {
		steps[i] = "^" + regexp.QuoteMeta(step) + "$"
	}
	return []string{"-test.run=" + strings.Join(steps, "/"), "-test.v"}
}

func passes(t *testing.T, again *exec.Cmd) {
	t.Helper()
	again.Env = slices.Concat(os.Environ(), []string{insideVariable + "=" + t.Name(), "GOCOVERDIR=", "TMPDIR=/tmp"}, again.Env)
	again.Dir = "/"
	said, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(said, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("inside, the test did not pass: %v\n%s", err, said)
	}
}

// InsideChroot is Inside where the root folder is no mount point.
func InsideChroot(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) == t.Name() {
		return true
	}
	Needs(t, Root, OwnMounts)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := slices.Concat(Chroot(t), []string{binary}, justThis(t))
	passes(t, exec.Command(argv[0], argv[1:]...))
	return false
}

// Chroot is the start of a command line that runs the rest of it, as root, with
// an empty folder for its root folder that holds all that ours does, but what
// other tests keep in the folder for temporary files: an nginx in there must not
// be taken for theirs.
func Chroot(t *testing.T) []string {
	t.Helper()
	const enter = `set -e
		for folder in /*; do
			if [ -L "$folder" ]; then cp -P "$folder" "$0/"
			elif [ -d "$folder" ]; then mkdir "$0$folder"; mount --rbind "$folder" "$0$folder"
			fi
		done
		mount -t tmpfs none "$0$1"; shift
		for own in "$1" "$2"; do mkdir -p "$0$own"; mount --bind "$own" "$0$own"; done
		shift 2
		exec chroot "$0" "$@"`
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	return []string{"unshare", "-m", "sh", "-c", enter, empty, os.TempDir(), filepath.Dir(empty), filepath.Dir(binary)}
}

// InsideMounts is Inside with mounts of its own; without root, in a user
// namespace of its own.
func InsideMounts(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv(insideVariable) != t.Name() {
		Needs(t, OwnMounts)
	}
	return Inside(t, ownMounts(), env...)
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
