package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"
)

// contract is examples/json.md: what is documented, and what of it was seen.
type contract struct {
	t      *testing.T
	fields map[string]map[string]string // table, field: type
	seen   map[string]bool              // table.field, with a value
}

func readContract(t *testing.T) *contract {
	text, err := os.ReadFile(filepath.Join(top, "examples", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{t: t, fields: map[string]map[string]string{}, seen: map[string]bool{}}
	row := regexp.MustCompile("^\\| `(\\w+)` \\| ([^|]+) \\| [^|]+ \\|$")
	var table string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "## "); ok {
			table = name
			c.fields[table] = map[string]string{}
		} else if match := row.FindStringSubmatch(line); match != nil {
			c.fields[table][match[1]] = match[2]
		} else if strings.HasPrefix(line, "| `") {
			t.Errorf("no row of a table: %s", line)
		}
	}
	maps.Copy(c.fields["to, back"], c.fields["record"])
	return c
}

// hold holds a value against its documented type.
func (c *contract) hold(what, kind string, value any) {
	c.t.Helper()
	kind, nullable := strings.CutSuffix(kind, " or null")
	items, isList := strings.CutPrefix(kind, "list of ")
	fits := true
	switch value := value.(type) {
	case nil:
		fits = nullable
	case string:
		_, err := time.Parse(time.RFC3339, value)
		fits = value != "" && (kind == "text" || kind == "color" && (value == "blue" || value == "green") || kind == "time" && err == nil)
	case float64:
		fits = kind == "number"
	case bool:
		fits = kind == "true or false"
	case []any:
		fits = isList
		for i, item := range value {
			c.hold(fmt.Sprintf("%s.%d", what, i), items, item)
		}
	case map[string]any:
		if kind == "settings" { // whose keys are the operator's
			break
		}
		c.object(what, kind, value)
	}
	if !fits {
		c.t.Errorf("%s is %#v, documented as %s", what, value, kind)
	}
}

func (c *contract) object(what, table string, object map[string]any) {
	c.t.Helper()
	fields, documented := c.fields[table]
	if !documented {
		c.t.Errorf("%s is an object, documented as %s", what, table)
		return
	}
	for name, value := range object {
		kind, documented := fields[name]
		if !documented {
			c.t.Errorf("%s.%s is documented nowhere", what, name)
			continue
		}
		c.seen[table+"."+name] = c.seen[table+"."+name] || value != nil
		c.hold(what+"."+name, kind, value)
	}
	for name := range fields {
		if _, there := object[name]; !there {
			c.t.Errorf("%s.%s is not there", what, name)
		}
	}
}

// text holds JSON against a table and returns it.
func (c *contract) text(what, table string, text []byte) map[string]any {
	c.t.Helper()
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		c.t.Fatalf("%s: %v: %s", what, err, text)
	}
	c.object(what, table, object)
	return object
}

// unseen are the documented fields that never had a value.
func (c *contract) unseen() []string {
	var list []string
	for table, fields := range c.fields {
		for name := range fields {
			if !c.seen[table+"."+name] {
				list = append(list, table+"."+name)
			}
		}
	}
	slices.Sort(list)
	return list
}

// prints runs a command with --json and holds what it prints against a table.
func (v *victim) prints(c *contract, table string, args ...string) map[string]any {
	c.t.Helper()
	cmd := exec.Command(v.program, append(args, "--json")...)
	cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings)
	out, _ := cmd.Output()
	return c.text(strings.Join(args, " "), table, out)
}

// switches is prints for a switch that has to end in a way.
func (v *victim) switches(c *contract, outcome switcher.Outcome, args ...string) map[string]any {
	c.t.Helper()
	object := v.prints(c, "to, back", args...)
	if object["outcome"] != string(outcome) {
		c.t.Errorf("%v: %v: %v, want %s", args, object["outcome"], object["error"], outcome)
	}
	return object
}

