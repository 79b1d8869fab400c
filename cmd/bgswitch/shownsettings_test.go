package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bgswitch/examples"
	"bgswitch/health"
	"bgswitch/nginxconf"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// filled has a value where the example shows that none is the default.
var filled = strings.NewReplacer(
	`prefix: ""`, "prefix: /p", `selector: ""`, "selector: server in upstream myapp", "upstream: myapp       #", "#",
	`host: ""`, "host: h", "headers: {}", "headers: {X-A: xxxxx}", `contains: ""`, "contains: ok", `ca: ""`, "ca: /ca",
	`blue_url: ""`, "blue_url: http://b/", `green_url: ""`, "green_url: http://g/", "pid: 0", "", `folder: ""`, "folder: /r",
)

// wholeExample is the example with all that is commented out.
func wholeExample(t *testing.T) string {
	t.Helper()
	text := filled.Replace(uncommented(examples.Settings))
	if empty := regexp.MustCompile(`(?m)^.*: *(?:""|\{\}|\[\]).*$`).FindString(text); empty != "" {
		t.Fatalf("give it a value in filled: %s", empty)
	}
	return text
}

func parsed(t *testing.T, text string) settings {
	t.Helper()
	s, err := newReader().parse("f", []byte(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return s
}

func shownAsText(t *testing.T, s settings) string {
	t.Helper()
	text, err := textOf(s.inForce())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// paths are those of all keys below a node.
func paths(node *yaml.Node, at string) (list []string) {
	for i, below := range node.Content {
		switch {
		case node.Kind == yaml.SequenceNode:
			list = append(list, paths(below, fmt.Sprintf("%s.%d", at, i))...)
		case node.Kind == yaml.DocumentNode:
			list = append(list, paths(below, at)...)
		case node.Kind == yaml.MappingNode && i%2 == 1:
			key := at + "." + node.Content[i-1].Value
			list = append(append(list, key), paths(below, key)...)
		}
	}
	return list
}

func pathsOf(t *testing.T, text string) []string {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return paths(&node, "")
}

// Every setting that there is, is shown where it is set.
func TestEverySettingIsShown(t *testing.T) {
	t.Parallel()
	whole := wholeExample(t)
	shown := shownAsText(t, parsed(t, whole))
	there := pathsOf(t, shown)
	for _, path := range pathsOf(t, whole) {
		if !slices.Contains(there, path) {
			t.Errorf("%s is not shown", path)
		}
	}
}

// What is shown can be read again, and means the same.
func TestShownSettingsMeanTheSame(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the example": wholeExample(t), "the built-in site": "", "the least": site(bothColors), "every setting": everySetting,
		"a pid":     "nginx: {pid: 7}\n" + site(bothColors),
		"merged":    site(bothColors + "    check: &c {path: /up, passes: 2}\n  b: {<<: {file: /b, blue: x:1}, blue: c:1, green: d:1, check: {<<: [*c, {attempts: 4}]}}\n"),
		"places":    site(bothColors + "    places:\n    - &p {selector: set $a, file: /b}\n    - {<<: *p, selector: set $b, blue: \"0x1f:80\"}\n    check: {blue_url: 'tcp://a:1', green_url: 'tcp://b:1', type: tcp}\n"),
		"odd texts": site(bothColors + "    check: {contains: \"yes\", status: [200, 301-302], host: \"1\", headers: {1: xxxxx}}\n    confirm: {url: 'http://a/', blue: \"null\", green: \"a: b # c\", patience: 90}\n"),
	} {
		s := parsed(t, text)
		shown := shownAsText(t, s)
		again := parsed(t, shown)
		if diff := cmp.Diff(shown, shownAsText(t, again)); diff != "" {
			t.Errorf("%s: what is shown changes (-first +then):\n%s", name, diff)
		}
		if name == "every setting" { // the values of its headers are not shown
			continue
		}
		again.path, again.inForce, again.notify = s.path, nil, s.notify
		if s.inForce = nil; s.nginx.binary == "" { // defaults that are known where they are needed
			s.nginx.binary = "nginx"
		}
		urls := cmp.Comparer(func(a, b health.URL) bool { return a.String() == b.String() })
		selectors := cmp.Comparer(func(a, b nginxconf.Selector) bool { return a == b })
		values := cmp.Comparer(func(a, b nginxconf.Value) bool { return a.String() == b.String() })
		for i := range s.sites {
			if c := s.sites[i].Confirm; c != nil {
				c.Patience = s.sites[i].Patience()
			}
		}
		if diff := cmp.Diff(s, again, cmp.AllowUnexported(settings{}, nginxSettings{}), urls, selectors, values); diff != "" {
			t.Errorf("%s: what is shown means something else (-set +shown):\n%s\n%s", name, diff, shown)
		}
	}
}

// Of a webhook not even the path is shown, of other URLs neither user nor query, and
// of headers no value.
func TestShownSettingsHideSecrets(t *testing.T) {
	t.Parallel()
	shown := shownAsText(t, parsed(t, site(bothColors+`    check: {path: "/up?k=s3cret", headers: {X-Key: s3cret}, blue_url: "http://s3cret@b/?s3cret"}
    confirm: {url: "http://s3cret:s3cret@c/p?k=s3cret", blue: x, green: y}
    release: {green: {url: "https://s3cret@g/v?s3cret", field: f}}
    schema: {database: {url: "http://s3cret@d/v?s3cret", field: f}, blue: {url: "http://s3cret@d/v?s3cret", at_least: f}, green: {file: /f}}
    after: [/bin/curl, "https://s3cret@a/?k=s3cret"]
notify:
  webhooks: [{url: "https://s3cret@w:81/s3cret/s3cret?s3cret", headers: {X-Key: s3cret}}, {url: "https://plain/"}]
  commands: [[/bin/curl, "https://s3cret@a/?k=s3cret"]]
  ping: https://p/s3cret
`)))
	if strings.Contains(shown, "s3cret") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	for _, want := range []string{"path: /up?xxxxx\n", "X-Key: xxxxx\n", "http://xxxxx@c/p?xxxxx\n", "https://xxxxx@w:81/xxxxx\n", "url: https://plain/\n", "ping: https://p/xxxxx\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown:\n%s", want, shown)
		}
	}
}

