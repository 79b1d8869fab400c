package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/rightstest"
)

// Whoever is root by a rule for bgswitch names no file: each flag that takes one is
// refused, by each command that has it, before it is opened.
func TestNoRuleLetsAFileThrough(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	program, err := exec.LookPath("bgswitch")
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("root:secret-of-root:1:0:::::\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := 0
	for _, command := range newApp(io.Discard, io.Discard).Commands {
		for _, flag := range command.Flags {
			if !regexp.MustCompile(`\b(FILE|FOLDER|PATH|BINARY)\b`).MatchString(flag.String()) || slices.Contains(noFiles[command.Name], dashed(flag.Names()[0])) {
				continue
			}
			flags++
			cmd := exec.Command(program, command.Name, dashed(flag.Names()[0]), secret)
			cmd.Env = []string{"SUDO_USER=alice", "SUDO_UID=1000", "SUDO_COMMAND=" + program + " " + command.Name}
			cmd.Args = append(cmd.Args, completing[command.Name]...)
			out, err := cmd.CombinedOutput()
			if err == nil || strings.Contains(string(out), "secret-of-root") || !regexp.MustCompile(dashed(flag.Names()[0])+": (behind sudo|as root)").Match(out) {
				t.Errorf("%v: %v: %s", cmd.Args[1:], err, out)
			}
			if now, err := os.ReadFile(secret); err != nil || !strings.HasPrefix(string(now), "root:") {
				t.Fatalf("%v: the file is %q, %v", cmd.Args[1:], now, err)
			}
		}
	}
	if flags < 20 {
		t.Errorf("only %d flags that take a file", flags)
	}
}

// noFiles are flags that open no file: init's --file chooses among those that nginx
// reads, and its --path is one of a URL.
var noFiles = map[string][]string{"settings": {"--file"}, "init": {"--file", "--path"}}

// completing is what a command needs besides its flags.
var completing = map[string][]string{"to": {"green"}, "block": {"blue", "--reason", "x"}, "unblock": {"blue"}, "settings": {"check"}, "releases": {}}

// Of those who became root, who may be there by a rule for us is told apart, and is
// named what he can type with all rights. What a user has set himself takes no
// suspicion away.
func TestWhoIsRootByARule(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	program, err := exec.LookPath("bgswitch")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bgswitch.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sudo, doas := "`sudo env bgswitch settings check --config "+file+"`", "`doas env -u DOAS_USER bgswitch settings check --config "+file+"`"
	for _, c := range []struct {
		env  []string
		says string // empty: nothing is refused
	}{
		{[]string{}, ""},
		{[]string{"SUDO_UID=0", "SUDO_USER=root", "DOAS_USER=root", "PKEXEC_UID=0", "SUDO_COMMAND=" + program}, ""},
		{[]string{"SUDO_UID=1000", "SUDO_USER=alice", "SUDO_COMMAND=" + program + " status"}, sudo},
		{[]string{"SUDO_UID=1000", "SUDO_USER=alice", "SUDO_COMMAND=/old/folder/bgswitch status"}, sudo}, // one that is gone
		{[]string{"SUDO_UID=1000", "SUDO_USER=alice", "SUDO_COMMAND=/bin/bash -c " + program + "\\ status"}, ""},
		{[]string{"SUDO_UID=1000", "SUDO_USER=alice", "SUDO_COMMAND=/usr/bin/env bgswitch status"}, ""},
		{[]string{"SUDO_UID=1000", "SUDO_USER=alice"}, sudo}, // as run0 leaves it
		{[]string{"DOAS_USER=alice"}, doas},
		{[]string{"DOAS_USER=alice", "SUDO_UID=1000", "SUDO_COMMAND=/bin/bash"}, doas},
		{[]string{"DOAS_USER=alice", "SUDO_UID=0", "SUDO_COMMAND=/bin/bash"}, doas},
		{[]string{"PKEXEC_UID=1000"}, "behind a rule for others"},
	} {
		cmd := exec.Command(program, "settings", "check", "--config", file)
		cmd.Env = c.env
		out, _ := cmd.CombinedOutput()
		if refused := strings.Contains(string(out), "it may name only the files of the settings"); refused != (c.says != "") || !strings.Contains(string(out), c.says) {
			t.Errorf("%q: want %q: %s", c.env, c.says, out)
		}
	}
}
