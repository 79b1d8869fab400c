package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// rules are the lines of the examples that let somebody run us as root: those
// of sudo (sudoers(5)), also in comments, and those of doas (doas.conf(5)).
func rules(t *testing.T, folder string) (sudo, doas []string) {
	t.Helper()
	for _, path := range []string{"../README.md", "sudoers.d/bgswitch", "doas.conf", "monitoring/nagios.cfg", "monitoring/icinga2.conf"} {
		text, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			t.Fatal(err)
		}
		sudo = append(sudo, regexp.MustCompile(`(?m)\w+ ALL=\(root\) NOPASSWD: .*$`).FindAllString(string(text), -1)...)
		doas = append(doas, regexp.MustCompile(`(?m)^permit .*$`).FindAllString(string(text), -1)...)
	}
	if len(sudo) < 4 || len(doas) < 5 {
		t.Fatalf("found only the rules %q and %q", sudo, doas)
	}
	return sudo, doas
}

// permitted are the command lines that the rules permit.
func permitted(sudo, doas []string) (commands [][]string) {
	for _, rule := range sudo {
		_, list, _ := strings.Cut(rule, "NOPASSWD: ")
		for command := range strings.SplitSeq(list, ", ") {
			commands = append(commands, strings.Fields(command))
		}
	}
	for _, rule := range doas {
		_, command, _ := strings.Cut(rule, " cmd ")
		commands = append(commands, strings.Fields(strings.Replace(command, " args ", " ", 1)))
	}
	return commands
}