// Every field that any command prints, and a webhook gets, is documented with
// its type; every field that is documented is printed.
func TestJSONIsAsDocumented(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Mounts) // verify finds nothing over before it is OK
	c, v := readContract(t), newVictim(t)
	var mutex sync.Mutex
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mutex.Lock()
		defer mutex.Unlock()
		c.text("the webhook's", "webhook", body)
	}))
	t.Cleanup(hook.Close)
	told, version := filepath.Join(v.Dir, "told"), filepath.Join(v.Dir, "VERSION")
	v.write(version, "v42\n")
	set := func(confirm string) {
		t.Helper()
		text := v.SettingsText(confirm) + "    release: {blue: {file: " + version + "}, green: {file: /nowhere/VERSION}}\nverify: {rise: 1, fall: 1, cooldown: 0s}\nnotify:\n  webhooks: [{url: " + hook.URL + "}]\n" +
			"  commands: [[/bin/sh, -c, 'env | grep -o ^BGSWITCH_[A-Z]* >" + told + "']]\n"
		if err := os.WriteFile(v.Settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set(v.ConfirmText())
	teal := strings.Replace(v.ConfirmText(), "X-Color: green", "X-Color: teal", 1)

	v.prints(c, "status", "status")
	v.bakesAll(c, func(bake string) { set(v.ConfirmText() + bake) })
	set(v.ConfirmText())
	if err := os.Remove(filepath.Join(v.StateDir, "myapp", "fled.json")); err != nil { // it keeps us from green
		t.Fatal(err)
	}
	v.switches(c, switcher.Done, "to", "green", "--reason", "release 42")
	v.switches(c, switcher.Already, "to", "green")
	v.switches(c, switcher.Planned, "to", "blue", "--dry-run")
	v.switches(c, switcher.Done, "back")
	v.switches(c, switcher.Blocked, "back")
	v.switches(c, switcher.Done, "to", "green")
	v.switches(c, switcher.Done, "to", "blue")
	v.switches(c, switcher.Done, "back", "--bad", "it loses carts")
	v.prints(c, "status", "status")
	v.switches(c, switcher.Done, "to", "blue", "--override", "green is no better")
	v.write(version, "v43\n")
	set(v.ConfirmText() + "    before: [/bin/false]\n")
	v.switches(c, switcher.Hindered, "to", "green")
	set(v.ConfirmText() + "    after: [/bin/false]\n")
	v.switches(c, switcher.Done, "to", "green")
	set(v.ConfirmText())
	v.switches(c, switcher.Done, "to", "blue")
	v.switches(c, switcher.Unexpected, "to", "green", "--expect", "v43")
	v.Green.Sicken(true)
	v.switches(c, switcher.Unhealthy, "to", "green")
	v.prints(c, "init", v.initiates("--dry-run", "--blue", v.Blue.Addr, "--green", v.Green.Addr)...)
	v.prints(c, "check", "check")
	v.prints(c, "check", "check", "green")
	v.prints(c, "verify", "verify") // no way back
	v.Green.Sicken(false)
	v.prints(c, "verify", "verify") // that is over
	set(teal)
	v.switches(c, switcher.RolledBack, "to", "green")
	set(v.ConfirmText())
	v.atWork(func() {
		v.switches(c, switcher.Busy, "to", "blue")
		v.prints(c, "status", "status")
	})
	v.drains(c)
	v.drilled(c, func() { set(teal) }, func() { set(v.ConfirmText()) })
	v.blocked(c)
	v.prints(c, "history", "history")
	v.failsOver(c, func() { set(teal) }, func() { set(v.ConfirmText()) })
	conf := v.read(v.Conf)
	v.write(v.Conf, conf+"nonsense;")
	v.prints(c, "verify", "verify") // nginx would refuse the way back
	v.write(v.Conf, strings.Replace(conf, "location / {", "location /old { proxy_pass http://"+v.Blue.Addr+"; } location / {", 1))
	v.switches(c, switcher.Planned, "to", "blue", "--dry-run") // it passes to blue elsewhere, too
	v.write(v.Conf, conf)
	v.write(v.Live, nginxtest.LiveFile(v.Blue.Addr))
	v.prints(c, "status", "status") // drift
	v.write(v.Live, "nonsense")
	if object := v.switches(c, switcher.NotAccepted, "to", "green"); object["from"] != nil {
		t.Errorf("from %v, where it is not known", object["from"])
	}
	v.prints(c, "status", "status")
	v.write(v.Live, nginxtest.LiveFile(v.Blue.Addr))
	if err := v.Nginx.Stop(); err != nil {
		t.Fatal(err)
	}
	v.switches(c, switcher.Failed, "to", "green")
	v.prints(c, "drill", drilling...)
	v.prints(c, "doctor", "doctor")
	status := v.prints(c, "status", "status")
	running := status["sites"].([]any)[0].(map[string]any)["running"].(map[string]any)
	if running["pid"] != nil || running["workers"] != nil || running["draining"] != nil {
		t.Errorf("nginx is stopped: %v", running)
	}
	pair := pairVictim(t)
	pair.switches(c, switcher.Done, "to", "green")
	pair.prints(c, "status", "status")
	pair.apart()
	pair.prints(c, "to, back of several sites", "to", "blue", "--site", "myapp,second")
	v.prints(c, "settings check", "settings", "check")
	v.prints(c, "settings show", "settings", "show")
	v.prints(c, "settings example", "settings", "example")
	broken := filepath.Join(v.Dir, "broken.yaml")
	v.write(broken, "sites: 1\n")
	v.prints(c, "settings check", "settings", "check", "--config", broken)
	v.prints(c, "error", "status", "nonsense")
	v.prints(c, "error", "to", "nonsense")
	v.prints(c, "error", "history", "--config", "/nowhere")
	v.prints(c, "verify", "verify", "nonsense")
	c.inAContainer(v.program)
	c.prunes()
	mutex.Lock()
	defer mutex.Unlock()
	if unseen := c.unseen(); len(unseen) > 0 {
		t.Errorf("documented, but never printed: %s", strings.Join(unseen, ", "))
	}
	c.environment(v.read(told))
}

// bakesAll has green bake in every way, and ends with blue.
func (v *victim) bakesAll(c *contract, set func(bake string)) {
	c.t.Helper()
	log := filepath.Join(v.Dir, "bake.log")
	v.write(log, "")
	set("    bake: {for: 100ms, interval: 100ms, access_log: " + log + "}\n")
	v.switches(c, switcher.Done, "to", "green")
	set("    bake: {for: 1h, interval: 100ms}\n")
	cmd := exec.Command(v.program, "to", "blue")
	cmd.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings)
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	v.eventually(func() error {
		if s := (&switcher.Switcher{State: statedir.Of(v.StateDir, "myapp")}); s.Baking() == nil {
			return errors.New("nothing bakes")
		}
		return nil
	})
	v.prints(c, "status", "status")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	v.prints(c, "status", "status") // cut off
	notes := filepath.Join(v.StateDir, "myapp", "bake.lock")
	if err := errors.Join(os.Rename(notes, notes+".kept"), os.Mkdir(notes, 0o700)); err != nil {
		c.t.Fatal(err)
	}
	v.prints(c, "status", "status") // unknown
	if err := errors.Join(os.Remove(notes), os.Rename(notes+".kept", notes)); err != nil {
		c.t.Fatal(err)
	}
	set("    bake: {for: 1h, interval: 100ms, command: [/bin/false]}\n")
	v.switches(c, switcher.Done, "to", "green")
}

