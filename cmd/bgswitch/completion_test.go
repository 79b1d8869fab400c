package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/rightstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const twoSites = `sites:
  shop: {blue: 127.0.0.1:1, green: 127.0.0.1:2}
  blog: {file: /etc/nginx/blog.conf, blue: 127.0.0.1:3, green: 127.0.0.1:4}
`

// completed are the words that may stand at the end of a line.
func completed(t *testing.T, words ...string) []string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{"bgswitch", "complete", "--"}, words...), &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("%q: exit %d: %s", words, code, &stderr)
	}
	found := []string{}
	for line := range strings.Lines(stdout.String()) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		found = append(found, word)
	}
	return found
}

func TestCompletedWords(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(settings, []byte(twoSites), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ typed, want string }{
		{"st", "status"},
		{"un", "unblock"},
		{"comple", "completion"},
		{"help se", "settings"},
		{"settings show --j", "--json"},
		{"releases prune --ke", "--keep"},
		{"to ", "blue green"},
		{"to g", "green"},
		{"to green ", ""},
		{"--json to ", "blue green"},
		{"check b", "blue"},
		{"releases ", "prune"},
		{"settings s", "show"},
		{"completion ", "bash zsh fish"},
		{"status ", ""},
		{"nonsense ", ""},
		{"to --dry", "--dry-run"},
		{"status --dry", ""},
		{"--ver", "--verbose --version"},
		{"to --hel", "--help"},
		{"history -n", "-n"},
		{"to --reason ", ""},
		{"status --config ", ":files"},
		{"status --config=/e", ":files"},
		{"verify --metrics-file ", ":files"},
		{"--config CONF --site ", "blog shop"},
		{"back --config=CONF --site sh", "shop"},
		{"back --config CONF --site=sh", "--site=shop"},
		{"back --config CONF --site = sh", "shop"},
		{"back --config CONF --site =", "blog shop"},
		{"back --config = CONF --site b", "blog"},
		{"to green --config CONF --site shop,", "shop,blog shop,shop"},
		{"to green --config CONF --site shop,b", "shop,blog"},
		{"to green --config CONF --site=shop,b", "--site=shop,blog"},
		{"back --config CONF/not-there --site ", ""},
		{"back --config /dev/null --site ", ""},
		{"back --config", "--config"},
		{"-", "--config --site --file --selector --blue --green --strict --json --quiet --verbose --no-color --help --version"},
	} {
		got := strings.Join(completed(t, strings.Split(strings.ReplaceAll(test.typed, "CONF", settings), " ")...), " ")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.typed, diff)
		}
	}
	if got := completed(t); len(got) < 10 {
		t.Errorf("without a word: %q", got)
	}
}

// Who may not read the settings, or has broken ones, is offered no site, and
// told nothing.
func TestCompletionIsSilent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, make := range map[string]func(string) error{
		"broken": func(path string) error { return os.WriteFile(path, []byte("sites: {a: {blue: nonsense}"), 0o644) },
		"a pipe": func(path string) error { return unix.Mkfifo(path, 0o644) },
		"another's": func(path string) error {
			return os.WriteFile(path, []byte(twoSites), 0o666)
		},
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if got := completed(t, "back", "--config", path, "--site", ""); len(got) > 2 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// shells are how each of them is started without anybody's own settings, ready
// for a script of ours.
var shells = map[string]struct {
	args []string
	load string
}{
	"bash": {[]string{"--norc", "--noprofile", "-i"}, `eval "$(bgswitch completion bash)"`},
	"zsh":  {[]string{"-f", "-i"}, `autoload -Uz compinit; compinit -u -d "$HOME/dump"; eval "$(bgswitch completion zsh)"`},
	"fish": {[]string{"--no-config", "-i"}, `bgswitch completion fish | source`},
}

// In the real shells, with the real Tab.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(name)
			if err != nil {
				rightstest.Without(t, name)
			}
			dir := t.TempDir()
			s := startShell(t, dir, path, shell.args...)
			s.types(shell.load+"; echo loa''ded\r", "loaded\r")
			for typed, want := range map[string]string{
				"statu\t":                   "status",
				"to gree\t":                 "to green",
				"to green --dry-\t":         "to green --dry-run",
				"settings chec\t":           "settings check",
				"back --site sho\t":         "back --site shop",
				"back --site=sho\t":         "back --site=shop",
				"to blue --site=shop,blo\t": "to blue --site=shop,blog",
				"status --config ./sett\t":  "status --config ./settings.yaml",
				"status --config=./sett\t":  "status --config=./settings.yaml",
			} {
				s.types("bgswitch "+typed+"\r", "RAN "+want+" END")
			}
		})
	}
}

// tabbed is a shell at a terminal, where every bgswitch but its completion only
// says what it was called with.
type tabbed struct {
	t    *testing.T
	ours *os.File
	end  func() // and nothing more is said
	said strings.Builder
}

func startShell(t *testing.T, dir, path string, args ...string) *tabbed {
	t.Helper()
	program, err := exec.LookPath("bgswitch")
	if err != nil {
		t.Fatal(err)
	}
	stub := fmt.Sprintf("#!/bin/sh\ncase $1 in comple*) exec %s \"$@\" ;; esac\necho RAN \"$@\" END\n", program)
	settings := filepath.Join(dir, "settings.yaml")
	for file, text := range map[string]string{filepath.Join(dir, "bgswitch"): stub, settings: twoSites} {
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ours, name := newTerminal(t)
	theirs, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200}); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command(path, args...)
	shell.Dir = dir
	shell.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "HOME=" + dir, "TERM=xterm", "LC_ALL=C.UTF-8", "BGSWITCH_CONFIG=" + settings}
	shell.Stdin, shell.Stdout, shell.Stderr = theirs, theirs, theirs
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { _ = shell.Process.Kill() }
	t.Cleanup(func() {
		end()
		_ = shell.Wait()
	})
	return &tabbed{t: t, ours: ours, end: end}
}

// types a line, and waits until the shell has said what is wanted.
func (s *tabbed) types(line, want string) {
	s.t.Helper()
	if _, err := io.WriteString(s.ours, line); err != nil {
		s.t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, s.end).Stop()
	before := s.said.Len()
	for buffer := make([]byte, 4096); !strings.Contains(s.said.String()[before:], want); {
		n, err := s.ours.Read(buffer)
		s.said.Write(buffer[:n])
		if err != nil {
			s.t.Fatalf("%q: %v; want %q:\n%s", line, err, want, s.said.String()[before:])
		}
	}
}