// A pattern, or a command without its words, lets anything through.
func TestRulesNameEveryWord(t *testing.T) {
	t.Parallel()
	for _, command := range permitted(rules(t, examplesDir)) {
		if len(command) < 2 || command[0] != "/usr/local/bin/bgswitch" || strings.ContainsAny(strings.Join(command, ""), `*?[]!^$\`) {
			t.Errorf("%q lets more through than it says", command)
		}
	}
}

// Whoever may type these commands as root tries to become more than that. The
// sudo and the doas are real, in mounts of the test's own; sudo has no
// secure_path. The user careless keeps his environment by either.
func TestNobodyBreaksOutOfTheRules(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	tools := os.Getenv("BGSWITCH_TEST_SUDO")
	if tools == "" {
		rightstest.Without(t, "sudo and doas ($BGSWITCH_TEST_SUDO: `task sudo`)")
	}
	folder, err := filepath.Abs(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	if !rightstest.InsideMounts(t, examplesVariable+"="+folder) {
		return
	}
	h := newHouse(t, unpacked(t, tools))
	for _, user := range []string{"deploy", "careless"} {
		for _, by := range []string{"sudo", "doas"} {
			for _, words := range []string{" to green", " status", " history", " to blue"} {
				h.types(user, by, words, 0, "")
			}
			for _, words := range beyond {
				h.types(user, by, strings.ReplaceAll(words, "EVIL", h.evil), 1, by+": ")
			}
		}
	}
	h.env = append(h.env, "BGSWITCH_CONFIG="+h.evil+"/settings")
	h.types("deploy", "sudo", " to green", 0, "")
	h.types("deploy", "doas", " to blue", 0, "")
	h.types("careless", "sudo", " to green", 1, "cannot trust the settings")
	h.types("careless", "doas", " to green", 1, "cannot trust the settings")
	h.types("nagios", "sudo", " verify", 0, "BGSWITCH OK")
	h.types("nagios", "sudo", " verify --site myapp", 0, "BGSWITCH OK")
	h.types("nagios", "sudo", " verify --site other", 1, "sudo: ")
	h.types("nagios", "sudo", " verify --site myapp --metrics-file /etc/passwd", 1, "sudo: ")
	if ran, err := os.ReadFile(h.ran); err == nil {
		t.Errorf("somebody else's program ran as root:\n%s", ran)
	}
}

// examplesVariable names the folder of the examples for a test that runs itself.
const examplesVariable = "BGSWITCH_TEST_EXAMPLES"

// beyond is what deploy may not type.
var beyond = []string{"", " to", " verify", " back --force", " to green --strict", " to green --config EVIL/settings", " --config EVIL/settings to green",
	" to green --file EVIL/settings", " status --metrics-file /etc/passwd"}

// unpacked is the root of the tree that holds sudo and doas; sudo is either
// there or a script beside it.
func unpacked(t *testing.T, sudo string) string {
	t.Helper()
	for _, root := range []string{"root", "../.."} {
		tree := filepath.Join(filepath.Dir(sudo), root)
		if _, err := os.Stat(filepath.Join(tree, "usr/bin/doas")); err == nil {
			return tree
		}
	}
	t.Fatalf("no doas stands beside %s", sudo)
	return ""
}

// house is a system with the rules of the examples, and a site of ours.
type house struct {
	t         *testing.T
	env       []string // of the users
	evil, ran string   // a folder of the users' own, and where what stands there tells whom it ran as
}

// The users of the rules.
var residents = map[string]uint32{"deploy": 64001, "careless": 64002, "nagios": 64003}

func newHouse(t *testing.T, tree string) *house {
	t.Helper()
	dir := rightstest.OpenFolder(t)
	h := &house{t: t, evil: filepath.Join(dir, "evil"), ran: filepath.Join(dir, "ran")}
	for _, variable := range []string{"HOME=EVIL", "TMPDIR=EVIL", "LD_LIBRARY_PATH=EVIL", "PATH=EVIL:/usr/bin:/bin", "BASH_ENV=EVIL/sh", "OPENSSL_CONF=EVIL/settings", "NGINX=3;"} {
		h.env = append(h.env, strings.ReplaceAll(variable, "EVIL", h.evil))
	}
	h.plant()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	h.write(filepath.Join(dir, "usr/local/bin/bgswitch"), string(program), 0o755)
	h.lay(dir, tree, "usr")
	site, err := nginxtest.StartSite(filepath.Join(dir, "site"), nginxtest.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	settings := strings.Replace(site.SettingsText(""), "binary: /usr/sbin/nginx", "binary: nginx", 1)
	h.write(filepath.Join(dir, "etc/bgswitch/bgswitch.yaml"), settings, 0o600)
	h.rule(filepath.Join(dir, "etc"))
	h.lay(dir, tree, "etc")
	return h
}

// lay lays a folder of the test's, and the unpacked one, over the system's.
func (h *house) lay(dir, tree, folder string) {
	h.t.Helper()
	layers := fmt.Sprintf("lowerdir=%s:%s:/%s", filepath.Join(dir, folder), filepath.Join(tree, folder), folder)
	if err := syscall.Mount("overlay", "/"+folder, "overlay", syscall.MS_RDONLY, layers); err != nil {
		h.t.Fatalf("mount %s over /%s: %v", layers, folder, err)
	}
}

// plant makes what a user has in his own folder: programs of every name that
// is run, and settings that run one.
func (h *house) plant() {
	h.t.Helper()
	program := fmt.Sprintf("#!/bin/sh\n[ \"$(/usr/bin/id -u)\" != 0 ] || echo \"$0\" >>%s\nexit 1\n", h.ran)
	for _, name := range []string{"nginx", "prlimit", "sh", "true", "docker"} {
		h.write(filepath.Join(h.evil, name), program, 0o755)
	}
	h.write(filepath.Join(h.evil, "settings"), fmt.Sprintf("nginx: {binary: %s/nginx, test: [%[1]s/sh], reload: [%[1]s/sh]}\n", h.evil), 0o644)
	if err := os.Chown(filepath.Join(h.evil, "settings"), int(residents["deploy"]), 0); err != nil {
		h.t.Fatal(err)
	}
}

// rule writes who there is, and the rules.
func (h *house) rule(etc string) {
	h.t.Helper()
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		h.t.Fatal(err)
	}
	for name, id := range residents {
		passwd = fmt.Appendf(passwd, "%s:x:%d:%[2]d::/:/bin/sh\n", name, id)
	}
	h.write(filepath.Join(etc, "passwd"), string(passwd), 0o644)
	sudo, doas := rules(h.t, os.Getenv(examplesVariable))
	for _, rule := range slices.Clone(sudo) {
		sudo = append(sudo, strings.Replace(rule, "deploy", "careless", 1))
	}
	for _, rule := range slices.Clone(doas) {
		doas = append(doas, strings.Replace(rule, "nopass deploy", "nopass keepenv careless", 1))
	}
	h.write(filepath.Join(etc, "sudoers"), "Defaults !fqdn\nDefaults:careless !env_reset\n"+strings.Join(sudo, "\n")+"\n", 0o440)
	h.write(filepath.Join(etc, "doas.conf"), strings.Join(doas, "\n")+"\n", 0o400)
	for _, name := range []string{"sudo", "doas"} {
		h.write(filepath.Join(etc, "pam.d", name), "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n", 0o644)
	}
}

func (h *house) write(path, text string, mode os.FileMode) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
}

// types runs what a user types, in his folder and with an environment of his
// making.
func (h *house) types(user, by, words string, want int, says string) {
	h.t.Helper()
	argv := append([]string{"-n", "/usr/local/bin/bgswitch"}, strings.Fields(words)...)
	cmd := exec.Command("/usr/bin/"+by, argv...)
	cmd.Dir, cmd.Env = h.evil, h.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: residents[user], Gid: residents[user]}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want || !strings.Contains(string(out), says) {
		h.t.Errorf("%s: %s bgswitch%s: exits %d, want %d with %q: %s", user, by, words, got, want, says, out)
	}
}
