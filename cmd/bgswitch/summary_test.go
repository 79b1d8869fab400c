package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"github.com/google/go-cmp/cmp"
)

// openVictim is a site of root's whose settings everybody may read, but not what is
// kept of it.
func openVictim(t *testing.T) *victim {
	t.Helper()
	rightstest.Needs(t, rightstest.Root)
	dir := rightstest.OpenFolder(t)
	v := victimIn(t, filepath.Join(dir, "site"), nginxtest.Options{Workers: 1})
	program, err := os.ReadFile(v.program) // it stands where nobody else may go
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "bgswitch"), program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	carries := filepath.Join(v.Dir, "release")
	v.write(v.Settings, v.SettingsText(v.ConfirmText()+"    release: {green: {file: "+carries+"}}\n"))
	v.write(carries, "v9\n")
	for _, path := range []string{v.Settings, carries} {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// asNobody runs a command as a user without rights.
func (v *victim) asNobody(args ...string) (code int, out string) {
	v.t.Helper()
	return v.run(exec.Command("asnobody", append([]string{filepath.Join(filepath.Dir(v.Dir), "bgswitch")}, args...)...))
}

// told is what a status tells of what is kept; null, and so nil: it is unknown.
type told struct {
	Live    string
	Running struct{ Loaded *bool }
	Drift   []struct{ Key string }
	Last    *struct {
		Time, From, To, Outcome, Proof string
		Who, Reason                    *string
		Path, HashAfter                string
	} `json:"last_switch"`
	Blocks []struct {
		Color, Time string
		Until       *string
		Who, Reason *string
	}
	Drills *struct {
		Last *struct {
			Time, Outcome string
			Who           *string
		}
	}
	Releases []struct {
		Color   string
		Release *string
		Fled    *struct {
			Time     string
			Release  *string
			Who, Why *string
		}
	}
}

func (v *victim) told(as func(...string) (int, string)) told {
	v.t.Helper()
	_, out := as("status", "--json", "--quiet")
	var status struct{ Sites []told }
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Sites) != 1 {
		v.t.Fatalf("%v: %s", err, out)
	}
	return status.Sites[0]
}

// alike: what anybody is told is what root is, but for who and why.
func (v *victim) alike(what string) {
	v.t.Helper()
	roots, anybodys := v.told(v.bgswitch), v.told(v.asNobody)
	if roots.Last != nil {
		if roots.Last.Who == nil {
			v.t.Errorf("%s: root is not told who", what)
		}
		roots.Last.Who, roots.Last.Reason = nil, nil
	}
	for i := range roots.Blocks {
		roots.Blocks[i].Who, roots.Blocks[i].Reason = nil, nil
	}
	if roots.Drills != nil && roots.Drills.Last != nil {
		roots.Drills.Last.Who = nil
	}
	for i := range roots.Releases {
		if fled := roots.Releases[i].Fled; fled != nil {
			fled.Who, fled.Why = nil, nil
		}
	}
	if diff := cmp.Diff(roots, anybodys); diff != "" {
		v.t.Errorf("%s (-root +anybody):\n%s", what, diff)
	}
}

// Anybody knows of a site of root's what it is, after whatever is done, and nothing of
// who did it and why.
func TestAnybodyKnowsWhatIsKept(t *testing.T) {
	t.Parallel()
	v := openVictim(t)
	v.alike("before the first switch")
	if code, out := v.run(exec.Command("sh", "-c", `umask 077; exec "$0" to green --reason secret-one`, v.program)); code != exitDone {
		t.Fatalf("exits %d: %s", code, out)
	}
	v.alike("after a switch")
	code, out := v.asNobody("status")
	for _, want := range []string{`(?m)^myapp  green is live \(v9\) and healthy$`, `has loaded the file: the switch at .* gave it to nginx`, `(?m)^  last     .*  blue to green \(v9\)  done  [^ ]+, proof by identity$`,
		"(?m)^  more     who, why and what failed: `sudo env bgswitch status --config .*`$"} {
		if code != exitDone || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("exits %d, want %s: %s", code, want, out)
		}
	}
	v.exits(exitDone, "", "block", "blue", "--reason", "secret-two", "--until", "2h")
	v.exits(exitDone, "", "block", "blue", "--reason", "secret-three")
	v.alike("after two blocks")
	if _, out := v.asNobody("status"); !regexp.MustCompile(`(?m)^  block    blue is blocked since [^:]*:\d\d:\d\d [^:]*$`).MatchString(out) {
		t.Error(out)
	}
	v.exits(exitDone, "", "back", "--override", "secret-four")
	v.exits(exitDone, "", "unblock", "blue")
	v.alike("after lifting them")
	v.exits(exitDone, "", "drill", "--yes", "--live", "--stay", "0s", "--reason", "secret-six")
	v.alike("after a drill")
	v.Green.Sicken(true)
	v.exits(exitUnhealthy, "", "to", "green", "--reason", "secret-seven")
	v.alike("after a refusal")
	v.Green.Sicken(false)
	settings := v.read(v.Settings)
	v.write(v.Settings, strings.Replace(settings, `green: "X-Color: green"`, `green: "X-Color: teal"`, 1))
	v.exits(exitRolledBack, "", "to", "green", "--reason", "secret-eight")
	v.write(v.Settings, settings)
	v.alike("after a roll-back")
	v.write(v.Live, nginxtest.LiveFile(v.Green.Addr))
	v.alike("after an edit")
	v.exits(exitDone, "", "to", "green")
	v.exits(exitDone, "", "back", "--bad", "secret-five")
	v.alike("after a flight")
	if _, out := v.asNobody("status"); !strings.Contains(out, "v9") || !strings.Contains(out, "marked as bad at ") {
		t.Errorf("what was marked is not told: %s", out)
	}
	if code, out := v.asNobody("history"); code != exitFailed || !strings.Contains(out, "permission denied") {
		t.Errorf("a summary is no history: exits %d: %s", code, out)
	}
	v.keepsItsSecrets()
}

