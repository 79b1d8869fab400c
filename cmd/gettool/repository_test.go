package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bgswitch/switcher/rightstest"
)

// repository is a package source in a folder, the only one that apt knows
// while the test runs. To apt nothing is installed.
type repository struct{ folder string }

func newRepository(t *testing.T) repository {
	t.Helper()
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			rightstest.Without(t, program)
		}
	}
	r := repository{t.TempDir()}
	r.write(t, "Packages", "")
	r.write(t, "status", "")
	r.write(t, "sources.list", "deb [trusted=yes] copy:"+r.folder+" ./\n")
	// Parts is empty so that the system's hooks and sources stay out of it.
	r.write(t, "apt.conf", fmt.Sprintf(`
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::SourceList "%[1]s/sources.list";
Dir::State::Status "%[1]s/status";
`, r.folder))
	t.Setenv("APT_CONFIG", filepath.Join(r.folder, "apt.conf"))
	return r
}

// add builds a package from files (path to content, all executable).
func (r repository) add(t *testing.T, name, depends string, files map[string]string) {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: test\n", name)
	if depends != "" {
		control += "Depends: " + depends + "\n"
	}
	tree := filepath.Join("trees", name)
	r.write(t, filepath.Join(tree, "DEBIAN/control"), control)
	for path, content := range files {
		r.write(t, filepath.Join(tree, path), content)
	}
	archive := filepath.Join(r.folder, name+".deb")
	if out, err := exec.Command("dpkg-deb", "--build", filepath.Join(r.folder, tree), archive).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
	bytes, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(r.folder, "Packages"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "Packages", fmt.Sprintf("%s%sFilename: ./%s.deb\nSize: %d\nSHA256: %x\n\n",
		index, control, name, len(bytes), sha256.Sum256(bytes)))
}

func (r repository) write(t *testing.T, path, content string) {
	t.Helper()
	writeProgram(t, filepath.Join(r.folder, path), content)
}

// writeProgram writes an executable file, and the folders above it.
func writeProgram(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
