package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lantern is a tool that no system has.
var lantern = tool{name: "lantern", packages: []string{"lantern-light", "lantern"}, proof: []string{"-v"}}

const (
	works  = "#!/bin/sh\necho \"lantern $*\"\n"
	broken = "#!/bin/sh\necho 'cannot open shared object file' >&2\nexit 127\n"
	needy  = "#!/bin/sh\ntest -e \"$LD_LIBRARY_PATH/libwick.so.1\"\n"
)

func TestInstalled(t *testing.T) {
	folder := t.TempDir()
	bad := writeProgram(t, filepath.Join(folder, "bad", "lantern"), broken)
	good := writeProgram(t, filepath.Join(folder, "good", "lantern"), works)
	path := filepath.Dir(bad) + ":" + filepath.Dir(good)
	for name, c := range map[string]struct{ named, path, want, wantErr string }{
		"named by the environment": {named: good, want: good},
		"named and broken":         {named: bad, path: path, wantErr: "type: unset BGSWITCH_TEST_LANTERN"},
		"one in PATH that starts":  {path: path, want: good},
		"none that starts":         {path: filepath.Dir(bad)},
		"relative PATH":            {path: "../good"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(filepath.Dir(good))
			t.Setenv("BGSWITCH_TEST_LANTERN", c.named)
			t.Setenv("PATH", c.path)
			got, err := lantern.installed()
			if got != c.want || !mentions(err, c.wantErr) {
				t.Errorf("installed() = %q, %v; want %q and an error with %q", got, err, c.want, c.wantErr)
			}
		})
	}
}

func TestUnpack(t *testing.T) {
	r := newRepository(t)
	r.add(t, "lantern-light", "lantern", nil)
	r.add(t, "lantern", "", map[string]string{"usr/sbin/lantern": works})
	cache := privateCache(t)

	got, err := get(lantern, true)
	if want := filepath.Join(cache, "bgswitch/lantern/root/usr/sbin/lantern"); got != want || err != nil {
		t.Fatalf("get = %q, %v; want %q", got, err, want)
	}
	wantEntries(t, filepath.Join(cache, "bgswitch"), "lantern", "lock")

	if err := os.RemoveAll(r.folder); err != nil { // a second run must not ask apt
		t.Fatal(err)
	}
	if again, err := get(lantern, true); again != got || err != nil {
		t.Errorf("second get = %q, %v; want %q", again, err, got)
	}
}

func TestUnpackWithLibraries(t *testing.T) {
	r := newRepository(t)
	r.add(t, "libwick1", "", map[string]string{"usr/lib/wick/libwick.so.1": ""})
	r.add(t, "lantern-light", "lantern", nil)
	r.add(t, "lantern", "libwick1", map[string]string{"usr/bin/lantern": needy})
	cache := privateCache(t)

	got, err := get(lantern, true)
	if want := filepath.Join(cache, "bgswitch/lantern/lantern"); got != want || err != nil {
		t.Fatalf("get = %q, %v; want the script %q", got, err, want)
	}
	if out, err := exec.Command(got, "-v").CombinedOutput(); err != nil {
		t.Errorf("%s -v: %v: %s", got, err, out)
	}
}

// A script in usr/bin that names /usr/lib does not start what was unpacked.
func TestUnpackTakesTheProgramBehindItsScript(t *testing.T) {
	r := newRepository(t)
	r.add(t, "lantern-light", "", nil)
	r.add(t, "lantern", "", map[string]string{
		"usr/bin/lantern":         "#!/bin/sh\nexec /usr/lib/lantern/lantern \"$@\"\n",
		"usr/lib/lantern/lantern": works,
	})
	cache := privateCache(t)
	if got, err := get(lantern, true); got != filepath.Join(cache, "bgswitch/lantern/root/usr/lib/lantern/lantern") || err != nil {
		t.Errorf("get = %q, %v", got, err)
	}
}

func TestUnpackWhatDpkgHasInstalled(t *testing.T) {
	r := newRepository(t)
	r.add(t, "lantern-light", "", nil)
	r.add(t, "lantern", "", map[string]string{"usr/bin/lantern": works})
	r.write(t, "status", `Package: lantern
Status: install ok installed
Version: 1
Architecture: all
Maintainer: nobody
Description: test
`)
	privateCache(t)
	if got, err := get(lantern, true); got == "" || err != nil {
		t.Errorf("get = %q, %v; want a path", got, err)
	}
}