// keepsItsSecrets looks into all that everybody may read of what is kept.
func (v *victim) keepsItsSecrets() {
	v.t.Helper()
	read := 0
	err := filepath.WalkDir(v.StateDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && info.Mode().Perm()&0o055 == 0:
			return fs.SkipDir
		case entry.IsDir() || info.Mode().Perm()&0o044 == 0:
			return nil
		}
		read++
		if text := v.read(path); strings.Contains(text, "secret-") || strings.Contains(text, who()) || strings.Contains(text, hostname()) {
			v.t.Errorf("everybody may read in %s: %s", path, text)
		}
		return nil
	})
	if err != nil || read != 1 {
		v.t.Errorf("%d files may be read by everybody: %v", read, err)
	}
}

// Whenever a switch is killed, anybody is told what root is, or that it is unknown:
// never what was so before.
func TestKilledBeforeItIsTold(t *testing.T) {
	t.Parallel()
	v := openVictim(t)
	unknown, same := 0, 0
	colors := []string{"green", "blue"}
	v.everyStep(0, stride(), func(p point) bool {
		v.agree("before", colors[(unknown+same)%2])
		r := v.at(p, killed, "to", colors[(unknown+same+1)%2])
		what := "killed before " + p.String()
		v.settled(what)
		v.lateOrRight(what, &unknown, &same)
		return r.met
	})
	if same == 0 {
		t.Error("nobody was ever told anything")
	}
	t.Logf("%d unknown, %d known", unknown, same)
}

func (v *victim) lateOrRight(what string, unknown, same *int) {
	v.t.Helper()
	roots, anybodys := v.told(v.bgswitch), v.told(v.asNobody)
	switch {
	case anybodys.Last == nil:
		*unknown++
		v.bgswitch("verify")
		if anybodys = v.told(v.asNobody); anybodys.Last == nil || anybodys.Last.Time != roots.Last.Time {
			v.t.Errorf("%s: after verify, anybody is told of %+v", what, anybodys.Last)
		}
	case roots.Last == nil || roots.Last.Time != anybodys.Last.Time || roots.Last.Outcome != anybodys.Last.Outcome:
		v.t.Errorf("%s: root is told of %+v, anybody of %+v", what, roots.Last, anybodys.Last)
	default:
		*same++
	}
	if is := anybodys.Running.Loaded; is != nil && (roots.Running.Loaded == nil || *is != *roots.Running.Loaded) {
		v.t.Errorf("%s: anybody is told that it is loaded: %t", what, *is)
	}
}

// What others could have written is not believed, and what is not there tells nothing.
func TestForgedSummary(t *testing.T) {
	t.Parallel()
	v := openVictim(t)
	v.exits(exitDone, "", "to", "green")
	path := filepath.Join(v.StateDir, "myapp.status.json")
	good := v.read(path)
	forged := strings.Replace(good, `"outcome":"done"`, `"outcome":"forged"`, 1)
	is := func(what string, known bool) {
		t.Helper()
		code, out := v.asNobody("status")
		if strings.Contains(out, "forged") || strings.Contains(out, "blue to green (v9)  done") != known || code != exitDone {
			t.Errorf("%s: exits %d, known %t: %s", what, code, known, out)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is("root's own", true)
	theirs := filepath.Join(filepath.Dir(v.Dir), "theirs")
	must(os.WriteFile(theirs, []byte(forged), 0o644))
	must(os.Chown(theirs, 64007, 64007))
	must(os.Rename(path, path+".kept"))
	is("one that is gone", false)
	must(os.Rename(theirs, path))
	is("somebody else's", false)
	must(os.Chown(path, 0, 0))
	must(os.Chmod(path, 0o666))
	is("one that others may write", false)
	must(os.Remove(path))
	must(os.WriteFile(theirs, []byte(forged), 0o644))
	must(os.Symlink(theirs, path))
	is("a link", false)
	must(os.Remove(path))
	must(syscall.Mkfifo(path, 0o644))
	is("a pipe", false)
	must(os.Remove(path))
	for _, text := range []string{"", "{", "null", `{"schema":2,"records":[]}`, strings.Repeat("x", 2<<20)} {
		must(os.WriteFile(path, []byte(text), 0o644))
		is("damaged: "+text[:min(len(text), 20)], false)
	}
	must(os.WriteFile(path, []byte(forged), 0o644))
	must(os.Chown(v.StateDir, 64007, 64007))
	is("in a folder of somebody else's", false)
	must(os.Chown(v.StateDir, 0, 0))
	must(os.Rename(path+".kept", path))
	must(os.Chmod(v.StateDir, 0o700))
	is("in a folder as it was made once", false)
	must(os.Chmod(v.StateDir, 0o755))
	is("root's own again", true)
}
