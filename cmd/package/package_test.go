package main

import (
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// one is the only file that matches.
func one(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(packages(t), pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

// misplaced is what somebody installs by hand.
var misplaced = regexp.MustCompile("/usr/local/bin/bgswitch|^# /etc/systemd")

// filesOf are those that a package has besides the examples.
func filesOf(format string) []string {
	files := []string{
		"etc/bgswitch/bgswitch.yaml.example", "usr/bin/bgswitch",
		"usr/share/bash-completion/completions/bgswitch", "usr/share/fish/vendor_completions.d/bgswitch.fish",
		"usr/share/man/man1/bgswitch.1.gz", "usr/share/man/man5/bgswitch.yaml.5.gz",
		"usr/share/doc/bgswitch/CHANGELOG.md", "usr/share/doc/bgswitch/README.md", "usr/share/doc/bgswitch/changelog.gz", "usr/share/doc/bgswitch/copyright",
	}
	if format != "apk" {
		files = append(files, "usr/lib/systemd/system/bgswitch-verify.service", "usr/lib/systemd/system/bgswitch-verify.timer")
	}
	if format == "deb" {
		files = append(files, "usr/share/zsh/vendor-completions/_bgswitch", "usr/share/lintian/overrides/bgswitch")
	} else {
		files = append(files, "usr/share/zsh/site-functions/_bgswitch")
	}
	slices.Sort(files)
	return files
}

func TestPackages(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			entries := entriesOf(t, one(t, "bgswitch?1.0.0*."+format), format)
			want := filesOf(format)
			got := slices.DeleteFunc(slices.Collect(maps.Keys(entries)), func(name string) bool { return strings.Contains(name, "/examples/") })
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for name, e := range entries {
				mode := fs.FileMode(0o644)
				if name == "usr/bin/bgswitch" {
					mode = 0o755
				}
				dated := e.date.Equal(sample("").date) || format == "rpm" // which has it in its header
				if e.mode != mode || !dated || e.text == "" {
					t.Errorf("%s: %v of %s, %d bytes", name, e.mode, e.date, len(e.text))
				}
				if misplaced.MatchString(e.text) && name != "usr/bin/bgswitch" {
					t.Errorf("%s names what a package does not install", name)
				}
			}
			if example := "usr/share/doc/bgswitch/examples/sudoers.d/bgswitch"; !strings.Contains(entries[example].text, "/usr/bin/bgswitch to green") {
				t.Errorf("%s: %s", example, entries[example].text)
			}
			if page := gunzip(t, entries["usr/share/man/man1/bgswitch.1.gz"].text); !strings.Contains(page, "1.0.0 (commit 0123456789ab") || !strings.HasPrefix(page, ".") {
				t.Errorf("the man page begins with %.300s", page)
			}
			for _, license := range []string{"The Go Authors", "urfave", "Mozilla Public License"} {
				if !strings.Contains(entries["usr/share/doc/bgswitch/copyright"].text, license) {
					t.Errorf("the license of %s is not passed on", license)
				}
			}
		})
	}
}

func gunzip(t *testing.T, text string) string {
	t.Helper()
	unpacked, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The same source makes the same bytes: in another folder, where there is no
// git, and by one who lets nobody read his files.
func TestReproducible(t *testing.T) {
	t.Parallel()
	elsewhere, out := t.TempDir(), t.TempDir()
	copyTree(t, elsewhere)
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(own)
	cmd.Dir, cmd.Env = elsewhere, append(os.Environ(), packsVariable+"="+out, "GOAMD64=v2", "GOFLAGS=", "TZ=Asia/Tokyo")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	made, err := os.ReadDir(out)
	if err != nil || len(made) != len(formats)+1 {
		t.Fatalf("%d files, %v", len(made), err)
	}
	for _, entry := range made {
		var both [2][]byte
		for i, folder := range []string{packages(t), out} {
			if both[i], err = os.ReadFile(filepath.Join(folder, entry.Name())); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(both[0], both[1]) {
			t.Errorf("%s differs", entry.Name())
		}
	}
}

// copyTree copies the source that packages are made of.
func copyTree(t *testing.T, to string) {
	t.Helper()
	for _, name := range []string{"cmd", "examples", "health", "nginxconf", "switcher"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "README.md"} {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What the program was built from is told of it, and nothing else.
func TestParts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(one(t, "bgswitch_1.0.0_*.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list partList
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "bgswitch")
	if err := os.WriteFile(program, []byte(entriesOf(t, one(t, "bgswitch_1.0.0_*.deb"), "deb")["usr/bin/bgswitch"].text), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pkg:golang/stdlib@" + strings.TrimPrefix(info.GoVersion, "go")}
	for _, module := range info.Deps {
		want = append(want, "pkg:golang/"+module.Path+"@"+module.Version)
	}
	var got []string
	for _, part := range list.Components {
		got = append(got, part.URL)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 5 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	said, err := exec.Command(program, "--version").CombinedOutput()
	if want := "bgswitch version 1.0.0 (commit 0123456789ab, 2026-01-02T03:04:06Z)\n"; err != nil || string(said) != want {
		t.Errorf("%s, %v; want %s", said, err, want)
	}
}

// The checksums are those that sha256sum looks for, of every file.
func TestSums(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"a.deb", "b c.rpm"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(folder); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("sha256sum", "-c", sumsFile)
	check.Dir = folder
	if out, err := check.CombinedOutput(); err != nil || string(out) != "a.deb: OK\nb c.rpm: OK\n" {
		t.Errorf("%v: %s", err, out)
	}
}
