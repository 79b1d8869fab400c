package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/rightstest"
)

// in skips a test whose root folder does not hold a program; `task package-check`
// makes one that has them all.
func in(t *testing.T, program string) {
	t.Helper()
	rightstest.Needs(t, rightstest.Root, rightstest.Namespaces)
	if _, err := os.Stat(filepath.Join(os.Getenv("BGSWITCH_TEST_ROOT")+"/usr/bin", program)); err != nil {
		rightstest.Without(t, program)
	}
}

// Debian's own tool finds no error.
func TestLintian(t *testing.T) {
	t.Parallel()
	in(t, "lintian")
	inRoot(t, "lintian --allow-root --no-cfg --fail-on error /mnt/bgswitch_1.0.0_*.deb")
}

// rpm itself reads its package, installs and erases it.
func TestRpm(t *testing.T) {
	t.Parallel()
	in(t, "rpm")
	out := inRoot(t, `
dpkg --purge bgswitch >/dev/null 2>&1
rm -rf /etc/bgswitch
rpm --checksig /mnt/*.rpm
rpm --install --nodeps --force-debian /mnt/*.rpm
rpm --verify --nodeps bgswitch
bgswitch --version
echo '# mine' >/etc/bgswitch/bgswitch.yaml
rpm --erase bgswitch
test ! -e /usr/bin/bgswitch
cat /etc/bgswitch/bgswitch.yaml
`)
	for _, want := range []string{"digests OK", "bgswitch version 1.0.0 (commit 0123456789ab", "# mine"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
}

// zsh and fish complete as bash does.
func TestShells(t *testing.T) {
	t.Parallel()
	in(t, "zsh")
	in(t, "fish")
	test := filepath.Join(packages(t), "bgswitch.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", test, "./cmd/bgswitch")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out := inRoot(t, "cd /mnt && ./bgswitch.test -test.v -test.run=TestCompletionInShells")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if !strings.Contains(out, "--- PASS: TestCompletionInShells/"+shell) {
			t.Errorf("%s does not:\n%s", shell, out)
		}
	}
}