// inAContainer looks at an nginx that runs in one, where that may be started.
func (c *contract) inAContainer(program string) {
	c.t.Helper()
	c.seen["container.name"] = true // only a runtime gives one
	if !rightstest.Namespaces.Had() {
		maps.Copy(c.seen, map[string]bool{"running.container": true, "container.file": true})
		return
	}
	in := &victim{program: program, Site: containerSite(c.t, nginxtest.ContainerOptions{}), t: c.t}
	in.prints(c, "status", "status")
}

// drains looks at a color that something is open of, and at one that is drained.
func (v *victim) drains(c *contract) {
	c.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	held, err := client.Get(v.URL() + "hold")
	if err != nil {
		c.t.Fatal(err)
	}
	v.switches(c, switcher.Done, "to", "blue", "--drain", "1ms")
	v.prints(c, "drain", "drain", "--wait", "1ms")
	v.prints(c, "drain", "drain", "--green", "nowhere.invalid:80") // whose connections nobody knows
	v.prints(c, "status", "status")
	_ = held.Body.Close()
	v.switches(c, switcher.Done, "to", "green", "--drain", "1m")
	v.prints(c, "drain", "drain")
}

// drilled practices, and cannot; and leaves what a killed one has left.
func (v *victim) drilled(c *contract, wrong, right func()) {
	c.t.Helper()
	args := append(drilling, "--reason", "before the release")
	v.switches(c, switcher.Done, "to", "blue")
	wrong()
	v.prints(c, "drill", args...)
	right()
	v.prints(c, "drill", args...)
	v.switches(c, switcher.Done, "to", "green")
	state := statedir.Of(v.StateDir, "myapp")
	last := v.drillState().Last
	last.Time = time.Now().UTC()
	if err := state.KeepDrills(statedir.Drills{Begun: last, Last: last}); err != nil {
		c.t.Fatal(err)
	}
	v.prints(c, "status", "status")
	path := filepath.Join(state.Path, "drill.json")
	v.write(path, "{")
	v.prints(c, "status", "status")
	if err := os.Remove(path); err != nil {
		c.t.Fatal(err)
	}
}

