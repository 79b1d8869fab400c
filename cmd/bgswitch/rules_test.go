package main

import (
	"fmt"
	"io/fs"
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

// rules are the lines of the examples, and of README, that let somebody run us as
// root: those of sudo (sudoers(5)), also in comments, and those of doas
// (doas.conf(5)). A rule of sudo's may go on in the next line.
func rules(t *testing.T, folder string) (sudo, doas []string) {
	t.Helper()
	for _, path := range append(filesBelow(t, folder), filepath.Join(folder, "../README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.ReplaceAll(string(text), "\\\n", " ")
		sudo = append(sudo, regexp.MustCompile(`(?m)\w+ ALL *= *\(.*$`).FindAllString(lines, -1)...)
		doas = append(doas, regexp.MustCompile(`(?m)^ *permit .*$`).FindAllString(lines, -1)...)
	}
	if len(sudo) < 5 || len(doas) < 20 {
		t.Fatalf("found only the rules %q and %q", sudo, doas)
	}
	return sudo, doas
}

func filesBelow(t *testing.T, folder string) (paths []string) {
	t.Helper()
	if err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return paths
}

// permitted are the command lines that the rules permit.
func permitted(sudo, doas []string) (commands [][]string) {
	for _, rule := range sudo {
		_, list, _ := strings.Cut(rule, "ALL=(root) NOPASSWD: ")
		for command := range strings.SplitSeq(list, ",") {
			commands = append(commands, strings.Fields(command))
		}
	}
	for _, rule := range doas {
		_, command, _ := strings.Cut(rule, " as root cmd ")
		commands = append(commands, strings.Fields(strings.Replace(command, " args ", " ", 1)))
	}
	return commands
}

// A pattern, or a command without its words, lets anything through; a word that
// there is not lets nothing.
func TestRulesNameEveryWord(t *testing.T) {
	t.Parallel()
	for _, command := range permitted(rules(t, examplesDir)) {
		if len(command) < 2 || command[0] != "/usr/local/bin/bgswitch" || strings.ContainsAny(strings.Join(command, ""), `*?[]!^$\`) {
			t.Errorf("%q lets more through than it says", command)
			continue
		}
		var out strings.Builder
		run(t.Context(), slices.Concat(command, []string{"--config", "/no/such/settings"}), &out, &out)
		if !strings.Contains(out.String(), "cannot read the settings") {
			t.Errorf("%q: %s", command, &out)
		}
	}
}

// sudoers are the files of the examples that are installed as they are, with their
// names in /etc/sudoers.d.
var sudoers = map[string]string{"bgswitch": "sudoers.d/bgswitch", "bgswitch-monitoring": "monitoring/sudoers", "bgswitch-ci": "ci/sudoers"}

// Nothing stands in them but rules, and the variables that are kept; a name with a dot
// is one that sudo leaves out (sudoers(5), @includedir).
func TestSudoersExamples(t *testing.T) {
	t.Parallel()
	for name, path := range sudoers {
		text, err := os.ReadFile(filepath.Join(examplesDir, path))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			if !regexp.MustCompile(`^(#[^i].*|#|\w+ ALL=\(root\) NOPASSWD: .*|Defaults!/usr/local/bin/bgswitch env_keep \+= "BGSWITCH_RELEASE BGSWITCH_REASON BGSWITCH_WAIT"|)\n$`).MatchString(line) {
				t.Errorf("%s: more is allowed than commands: %s", path, line)
			}
		}
		if strings.Contains(name, ".") || !strings.Contains(string(text), "/etc/sudoers.d/"+name+" ") {
			t.Errorf("%s does not say that it is to be /etc/sudoers.d/%s", path, name)
		}
	}
}

// What the hints and the help tell somebody to type at a terminal, the rules permit:
// with these very words, or with none but the command, and variables.
func TestRulesPermitWhatIsTyped(t *testing.T) {
	t.Parallel()
	sudo, doas := rules(t, examplesDir)
	typed := []string{"to blue", "to green", "back", "back --restore", "status", "history", "check", "check blue", "check green", "releases",
		"drain", "drain blue --wait 5m", "drain green --wait 5m", "drain blue --wait 60s",
		"to green --wait 1m", "to blue --wait 1m", "to green --wait-lock 30s", "to blue --dry-run", "back --dry-run", "to green --bake 5m"}
	for by, commands := range map[string][][]string{"sudo": permitted(sudo, nil), "doas": permitted(nil, doas)} {
		var all []string
		for _, command := range commands {
			all = append(all, strings.Join(command[1:], " "))
		}
		for _, words := range typed {
			if !slices.Contains(all, words) {
				t.Errorf("%s does not permit `bgswitch %s`", by, words)
			}
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
			for _, words := range []string{" to green", " status", " history", " to blue --wait 1m"} {
				h.types(user, by, words, 0, "")
			}
			for _, words := range beyond {
				h.types(user, by, strings.ReplaceAll(words, "EVIL", h.evil), 1, by+": ")
			}
		}
	}
	h.says()
	h.monitors()
	h.comesBySSH()
	h.isAPipeline()
	h.isCron()
	h.hasAPattern()
	if ran, err := os.ReadFile(h.ran); err == nil {
		t.Errorf("somebody else's program ran as root:\n%s", ran)
	}
}

// says: the variables that the rules keep are what they are for, and no settings.
func (h *house) says() {
	h.t.Helper()
	env := h.env
	defer func() { h.env = env }()
	for _, by := range []string{"sudo", "doas"} { // blue is live
		words := map[string]string{"sudo": " to green", "doas": " to blue"}[by]
		h.env = append(slices.Clone(env), "BGSWITCH_REASON=said by "+by+"\n2026-01-01 forged", "BGSWITCH_RELEASE=v43", "BGSWITCH_WAIT=1m", "BGSWITCH_CONFIG="+h.evil+"/settings")
		h.types("deploy", by, words, 0, "")
		h.types("deploy", by, " history", 0, `, "said by `+by+` 2026-01-01 forged"`)
		h.types("careless", by, words, 1, "--config: behind "+by+" it may name only the files of the settings")
		h.env = append(slices.Clone(env), "BGSWITCH_WAIT=3h")
		h.types("deploy", by, words, 1, `$BGSWITCH_WAIT: "3h" is not allowed`)
		h.env = append(slices.Clone(env), "BGSWITCH_RELEASE=v43\nv44")
		h.types("deploy", by, words, 1, "is not the name of a release")
	}
}

func (h *house) monitors() {
	h.t.Helper()
	h.types("nagios", "sudo", " verify", 0, "BGSWITCH OK")
	h.types("nagios", "sudo", " verify --site myapp", 0, "BGSWITCH OK")
	for _, words := range []string{" verify --site other", " verify --site myapp --metrics-file /etc/passwd", " verify --metrics-file=/etc/passwd --site myapp", " -- verify", " verify --", " status", " to green"} {
		h.types("nagios", "sudo", words, 1, "sudo: ")
	}
}

// comesBySSH: a key is worth what its command compares, and no shell sees the rest.
func (h *house) comesBySSH() {
	h.t.Helper()
	asks := func(line string, want int, says string) {
		h.t.Helper()
		h.runs("deploy", []string{"SSH_ORIGINAL_COMMAND=" + line, "BGSWITCH_REASON=over ssh"}, want, says, "/bin/sh", "-c", "/usr/local/bin/bgswitch-ssh")
	}
	asks("to green", 0, "green is live")
	asks("status", 0, "green is live")
	asks("back", 0, "blue is live")
	asks("history", 0, `"over ssh"`)
	for _, line := range []string{"", "to", "to green; /bin/sh", "to green\n/bin/sh", "$(/bin/sh)", "`/bin/sh`", "to green --file " + h.evil + "/settings",
		"to  green", " status", "status --config " + h.evil + "/settings", "verify --metrics-file /etc/passwd", "*", "to *", "to green && sh", "-i", "history -n 0", "to green #"} {
		asks(line, 1, "this key can: ")
	}
}

// isAPipeline: it deploys to the idle color, and switches.
func (h *house) isAPipeline() {
	h.t.Helper()
	deploys := func(release string, want int, says string) {
		h.t.Helper()
		h.runs("ci", []string{"CI_JOB_URL=https://ci.example.com/7"}, want, says, "/bin/sh", "-c", `exec /usr/local/bin/bgswitch-ci "$0"`, release)
	}
	deploys("v44", 0, "deployed v44 to green\ngreen is live (said to be v44), blue is idle")
	deploys("v45", 0, "v45 is live on blue")
	deploys("v45\n/bin/sh", 1, "is not the name of a release")
	deploys("", 2, "which release")
	h.types("deploy", "sudo", " history", 0, `blue (said to be v45)`)
	for _, words := range []string{" to green --force", " status --json --config " + h.evil + "/settings", " history", " verify"} {
		h.types("ci", "sudo", words, 1, "sudo: ")
	}
}

// isCron runs the line of the example as cron does: root, and hardly a variable.
func (h *house) isCron() {
	h.t.Helper()
	text, err := os.ReadFile("/etc/cron.d/bgswitch")
	if err != nil {
		h.t.Fatal(err)
	}
	line := part(h.t, string(text), `(?m)^\* \* \* \* \* root (.*)$`)
	for range 2 {
		cmd := exec.Command("/bin/sh", "-c", line)
		cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LOGNAME=root", "SHELL=/bin/sh"}, "/"
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			h.t.Errorf("cron: %v: %s", err, out)
		}
	}
}

// hasAPattern: where a rule has one all the same, no path gets through: nothing of
// root's is read, or written.
func (h *house) hasAPattern() {
	h.t.Helper()
	for by, refused := range map[string]string{"sudo": "behind sudo it may name only", "doas": "behind doas it may name only"} {
		for _, words := range []string{" to green --file /etc/shadow", " --file=/etc/shadow to green", " status --file /etc/shadow", " status --config /etc/shadow", " settings check --config /etc/shadow",
			" settings show --config EVIL/settings", " check --config /etc/bgswitch/../shadow", " back --restore --file /etc/shadow", " to green -config /etc/shadow"} {
			h.types("reckless", by, strings.ReplaceAll(words, "EVIL", h.evil), 1, refused)
		}
		h.types("reckless", by, " verify --config /etc/shadow", 3, refused)
		h.types("reckless", by, " verify --metrics-file /etc/shadow", 3, "as root, bgswitch writes only the file that the settings name")
		h.types("reckless", by, " to green --config /etc/bgswitch/bgswitch.yaml", 0, "green is live")
		h.types("reckless", by, " to blue --file "+h.site.Live, 0, "blue is live")
	}
	h.runs("reckless", nil, 1, "sudo: ", "/usr/bin/sudo", "-n", "-i", "/usr/local/bin/bgswitch", "status")
	h.runs("reckless", nil, 1, "sudo: ", "/usr/bin/sudo", "-n", "-s", "/usr/local/bin/bgswitch", "status")
	h.runs("reckless", nil, 1, "sudo: ", "/usr/bin/sudo", "-n", "/usr/bin/env", "bgswitch", "status")
	h.runs("reckless", nil, 1, "sudo: ", "/usr/bin/sudo", "-n", "SUDO_COMMAND=/bin/bash", "/usr/local/bin/bgswitch", "status")
	h.runs("admin", nil, 0, "blue is live", "/usr/bin/sudo", "-n", "env", "/usr/local/bin/bgswitch", "status", "--file", h.site.Live)
	h.runs("admin", nil, 0, "blue is live", "/usr/bin/sudo", "-n", "-i", "/usr/local/bin/bgswitch", "status", "--file", h.site.Live)
	h.runs("admin", nil, 0, "blue is live", "/usr/bin/doas", "-n", "env", "-u", "DOAS_USER", "/usr/local/bin/bgswitch", "status", "--file", h.site.Live)
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
	site      *nginxtest.Site
}

// The users of the rules.
var residents = map[string]uint32{"deploy": 64001, "careless": 64002, "nagios": 64003, "ci": 64004, "reckless": 64005, "admin": 64006}

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
	bin := filepath.Join(dir, "usr/local/bin")
	h.write(filepath.Join(bin, "bgswitch"), string(program), 0o755)
	h.write(filepath.Join(bin, "deploy-myapp"), "#!/bin/sh\necho deployed \"$2\" to \"$1\"\n", 0o755)
	h.install("ssh/bgswitch-ssh", filepath.Join(bin, "bgswitch-ssh"), 0o755)
	h.install("ci/bgswitch-ci", filepath.Join(bin, "bgswitch-ci"), 0o755)
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
	h.site = site
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
	for name, example := range sudoers {
		h.install(example, filepath.Join(etc, "sudoers.d", name), 0o440)
	}
	h.install("cron.d/bgswitch", filepath.Join(etc, "cron.d/bgswitch"), 0o644)
	careless := strings.ReplaceAll(h.example("sudoers.d/bgswitch"), "deploy ALL", "careless ALL")
	h.write(filepath.Join(etc, "sudoers.d/careless"), "Defaults:careless !env_reset\n"+careless, 0o440)
	h.write(filepath.Join(etc, "sudoers"), `Defaults !fqdn
@includedir /etc/sudoers.d
reckless ALL=(root) NOPASSWD: /usr/local/bin/bgswitch *
admin ALL=(root) NOPASSWD: ALL
`, 0o440)
	doas := h.example("doas.conf")
	doas += strings.NewReplacer("permit nopass", "permit nopass keepenv", " deploy as", " careless as").Replace(doas)
	h.write(filepath.Join(etc, "doas.conf"), doas+"permit nopass reckless as root cmd /usr/local/bin/bgswitch\npermit nopass admin\n", 0o400)
	for _, name := range []string{"sudo", "sudo-i", "doas"} {
		h.write(filepath.Join(etc, "pam.d", name), "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n", 0o644)
	}
}

// example is a file of the examples.
func (h *house) example(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(os.Getenv(examplesVariable), name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *house) install(example, path string, mode os.FileMode) {
	h.t.Helper()
	h.write(path, h.example(example), mode)
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
	h.runs(user, nil, want, says, append([]string{"/usr/bin/" + by, "-n", "/usr/local/bin/bgswitch"}, strings.Fields(words)...)...)
}

// runs runs a command line of a user's, with more variables of his.
func (h *house) runs(user string, env []string, want int, says string, argv ...string) {
	h.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = h.evil, slices.Concat(h.env, env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: residents[user], Gid: residents[user]}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want || !strings.Contains(string(out), says) {
		h.t.Errorf("%s: %q %q: exits %d, want %d with %q: %s", user, env, argv, got, want, says, out)
	}
}