func TestUnpackReplacesWhatNoLongerStarts(t *testing.T) {
	r := newRepository(t)
	r.add(t, "lantern-light", "", nil)
	r.add(t, "lantern", "", map[string]string{"usr/bin/lantern": works})
	cache := privateCache(t)
	stale := writeProgram(t, filepath.Join(cache, "bgswitch/lantern/root/usr/bin/lantern"), broken)

	if got, err := get(lantern, true); got != stale || err != nil {
		t.Errorf("get = %q, %v; want %q, made anew", got, err, stale)
	}
}

func TestUnpackFails(t *testing.T) {
	for name, c := range map[string]struct {
		program string
		want    string
	}{
		"no such package":      {want: "apt-get install: exit status 100"},
		"package without it":   {program: "usr/bin/candle", want: "packages lantern-light, lantern do not hold it"},
		"it does not start":    {program: "usr/bin/lantern", want: "cannot open shared object file"},
		"what to type instead": {want: "\ntype: "},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t)
			if c.program != "" {
				r.add(t, "lantern-light", "", nil)
				r.add(t, "lantern", "", map[string]string{c.program: broken})
			}
			cache := privateCache(t)
			got, err := get(lantern, true)
			if got != "" || !mentions(err, c.want) {
				t.Errorf("get = %q, %v; want an error with %q", got, err, c.want)
			}
			wantEntries(t, filepath.Join(cache, "bgswitch"), "lock")
		})
	}
}

func TestInstallCommand(t *testing.T) {
	for manager, want := range map[string]string{
		"apt-get": "apt-get install lantern-light",
		"dnf":     "dnf install lantern",
		"brew":    "brew install lantern",
		"unknown": "export BGSWITCH_TEST_LANTERN=/path/to/lantern",
	} {
		t.Run(manager, func(t *testing.T) {
			folder := t.TempDir()
			writeProgram(t, filepath.Join(folder, manager), works)
			t.Setenv("PATH", folder)
			if got := lantern.installCommand(); strings.TrimPrefix(got, "sudo ") != want {
				t.Errorf("installCommand() = %q, want %q", got, want)
			}
		})
	}
}

func TestRefuseServices(t *testing.T) {
	const foreign = "#!/bin/sh\nexit 0\n"
	for name, c := range map[string]struct{ before, during, after string }{
		"none":         {before: "", during: policy, after: ""},
		"foreign":      {before: foreign, during: foreign, after: foreign},
		"left by ours": {before: policy, during: policy, after: ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "policy-rc.d")
			if c.before != "" {
				writeProgram(t, file, c.before)
			}
			allow, err := refuseServices(file)
			if got := content(t, file); got != c.during || err != nil {
				t.Errorf("during: %q, %v; want %q", got, err, c.during)
			}
			if err := allow(); err != nil {
				t.Error(err)
			}
			if got := content(t, file); got != c.after {
				t.Errorf("after: %q, want %q", got, c.after)
			}
		})
	}
}

func TestPolicyForbids(t *testing.T) {
	file := writeProgram(t, filepath.Join(t.TempDir(), "policy-rc.d"), policy)
	cmd := exec.Command(file, "nginx", "start")
	if _ = cmd.Run(); cmd.ProcessState.ExitCode() != 101 {
		t.Errorf("policy exits %d, want 101, action forbidden", cmd.ProcessState.ExitCode())
	}
}

// privateCache returns a user's cache folder with a name that needs quoting.
func privateCache(t *testing.T) string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "it's a cache")
	t.Setenv("XDG_CACHE_HOME", cache)
	return cache
}

// mentions reports whether err holds text; no text means no error.
func mentions(err error, text string) bool {
	if text == "" || err == nil {
		return text == "" && err == nil
	}
	return strings.Contains(err.Error(), text)
}

func content(t *testing.T, file string) string {
	t.Helper()
	bytes, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(bytes)
}

func wantEntries(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", folder, got, want)
	}
}
