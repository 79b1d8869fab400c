package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A tool is a program and the way to have it.
type tool struct {
	name     string
	packages []string // Debian's, the one to install first
	proof    []string // arguments that make it exit 0 and change nothing
}

// tools are the programs that can be asked for. The nginx program is in
// package nginx since Debian 12, in nginx-light before; nginx-common holds
// mime.types and the like.
var tools = map[string]tool{
	"nginx":       {name: "nginx", packages: []string{"nginx-light", "nginx", "nginx-common"}, proof: []string{"-v"}},
	"sudo":        {name: "sudo", packages: []string{"sudo", "opendoas"}, proof: []string{"-h"}},
	"chromium":    {name: "chromium", packages: []string{"chromium"}, proof: []string{"--version"}},
	"debootstrap": {name: "debootstrap", packages: []string{"debootstrap"}, proof: []string{"--version"}},
	"docker":      {name: "docker", packages: []string{"docker.io", "docker-compose", "iptables"}, proof: []string{"--version"}},
}

// sbinFolders are searched too, since an ordinary user's PATH, and cron's,
// lacks them.
var sbinFolders = []string{"/usr/sbin", "/usr/local/sbin"}

// installed returns the path of the program as the system or the environment
// has it, "" where it is missing. What the environment names must be usable:
// taking another one in its place would not be what was asked for.
func (t tool) installed() (string, error) {
	variable := "BGSWITCH_TEST_" + strings.ToUpper(t.name)
	if named := os.Getenv(variable); named != "" {
		if err := t.try(named); err != nil {
			return "", fmt.Errorf("cannot use $%s: %w\ntype: unset %[1]s", variable, err)
		}
		return exec.LookPath(named)
	}
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), sbinFolders...) {
		if path := filepath.Join(folder, t.name); filepath.IsAbs(path) && t.try(path) == nil {
			return path, nil
		}
	}
	return "", nil
}

// try starts the program and returns why it does not start: a file may be
// there and its libraries not.
func (t tool) try(program string, env ...string) error {
	cmd := exec.Command(program, t.proof...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	if err != nil {
		return fmt.Errorf("%s does not start: %w", program, err)
	}
	return nil
}

// managers are the package managers, each with the words that install.
var managers = []struct{ program, install string }{
	{"apt-get", "sudo apt-get install"},
	{"apk", "sudo apk add"},
	{"dnf", "sudo dnf install"},
	{"pacman", "sudo pacman -S"},
	{"zypper", "sudo zypper install"},
	{"brew", "brew install"},
}

// installCommand returns the one command that makes the tool available here.
func (t tool) installCommand() string {
	for _, m := range managers {
		if _, err := exec.LookPath(m.program); err != nil {
			continue
		}
		words := m.install
		if os.Geteuid() == 0 {
			words = strings.TrimPrefix(words, "sudo ")
		}
		if m.program == "apt-get" {
			return words + " " + t.packages[0]
		}
		return words + " " + t.name
	}
	return fmt.Sprintf("export BGSWITCH_TEST_%s=/path/to/%s", strings.ToUpper(t.name), t.name)
}