// blocked blocks a color, and lifts it when others have seen it; and where that
// cannot be done.
func (v *victim) blocked(c *contract) {
	c.t.Helper()
	v.prints(c, "block, unblock", "block", "blue", "--reason", "the column is gone", "--until", "2h")
	v.prints(c, "status", "status")
	v.prints(c, "block, unblock", "unblock", "blue")
	path := statedir.Of(v.StateDir, "myapp").BlocksPath()
	kept := v.read(path)
	v.write(path, "{")
	v.prints(c, "block, unblock", "block", "blue", "--reason", "the column is gone")
	v.prints(c, "history", "history")
	v.write(path, kept)
}

// environment holds the names that a command gets against those of a webhook.
func (c *contract) environment(names string) {
	c.t.Helper()
	var want []string
	for name := range c.fields["webhook"] {
		if name != "schema" {
			want = append(want, "BGSWITCH_"+strings.ToUpper(name))
		}
	}
	got := strings.Fields(strings.ReplaceAll(names, "BGSWITCH_CONFIG\n", ""))
	got = slices.DeleteFunc(got, func(name string) bool { return strings.HasPrefix(name, "BGSWITCH_TEST") })
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		c.t.Errorf("a command gets %v, want %v", got, want)
	}
}

func (v *victim) write(path, text string) {
	v.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

// atWork does something while another switch holds the lock.
func (v *victim) atWork(do func()) {
	v.t.Helper()
	v.Green.Mute(true)
	first := exec.Command(v.program, "to", "green")
	first.Env = append(os.Environ(), "BGSWITCH_CONFIG="+v.Settings)
	if err := first.Start(); err != nil {
		v.t.Fatal(err)
	}
	if err := nginxtest.Eventually(patience, func() error {
		if v.Green.Asked() == 0 {
			return fmt.Errorf("nobody has asked green")
		}
		return nil
	}); err != nil {
		v.t.Error(err)
	}
	do()
	v.Green.Mute(false)
	_ = first.Wait() // how it ends is not asked here
}

// failsOver has verify switch, first where it is rolled back, and meets another run.
func (v *victim) failsOver(c *contract, wrongMark, rightMark func()) {
	c.t.Helper()
	v.prints(c, "verify", "verify")
	v.switches(c, switcher.Done, "to", "blue", "--force")
	v.Blue.Sicken(true)
	for _, marks := range []func(){wrongMark, rightMark} {
		marks()
		object := v.prints(c, "verify", "verify", "--failover")
		if sites := object["sites"].([]any); sites[0].(map[string]any)["event"] != "failover" {
			c.t.Errorf("no failover: %v", sites[0])
		}
		v.prints(c, "verify --ack", "verify", "--ack")
	}
	v.Blue.Sicken(false)
	v.prints(c, "verify --ack", "verify", "--ack")
	other, err := statedir.Of(v.StateDir, "myapp").TryLock("verify.lock")
	if err != nil {
		c.t.Fatal(err)
	}
	v.prints(c, "verify", "verify")
	if err := other.Release(); err != nil {
		c.t.Error(err)
	}
}
