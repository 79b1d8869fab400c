package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// The test is another program where the first of these is set: one that packs
// what is in its working directory, or the two apps of a site.
const (
	packsVariable = "BGSWITCH_TEST_PACKS"
	appsVariable  = "BGSWITCH_TEST_APPS"
)

func TestMain(m *testing.M) {
	out, packs := os.LookupEnv(packsVariable)
	switch {
	case packs:
		syscall.Umask(0o077)
		end(sample("1.0.0").pack(out, runtime.GOARCH, formats...))
	case os.Getenv(appsVariable) != "":
		end(serveApps(os.Getenv(appsVariable)))
	}
	if err := os.Chdir("../.."); err != nil {
		end(err)
	}
	folder, err := os.MkdirTemp("", "bgswitch-packed-")
	if err != nil {
		end(err)
	}
	packed = sync.OnceValues(func() (string, error) {
		return folder, errors.Join(sample("1.0.0").pack(folder, runtime.GOARCH, formats...), sample("1.0.1").pack(folder, runtime.GOARCH, "deb"))
	})
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		end(err)
	}
	os.Exit(code)
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

var formats = []string{"deb", "rpm", "apk"}

// sample is a source whose date no file can have by chance.
func sample(version string) source {
	return source{version: version, commit: "0123456789ab", date: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), maintainer: "bgswitch <bgswitch@packages.invalid>"}
}

// packed is a folder with the packages for this processor, made once.
var packed func() (string, error)

func packages(t *testing.T) string {
	t.Helper()
	folder, err := packed()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// serveApps is a site's blue and green, where the origin page has them; they are
// there as soon as the file is that the variable names.
func serveApps(there string) error {
	if err := nginxtest.LoopbackUp(); err != nil {
		return err
	}
	failed := make(chan error)
	for color, address := range map[string]string{"blue": "127.0.0.1:3001", "green": "127.0.0.1:3002"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() {
			failed <- http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Color", color)
				fmt.Fprintln(w, "a page")
			}))
		}()
	}
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		return err
	}
	return <-failed
}

// inRoot runs a script as root in a root folder of its own: what it installs is
// gone afterwards. Its output is what it says.
func inRoot(t *testing.T, script string) string {
	t.Helper()
	rightstest.Needs(t, rightstest.Root, rightstest.Namespaces)
	if _, err := exec.LookPath("dpkg"); err != nil {
		rightstest.Without(t, "dpkg")
	}
	folder := packages(t)
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(own, filepath.Join(folder, "apps")); err != nil && !os.IsExist(err) {
		if out, err := exec.Command("cp", own, filepath.Join(folder, "apps")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "cmd/package/testdata/inside", t.TempDir(), folder, script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "overlay: wrong fs type") || strings.Contains(string(out), "unknown filesystem type") {
		rightstest.Without(t, "overlay mounts")
	}
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return string(out)
}