// settingsCommandSays runs it as an operator does.
func settingsCommandSays(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, told bytes.Buffer
	code = run(t.Context(), append([]string{"bgswitch", "settings"}, args...), &out, &told)
	return code, out.String(), told.String()
}

func TestSettingsCommand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bgswitch.yaml")
	if err := os.WriteFile(path, []byte(everySetting[:strings.Index(everySetting, "notify:")]), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(filepath.Dir(path), "broken.yaml")
	if err := os.WriteFile(broken, []byte("sites:\n  a: {blue: 3001, gren: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"check --config " + path, exitDone, "one: no mistakes; /f decides, and the proof is by identity\ntwo: no mistakes; /g decides, and the proof is by generation\n", ""},
		{"check --site two --config " + path, exitDone, "two: no mistakes; /g decides, and the proof is by generation\n", ""},
		{"check --site three --config " + path, exitFailed, "", `there is no site "three"`},
		{"check --config " + broken, exitFailed, "", broken + ":2: cannot read address: \"3001\": it is only a port"},
		{"check --config " + broken, exitFailed, "", "\n  " + broken + `:2: there is no setting "gren" here; did you mean "green"?` + "\n"},
		{"show --config " + broken, exitFailed, "", "settings example` shows every setting\n"},
		{"check --config /nowhere/b.yaml", exitFailed, "", "cannot read the settings: "},
		{"check --blue a:1 --config " + path, exitFailed, "", "there is no flag --blue"},
		{"example --config " + broken, exitDone, examples.Settings, ""},
		{"", exitFailed, "", "settings takes check, show or example"},
		{"check show", exitFailed, "", "settings takes check, show or example"},
	} {
		code, stdout, stderr := settingsCommandSays(t, strings.Fields(test.args)...)
		if code != test.code || stdout != test.stdout || !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
			t.Errorf("settings %s: exits %d, prints %q, says %q", test.args, code, stdout, stderr)
		}
	}
	code, stdout, stderr := settingsCommandSays(t, "show", "--site", "two", "--config", path)
	if there := pathsOf(t, stdout); code != exitDone || stderr != "" || !slices.Contains(there, ".sites.two.check.timeout") || slices.Contains(there, ".sites.one") {
		t.Errorf("exits %d, says %q, prints\n%s", code, stderr, stdout)
	}
	parsed(t, stdout)
}
