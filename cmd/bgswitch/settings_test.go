package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/notify"
	"bgswitch/switcher/release"
	"bgswitch/switcher/trust"
	"bgswitch/switcher/verify"

	"github.com/google/go-cmp/cmp"
)

// site is settings of one site with something to go wrong in lines 4 and on.
func site(lines string) string {
	return "sites:\n  app:\n    file: /etc/nginx/app.conf\n" + lines
}

const bothColors = "    blue: 127.0.0.1:3001\n    green: 127.0.0.1:3002\n"

// Each mistake is told with its line and in the operator's words: what YAML
// and Go call things is not what he wrote.
func TestSettingsMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"unknown field", "nginxx: {}\n", `f:1: there is no setting "nginxx" here; did you mean "nginx"\?`},
		{"unknown field of a site", site(bothColors + "    gren: a:1\n"), `f:6: there is no setting "gren" here; did you mean "green"\?`},
		{"unknown field of a check", site(bothColors + "    check:\n      pat: /\n"), `f:7: there is no setting "pat" here; did you mean "path"\?`},
		{"unknown field of confirm", site(bothColors + "    confirm: {uri: x}\n"), `(?s)f:6: blue: .*\n  f:6: green: .*\n  f:6: there is no setting "uri" here; did you mean "url"\?\n  f:6: url: .*`},
		{"text for a number", site(bothColors + "    check: {attempts: many}\n"), `f:6: attempts: expected a whole number, found "many"`},
		{"list for a number", site(bothColors + "    check: {passes: [1]}\n"), `f:6: passes: expected a whole number, found a list`},
		{"text for yes or no", site(bothColors + "    check: {insecure: perhaps}\n"), `f:6: insecure: expected true or false, found "perhaps"`},
		{"list for a text", "state_dir: [a]\n", `f:1: state_dir: expected text, found a list`},
		{"text for a list", "nginx: {test: nginx -t}\n", `f:1: test: a command is a list: .*`},
		{"text for settings", "nginx: /usr/sbin/nginx\n", `f:1: nginx: expected settings below it, found text`},
		{"text for the sites", "sites: app\n", `f:1: sites: expected settings below it, found text`},
		{"settings for an address", site("    blue: {a: b}\n    green: a:1\n"), `f:4: blue: expected a list, found settings below it`},
		{"duplicated key", "state_dir: /a\nstate_dir: /b\n", `f:2: "state_dir" is set twice, first on line 1`},
		{"duplicated site", "sites:\n  app: {}\n  app: {}\n", `(?s)f:2: .*\n  f:3: "app" is set twice, first on line 2`},
		{"second document", "state_dir: /a\n---\nstate_dir: /b\n", `f:2: the settings must be one YAML document, but a second one begins here`},
		{"broken second document", "state_dir: /a\n---\n[\n", `f:\d+: the settings must be one YAML document, but a second one begins here`},
		{"no YAML", "sites: [\n", `f:\d+: .+`},
		{"tab", "sites:\n\tapp: {}\n", `f:2: .+`},
		{"a list at the top", "- a\n", `f:1: the settings: expected settings below it, found a list`},
		{"nil site", "sites:\n  app:\n", `f:2: nothing is set for this site`},
		{"nil upstream", site("    upstreams: {a: }\n"), `f:4: nothing is set for this upstream`},
		{"missing color", site("    blue: a:1\n"), `f:2: green: no address; write one as in nginx, such as 127.0.0.1:3001`},
		{"empty color", site("    blue: a:1\n    green: []\n"), `f:5: green: no address; write one as in nginx, such as 127.0.0.1:3001`},
		{"no colors", site(""), "f:2: blue: no address; .*\n  f:2: green: no address; .*"},
		{"bad address", site("    blue: http://a:1\n    green: b:1\n"), `f:4: cannot read address: "http://a:1": write it without the scheme, as host:port`},
		{"bad address in a list", site("    blue: [a:1, 'b:2;']\n    green: [c:1, d:1]\n"), `f:4: cannot read address: "b:2;": it contains one of .*`},
		{"injection", site("    blue: a:1\n    green: '127.0.0.1:1; } evil {'\n"), `f:5: cannot read address: "127.0.0.1:1; } evil {": it contains a blank.*`},
		{"number as address", site("    blue: 3001\n    green: 3002\n"), "f:4: cannot read address: \"3001\": .*\n  f:5: cannot read address: \"3002\": .*"},
		{"equal colors", site("    blue: a:1\n    green: A:1\n"), `f:5: a:1 is given twice`},
		{"equal colors by port 80", site("    blue: a\n    green: a:80\n"), `f:5: a:80 is given twice`},
		{"unequal counts", site("    blue: [a:1, a:2]\n    green: b:1\n"), `f:5: blue has 2 addresses, green has 1; give both the same number`},
		{"no release", site(bothColors + "    release: {}\n"), `f:6: neither blue nor green is set; .*`},
		{"a release from nowhere", site(bothColors + "    release:\n      blue: {}\n"), `f:7: a release comes from one place; set one of link, git, url, file and command`},
		{"a release from two places", site(bothColors + "    release:\n      blue: {link: /a, file: /b}\n"), `f:7: a release comes from one place; .*`},
		{"a release without its field", site(bothColors + "    release:\n      blue:\n        url: http://a/?key=hunter2\n"), `f:8: url: one of field and header says where the name stands in the answer`},
		{"a field of a file", site(bothColors + "    release:\n      blue: {file: /a, field: b}\n"), `f:7: field and header are of what a url answers, and there is none`},
		{"a relative link", site(bothColors + "    release:\n      blue: {link: a}\n"), `f:7: link: "a" is not an absolute path`},
		{"a release by a name in PATH", site(bothColors + "    release:\n      blue: {command: [git]}\n"), `f:7: command: "git" is not an absolute path`},
		{"a release for an hour", site(bothColors + "    release:\n      blue: {link: /a}\n      timeout: 1h\n"), `f:8: timeout: 1h0m is not allowed; use more than 0 and at most 1m`},
		{"a folder of releases without a link", site(bothColors + "    release:\n      blue: {file: /a}\n      folder: /b\n"), `f:8: folder: it is the folder that links lead into, but neither color has a link`},
		{"no schema", site(bothColors + "    schema: {}\n"), "f:6: blue: a version comes from one place; set one of url, file and command\n  f:6: database: a .*\n  f:6: green: .*"},
		{"a schema of one color", site(bothColors + "    schema:\n      database: {file: /a}\n      blue: {file: /b}\n"), `f:6: green: a version comes from one place; .*`},
		{"a schema in two places", site(bothColors + "    schema:\n      database: {file: /a}\n      blue: {file: /b, command: [/c]}\n      green: {file: /d}\n"), `f:8: blue: a version comes from one place; .*`},
		{"a schema without its field", site(bothColors + "    schema:\n      database:\n        url: http://a/?key=hunter2\n      blue: {file: /b}\n      green:\n        url: http://a/?key=hunter2\n"), "f:8: url: one of field and header .*\n  f:10: green: set at_least, at_most or both to the fields .*"},
		{"a field of what is no url", site(bothColors + "    schema:\n      database: {file: /a}\n      blue: {file: /b, at_least: c}\n      green: {file: /d}\n"), `f:8: blue: at_least and at_most are fields in the answer of a url, and no url is set`},
		{"a schema by a name in PATH", site(bothColors + "    schema:\n      database: {command: [psql]}\n      blue: {file: /b}\n      green: {file: /d}\n"), `f:7: command: "psql" is not an absolute path`},
		{"a schema for no time", site(bothColors + "    schema:\n      database: {file: /a}\n      blue: {file: /b}\n      green: {file: /d}\n      timeout: 0s\n"), `f:10: timeout: 0ms is not allowed; use more than 0 and at most 1m`},
		{"a bake's share", site(bothColors + "    bake:\n      access_log: /a.log\n      max_5xx: 0.05\n"), `f:8: max_5xx: "0.05" is not a percentage; use one such as 5% or 0.5%`},
		{"a bake's whole share", site(bothColors + "    bake: {access_log: /a.log, max_5xx: 100%}\n"), `f:6: max_5xx: 100% is not allowed; use 0% or more, and less than 100%`},
		{"a share of no log", site(bothColors + "    bake:\n      max_5xx: 5%\n      min_requests: 7\n"), "f:7: max_5xx: it is about the access log, but `access_log` is not set\n  f:8: min_requests: it is about the access log, .*"},
		{"a bake's log below the caller's folder", site(bothColors + "    bake: {access_log: a.log, min_requests: 0}\n"), "f:6: access_log: \"a.log\" is not an absolute path\n  f:6: min_requests: at least one request is needed to judge by"},
		{"a bake's times", site(bothColors + "    bake:\n      for: 25h\n      interval: 1ms\n      fall: 0\n"), "f:7: for: 25h0m is not allowed; use at most 24h\n  f:8: interval: 1ms is not allowed; use 0.1s to 1h\n  f:9: fall: 0 is not allowed; use 1 to 100"},
		{"a bake of less than its interval", site(bothColors + "    bake: {for: 1s, interval: 2s}\n"), `f:6: interval: 2s is longer than the bake, which is 1s`},
		{"a bake's command", site(bothColors + "    bake: {command: smoke}\n"), `f:6: command: a command is a list: .*`},
		{"verify's rise", "verify: {rise: 0}\n", `f:1: rise: 0 is not allowed; use 1 to 100`},
		{"verify's deadline", "verify:\n  deadline: 2m\n", `f:2: deadline: 2m is not allowed; .*less than a minute`},
		{"half a number", "verify:\n  fall: 1.5\n", `f:2: fall: expected a whole number, found "1.5"`},
		{"webhook without scheme", "notify:\n  webhooks:\n  - url: chat.example\n", `f:3: url: bgswitch cannot ask that; .*`},
		{"command without path", "notify:\n  commands:\n  - [page, me]\n", `f:3: commands: "page" is not an absolute path`},
		{"empty command", "notify:\n  commands: [[]]\n", `f:2: commands: a command is a list: .*`},
		{"relative state folder", "state_dir: state\n", `f:1: state_dir: "state" is not an absolute path`},
		{"relative conf", "nginx:\n  binary: nginx\n  conf: nginx.conf\n", `f:3: conf: "nginx.conf" is not an absolute path`},
		{"binary below the caller's folder", "nginx:\n  binary: bin/nginx\n", `f:2: binary: "bin/nginx" is not an absolute path`},
		{"command below the caller's folder", "nginx:\n  test: [./test.sh]\n  reload: [../reload]\n", "f:2: test: \"./test.sh\" is not an absolute path\n  f:3: reload: \"../reload\" is not an absolute path"},
		{"no name of a container", "nginx:\n  container: --help\n", `f:2: container: "--help" is not the name of a container; .*`},
		{"no process", "nginx:\n  pid: -1\n", `f:2: pid: -1 is not the number of a process`},
		{"a container and a process", "nginx:\n  pid: 7\n  container: web\n", `f:2: pid: set this or container, not both`},
		{"relative prefix", "nginx:\n  prefix: ./nginx\n", `f:2: prefix: "./nginx" is not an absolute path`},
		{"relative file", "sites:\n  app:\n" + bothColors + "    file: app.conf\n", `f:5: file: "app.conf" is not an absolute path`},
		{"bad name", "sites:\n  ../x:\n" + bothColors, `f:2: site name "../x": use only letters, .*`},
		{"a name of ours", "sites:\n  notify.json:\n" + bothColors + "  metrics.lock: {blue: a:1, green: b:1, file: /f}\n", `f:2: site name "notify.json": .*\n  f:5: site name "metrics.lock": names that end in .json or .lock are reserved for bgswitch's own files`},
		{"upstream of any name", site(bothColors + "    upstream: '*'\n"), `f:6: upstream: "\*" is not a name; name the upstream, or leave this out if the file has only one`},
		{"bad duration", site(bothColors + "    check:\n      interval: 1s\n      timeout: soon\n"), `f:8: timeout: "soon" is not a duration; use 60 \(seconds\), 90s or 2m`},
		{"a number of seconds that is out of range", site(bothColors + "    check: {timeout: 301}\n"), `f:6: timeout: 5m1s is not allowed; use 1ms to 5m`},
		{"no seconds", site(bothColors + "    check: {timeout: 0}\n"), `f:6: timeout: 0ms is not allowed; .*`},
		{"less than none", site(bothColors + "    check: {timeout: -60}\n"), `f:6: timeout: -1m is not allowed; .*`},
		{"what is no number of seconds", site(bothColors + "    check: {timeout: 1h30, interval: 0x10}\n    hook_timeout: 1_000\n    bake: {for: 9999999999999}\n"),
			"f:6: interval: \"0x10\" is not a duration; .*\n  f:6: timeout: \"1h30\" is not a duration; .*\n  f:7: hook_timeout: \"1_000\" .*\n  f:8: for: \"9999999999999\" .*"},
		{"settings elsewhere", site(bothColors + "    path: /up\n    url: http://a/\n    state_dir: /s\n    blue-url: http://b/\n    hookTimeout: 60\n"),
			`f:6: .*; "path" belongs below check\n  f:7: .*; "url" belongs below confirm\n  f:8: .*; "state_dir" belongs at the top\n  f:9: .*; "blue_url" belongs below check\n  f:10: .*; did you mean "hook_timeout"\?`},
		{"a site without its name", "file: /f\nblue: a:1\nverfiy: {}\n", `f:1: .*; "file" belongs below a site\n  f:2: .*; "blue" belongs below a site\n  f:3: .*; did you mean "verify"\?`},
		{"a setting that is none at all", site(bothColors + "    frequency: 1\n"), `f:6: there is no setting "frequency" here`},
		{"a site that is not indented", "sites:\n  app: {blue: a:1, green: b:1}\n  file: /f\n", `f:3: file: it is a setting of a site, and belongs below the site's name`},
		{"a list of sites", "sites:\n- name: app\n", `f:1: sites: expected settings below it, found a list: write each site below its name, .*`},
		{"a text for a site", "sites: {app: x}\n", `f:1: app: expected settings below it, found text`},
		{"a bracket that is open", site(bothColors + "    check: {path: /\nverify: {}\n"), `f:[67]: cannot be read: .*: a bracket or a quote is not closed, .*`},
		{"a text that needs quotes", site(bothColors + "    confirm: {blue: X-Color: blue}\n"), "f:6: cannot be read: .* a text that contains `: ` is not quoted, .*"},
		{"a quote that is open", site(bothColors + "    confirm: {blue: 'x}\n"), `f:\d: cannot be read: .*: a quote is not closed`},
		{"no blank after a colon", site("    blue:a:1\n    green: b:1\n"), "f:4: cannot be read: a setting is written `name: value`, .*"},
		{"a line too far to the right", site(bothColors + "    check:\n      path: /\n        host: h\n"), `f:8: cannot be read: .*: it is indented differently from the line before, .*`},
		{"a tab before the last", site(bothColors + "\tcheck: {}\n"), `f:6: cannot be read: it is indented with a tab; use spaces`},
		{"types, values and names together", site("    blue: 3001\n    green: 127.0.0.1:3002/up\n    conifrm: {}\n    check: {passes: [1], timeout: soon, path: up}\n    before: stop\n") + "verify: {rise: no}\nstate_dir: [s]\n",
			"f:4: cannot read address: \"3001\": it is only a port; write it with its host, such as 127.0.0.1:3001\n  f:5: .* write it without a path, as host:port\n  f:6: .*; did you mean \"confirm\"\\?\n" +
				"  f:7: passes: .* found a list\n  f:7: path: .*\n  f:7: timeout: .*\n  f:8: before: a command is a list: .*\n  f:9: rise: .*\n  f:10: state_dir: .*"},
		{"duration out of range", site(bothColors + "    check: {timeout: 1h}\n"), `f:6: timeout: .* is not allowed; use 1ms to 5m`},
		{"negative duration", site(bothColors + "    check: {timeout: -1s}\n"), `f:6: timeout: -1s is not allowed; use 1ms to 5m`},
		{"bad status", site(bothColors + "    check:\n      status: [200, 2xx]\n"), `f:7: status: "2xx" is not allowed; use 200 to 599 or a range such as 200-299`},
		{"status the wrong way round", site(bothColors + "    check: {status: 299-200}\n"), `f:6: status: "299-200" is not allowed; .*`},
		{"bad type", site(bothColors + "    check: {type: ping}\n"), `f:6: type: "ping" is not allowed; use http or tcp`},
		{"attempts out of range", site(bothColors + "    check: {attempts: 0}\n"), `f:6: attempts: 0 is not allowed; use 1 to 1000`},
		{"bad path", site(bothColors + "    check: {path: health}\n"), `f:6: path: "health" is not allowed; use a path that begins with /, without #`},
		{"bad url of a color", site(bothColors + "    check:\n      green_url: ftp://a/\n"), `f:7: .+`},
		{"tcp url with a path", site(bothColors + "    check:\n      green_url: tcp://a:1/up\n"), `f:7: green_url: .* or tcp://host:port`},
		{"tcp url beside a text", site(bothColors + "    check:\n      blue_url: tcp://a:1\n      contains: ok\n"), `f:8: contains: a tcp check reads no answer; use type http`},
		{"one whole file", site("    blue_file: /b\n    check: {blue_url: 'http://b', green_url: 'http://g'}\n"), `f:2: green_file: each color needs a file of its own`},
		{"relative whole file", site("    blue_file: b\n    green_file: /g\n    check: {blue_url: 'http://b', green_url: 'http://g'}\n"), `f:4: blue_file: "b" is not an absolute path`},
		{"whole files, both the same", site("    blue_file: /b\n    green_file: /x/../b\n    check: {blue_url: 'http://b', green_url: 'http://g'}\n"), `f:5: green_file: it is the same as blue's, "/x/../b"`},
		{"a whole file that is the live one", site("    blue_file: /etc/nginx/app.conf\n    green_file: /g\n    check: {blue_url: 'http://b', green_url: 'http://g'}\n"), `f:4: blue_file: it is the live file itself, "/etc/nginx/app.conf"`},
		{"whole files beside colors", site(bothColors + "    blue_file: /b\n    green_file: /g\n    check: {blue_url: 'http://b', green_url: 'http://g'}\n"),
			"f:4: blue: set this, or blue_file and green_file, not both\n  f:5: green: set this, or blue_file and green_file, not both"},
		{"whole files beside a selector", site("    selector: proxy_pass\n    blue_file: /b\n    green_file: /g\n    check: {blue_url: 'http://b', green_url: 'http://g'}\n"),
			`f:4: selector: set this, or blue_file and green_file, not both`},
		{"whole files that cannot be asked", site("    blue_file: /b\n    green_file: /g\n    check:\n      blue_url: http://b\n"),
			"f:6: check: green_file does not say where to ask green; set `green_url:` below `check:`"},
		{"whole files beside places", site(bothColors + "    blue_file: /b\n    places: [{file: /f}]\n"), `f:6: blue_file: with places, set it in each of them`},
		{"a file that is a place twice", site(bothColors + "    check: {blue_url: 'http://b', green_url: 'http://g'}\n    places:\n    - {file: /f}\n    - {file: /f, blue_file: /b, green_file: /g}\n"),
			`f:9: places: /f is listed twice, but decides as a whole`},
		{"restart without confirm", site("    blue_file: /b\n    green_file: /g\n    restart: [r]\n"), "f:6: restart: `confirm:` is needed, because nothing else could prove a switch"},
		{"restart of what words decide", site(bothColors + "    confirm: {url: 'http://a', blue: x, green: y}\n    restart: [r]\n"), `f:7: restart: it works only with blue_file and green_file, .*`},
		{"restart below the caller's folder", site("    blue_file: /b\n    green_file: /g\n    restart: [./r]\n    confirm: {url: 'http://a', blue: x, green: y}\n"), `f:6: restart: "./r" is not an absolute path`},
		{"confirm without url", site(bothColors + "    confirm: {blue: a, green: b}\n"), `f:6: url: none given; .*`},
		{"confirm without mark", site(bothColors + "    confirm: {url: http://a/, blue: b}\n"), "f:6: green: it is empty; set it to a header \\(`X-Color: green`\\) or to a text of the body"},
		{"confirm with equal marks", site(bothColors + "    confirm: {url: http://a/, blue: x, green: x}\n"), `f:6: green: it is the same mark as blue's, "x"`},
		{"upstreams beside colors", site(bothColors + "    upstreams: {a: {blue: a:1, green: a:2}}\n"), `f:6: upstreams: set blue, green, upstream and selector either in each upstream or for the site, not both`},
		{"places beside upstreams", site("    upstream: a\n    selector: server\n    places: [{blue: a:1, green: a:2}]\n"), "f:4: upstream: with places, set it in each of them\n  f:5: selector: with places, set it in each of them"},
		{"no place", site(bothColors + "    places: []\n"), `f:6: places: the list is empty`},
		{"a text for places", site(bothColors + "    places: /etc/nginx/b.conf\n"), `f:6: places: expected a list, found text`},
		{"a text for a place", site(bothColors + "    places:\n    - /etc/nginx/b.conf\n"), `f:7: places: expected settings below it, found text`},
		{"unknown field of a place", site(bothColors + "    places:\n    - {file: /b}\n    - upstreams: {}\n"), `f:8: there is no setting "upstreams" here; "upstreams" belongs below a site`},
		{"relative file of a place", site(bothColors + "    places:\n    - {file: /b}\n    - file: b.conf\n"), `f:8: file: "b.conf" is not an absolute path`},
		{"a place without a color", site("    blue: a:1\n    places:\n    - {green: b:1}\n    - file: /b\n"), `f:7: green: no address; write one as in nginx, such as 127.0.0.1:3001`},
		{"a color that does not fit one place", site("    blue: http://a\n    green: b\n    places:\n    - {file: /b, selector: include}\n    - {selector: server}\n"), `(?s)f:2: .* does not say where to ask it; .*f:4: cannot read address: "http://a": .*`},
		{"two places without selectors", site(bothColors + "    places:\n    - {selector: server in upstream a}\n    - {}\n"), "f:8: places: /etc/nginx/app.conf has several; each of them needs a `selector`"},
		{"two places with one selector", site(bothColors + "    places:\n    - {selector: set $a, file: /b}\n    - {file: /c}\n    - {selector: set  $a, file: /b/../b}\n"), "f:9: places: `set \\$a` in /b is listed twice"},
		{"a bad selector of a place", site(bothColors + "    places:\n    - file: /b\n    - selector: sett $a\n"), "f:8: cannot read selector: .*"},
		{"a hook without a path", site(bothColors + "    before: [stop, jobs]\n"), `f:6: before: "stop" is not an absolute path`},
		{"a text for a hook", site(bothColors + "    after: /bin/start jobs\n"), `f:6: after: a command is a list: .*`},
		{"an empty hook", site(bothColors + "    after: [[]]\n"), `f:6: after: a command is a list: .*`},
		{"a text among hooks", site(bothColors + "    after:\n    - [/a]\n    - b\n"), `f:8: after: a command is a list: .*`},
		{"a list for a word of a hook", site(bothColors + "    before:\n    - /a\n    - [b]\n"), `f:8: before: expected text, found a list`},
		{"a hook that may take too long", site(bothColors + "    hook_timeout: 2h\n"), `f:6: hook_timeout: 2h0m is not allowed; use more than 0 and at most 1h`},
		{"a hook that may take no time", site(bothColors + "    hook_timeout: 0s\n"), `f:6: hook_timeout: 0ms is not allowed; .*`},
		{"several at once", "state_dir: a\nnginx: {conf: b}\n" + site("    blue: 1;\n    green: b:1\n"),
			"f:1: state_dir: \"a\" is not an absolute path\n  f:2: conf: \"b\" is not an absolute path\n  f:6: cannot read address: .*"},
		{"two sites, a mistake in each", "sites:\n  a: {blue: a:1, green: a:2, check: {attempts: 0}}\n  b: {file: /b, blue: a:1, green: a:2, check: {attempts: -1}}\n",
			"f:2: attempts: 0 is not allowed; .*\n  f:3: attempts: -1 is not allowed; .*"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := newReader().parse("f", []byte(test.text))
			if err == nil {
				t.Fatal("the settings were accepted")
			}
			if !regexp.MustCompile(`^cannot read the settings: (?:` + test.want + `)$`).MatchString(err.Error()) {
				t.Errorf("error:\n%s\nwant it to match:\n%s", err, test.want)
			}
			noForeignWords(t, err)
		})
	}
}

// noForeignWords: what YAML and Go call things is not what the operator wrote.
func noForeignWords(t *testing.T, err error) {
	t.Helper()
	for _, foreign := range []string{"unmarshal", "main.", "YAML: ", "yaml: ", "!!", "upstream *", "network", "[]string", "layout"} {
		if strings.Contains(err.Error(), foreign) {
			t.Errorf("the error speaks of %q: %s", foreign, err)
		}
	}
}

const everySetting = `
state_dir: /s
nginx:
  binary: nginx
  conf: /c
  prefix: /p
  test:
  - t1
  - t2
  reload:
  - r1
  - r2
sites:
  one:
    file: /f
    blue:
    - a:1
    - a:2
    green:
    - b:1
    - b:2
    upstream: web
    check:
      type: http
      scheme: http
      path: /up
      host: h
      headers:
        X-A: a1
        X-B: b1
      status:
      - 200
      - 301-302
      contains: ok
      timeout: 1s
      attempts: 4
      interval: 5ms
      passes: 2
      ca: /ca
      insecure: false
      blue_url: http://b/
      green_url: http://g/
    confirm:
      url: http://c/
      host: ch
      blue: "X-Color: blue"
      green: "X-Color: green"
    before:
    - /bin/stop
    - jobs
    after:
    - - /bin/a1
      - a2
    - - /bin/a3
    hook_timeout: 30s
  two:
    file: /g
    upstreams:
      api:
        blue: c:1
        green: d:1
      www:
        blue: c:2
        green: d:2
verify:
  rise: 1
  fall: 3
  remind: 1h
  deadline: 20s
  failover: true
  cooldown: 5m
  metrics_file: /m
  page: /p
notify:
  webhooks:
  - url: http://w1/
    headers:
      X-C: c1
    headers_file: /h1
  - url: http://w2/
  commands:
  - - /bin/c1
    - c2
  - - /bin/c3
  ping: http://ping/
`

// One thing that is wrong is told once, at its own line, whichever it is; and
// all of them in one run.
func TestEachMistakeAtItsLine(t *testing.T) {
	t.Parallel()
	lines := strings.Split(everySetting, "\n")
	if _, err := newReader().parse("f", []byte(everySetting)); err != nil {
		t.Fatal(err)
	}
	all, wanted := slices.Clone(lines), 0
	for _, replaced := range [][2]string{
		{"state_dir: /s", "state_dir: s"}, {"state_dir: /s", "state_dir: {a: b}"}, {"  conf: /c", "  conf: c"}, {"  prefix: /p", "  prefix: p"},
		{"  binary: nginx", "  binary: [nginx]"}, {"  - t2", "  - {a: b}"}, {"  - r2", "  - [a]"}, {"  - r2", "  -"},
		{"    file: /f", "    file: f"}, {"    file: /f", "    fill: /f"}, {"    - a:2", "    - a:0"}, {"    - b:2", "    - b:x"}, {"    - b:2", "    - a:1"}, {"    - b:1", "    -"},
		{"    upstream: web", "    upstream: [web]"},
		{"      type: http", "      type: udp"}, {"      type: http", "      type: [http]"}, {"      type: http", "      typ: http"},
		{"      scheme: http", "      scheme: ftp"}, {"      path: /up", "      path: up"}, {"      host: h", "      host: h h"},
		{"        X-A: a1", "        X A: a1"}, {"        X-B: b1", "        X-B: \"b\\n\""}, {"        X-B: b1", "        Host: b1"}, {"        X-B: b1", "        X-B: [b1]"},
		{"      - 301-302", "      - 302-301"}, {"      - 200", "      - two"}, {"      - 200", "      - [200]"}, {"      - 200", "      -"},
		{"      contains: ok", "      contains: [ok]"}, {"      timeout: 1s", "      timeout: one"}, {"      timeout: 1s", "      timeout: 1h"},
		{"      attempts: 4", "      attempts: 0"}, {"      attempts: 4", "      attempts: 4.5"}, {"      interval: 5ms", "      interval: -5ms"}, {"      passes: 2", "      passes: two"},
		{"      ca: /ca", "      ca: ca"}, {"      insecure: false", "      insecure: true"}, {"      insecure: false", "      insecure: perhaps"},
		{"      blue_url: http://b/", "      blue_url: b"}, {"      green_url: http://g/", "      green_url: http://"},
		{"      url: http://c/", "      url: http://"}, {"      url: http://c/", "      url: http://c c/"}, {"      url: http://c/", "      url: ftp://c/"}, {"      url: http://c/", "      url: [c]"},
		{"      host: ch", "      host: c h"}, {"      green: \"X-Color: green\"", "      green: \"a\\nb\""}, {"      green: \"X-Color: green\"", "      green: \"x-color:  blue\""},
		{"      blue: \"X-Color: blue\"", "      blue: \"X-Color:\""}, {"      blue: \"X-Color: blue\"", "      blue: \"  \""}, {"      blue: \"X-Color: blue\"", "      blue: {}"},
		{"    - jobs", "    - {a: b}"}, {"    - /bin/stop", "    - stop"}, {"    - - /bin/a3", "    - - a3"}, {"    - - /bin/a3", "    - a3"}, {"      - a2", "      - [a2]"},
		{"    hook_timeout: 30s", "    hook_timeout: soon"}, {"    hook_timeout: 30s", "    hook_timeout: 2h"},
		{"        blue: c:1", "        blue: c:x"}, {"        green: d:2", "        green: c:2"}, {"        green: d:2", "        geen: [e:1, d:2]\n        green: d:2"},
		{"  rise: 1", "  rise: 0"}, {"  fall: 3", "  fall: 1000"}, {"  remind: 1h", "  remind: 1s"}, {"  deadline: 20s", "  deadline: 2m"}, {"  failover: true", "  failover: 2"},
		{"  cooldown: 5m", "  cooldown: -5m"}, {"  cooldown: 5m", "  cooldown: [5m]"}, {"  metrics_file: /m", "  metrics_file: m"}, {"  page: /p", "  page: [p]"},
		{"  - url: http://w2/", "  - url: w2"}, {"  - url: http://w2/", "  - {}"}, {"  - url: http://w2/", "  - w2"}, {"      X-C: c1", "      X-C: \"\\r\""}, {"    headers_file: /h1", "    headers_file: h1"},
		{"  - - /bin/c3", "  - c3"}, {"  - - /bin/c3", "  - - c3"}, {"  - - /bin/c3", "  - []"}, {"    - c2", "    - {c: 2}"}, {"  ping: http://ping/", "  ping: ping"},
	} {
		at := slices.Index(lines, replaced[0])
		if at < 0 {
			t.Fatalf("no line %q", replaced[0])
		}
		wrong := slices.Clone(lines)
		if wrong[at] = replaced[1]; all[at] == lines[at] {
			all[at] = replaced[1]
			wanted++
		}
		t.Run(strings.TrimSpace(replaced[1]), func(t *testing.T) {
			t.Parallel()
			_, err := newReader().parse("f", []byte(strings.Join(wrong, "\n")))
			if err == nil {
				t.Fatal("the settings were accepted")
			}
			if told := err.Error(); !strings.HasPrefix(told, fmt.Sprintf("cannot read the settings: f:%d: ", at+1)) || strings.Contains(told, "\n") {
				t.Errorf("want one mistake, in line %d:\n%s", at+1, told)
			}
			noForeignWords(t, err)
		})
	}
	_, err := newReader().parse("f", []byte(strings.Join(all, "\n")))
	if told := strings.Split(fmt.Sprint(err), "\n"); len(told) != wanted {
		t.Errorf("%d mistakes, %d were told:\n%s", wanted, len(told), err)
	}
}

// What one site has can be the other's, too.
func TestSettingsMerge(t *testing.T) {
	t.Parallel()
	s, err := newReader().parse("f", []byte(site(bothColors+"    check: &c {path: /up, passes: 2}\n  b: {<<: {file: /b, blue: x:1}, blue: c:1, green: d:1, check: {<<: [*c, {passes: 3, attempts: 4}]}}\n")))
	if err != nil {
		t.Fatal(err)
	}
	b := s.sites[1]
	if b.Files[0].Path != "/b" || b.Check.Path != "/up" || b.Check.Passes != 2 || b.Check.Attempts != 4 || b.Files[0].Layout[0].Colors[switcher.Blue][0].String() != "c:1" {
		t.Errorf("%+v", b)
	}
}

// Places have what the site has, where they set nothing else; those of one file
// stand together.
func TestSettingsPlaces(t *testing.T) {
	t.Parallel()
	s, err := newReader().parse("f", []byte(site(bothColors+`    places:
    - {selector: server in upstream a}
    - {file: /b, selector: set $active, blue: blue, green: green}
    - {upstream: c, blue: [x:1, x:2], green: [y:1, y:2]}
    check: {blue_url: "http://a/", green_url: "http://b/"}
`)))
	if err != nil {
		t.Fatal(err)
	}
	set, err := nginxconf.ParseSelector("set $active")
	if err != nil {
		t.Fatal(err)
	}
	blue, err := set.Value("blue")
	if err != nil {
		t.Fatal(err)
	}
	green, err := set.Value("green")
	if err != nil {
		t.Fatal(err)
	}
	want := []switcher.LiveFile{
		{Path: "/etc/nginx/app.conf", Layout: nginxconf.Layout{
			{Selector: nginxconf.ServerOf("a"), Colors: nginxconf.Colors{switcher.Blue: addresses(t, "127.0.0.1:3001"), switcher.Green: addresses(t, "127.0.0.1:3002")}},
			{Selector: nginxconf.ServerOf("c"), Colors: nginxconf.Colors{switcher.Blue: addresses(t, "x:1", "x:2"), switcher.Green: addresses(t, "y:1", "y:2")}},
		}},
		{Path: "/b", Layout: nginxconf.Layout{{Selector: set, Colors: nginxconf.Colors{switcher.Blue: {blue}, switcher.Green: {green}}}}},
	}
	if got := s.sites[0].Files; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("files\n%+v, want\n%+v", got, want)
	}
}

// Everything that can be set arrives where it belongs.
func TestSettings(t *testing.T) {
	t.Parallel()
	r := newReader()
	r.read = func(string, int64) ([]byte, error) { return []byte("k: from the file\n"), nil }
	got, err := r.parse("f", []byte(`
state_dir: /s
nginx: {binary: /n, conf: /c, prefix: /p, test: [a, -t], reload: [b, "c d"], container: web-1, pid: 0}
sites:
  web:
    file: /f
    upstreams:
      api: {blue: [a:1, a:2], green: [b:1, b:2]}
      web: {blue: "unix:/a", green: "[::1]:3"}
    check: {type: http, scheme: https, path: /up, host: h, headers: {K: v}, status: [200, 301-302], contains: ok,
      timeout: 1s, attempts: 4, interval: 5ms, passes: 2, insecure: true, blue_url: "http://b/", green_url: "http://g/"}
    confirm: {url: "http://c/", host: ch, blue: "X: b", green: "X: g"}
    before: [/b, one]
    after: [[/a, two], [/c]]
    hook_timeout: 7s
    bake: {for: 5m, interval: 2s, fall: 4, access_log: /l, max_5xx: 0.5%, min_requests: 9, command: [/k, one]}
    schema: {database: {url: "http://d/?k=v", field: a.b}, blue: {command: [/n, blue]}, green: {url: "http://g/", at_least: l, at_most: m}, timeout: 3s}
verify: {rise: 1, fall: 4, remind: 1h, deadline: 20s, failover: true, cooldown: 5m}
notify:
  webhooks: [{url: "https://chat/", headers: {K: v, L: v}, headers_file: /h}]
  commands: [[/bin/page, me]]
  ping: http://ping/
`))
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		verify: verify.Options{Rise: 1, Fall: 4, Remind: time.Hour, Deadline: 20 * time.Second, Failover: true, Cooldown: 5 * time.Minute},
		notify: notify.Channels{
			Webhooks: []notify.Webhook{{URL: health.MustParseURL("https://chat/"), Headers: map[string]string{"K": "from the file", "L": "v"}}},
			Commands: [][]string{{"/bin/page", "me"}}, Ping: health.MustParseURL("http://ping/"),
		},
		stateDir: "/s",
		nginx:    nginxSettings{binary: "/n", conf: "/c", prefix: "/p", test: []string{"a", "-t"}, reload: []string{"b", "c d"}, container: "web-1"},
		sites: []switcher.Site{{
			Name: "web", Files: []switcher.LiveFile{{Path: "/f", Layout: nginxconf.Layout{
				{Selector: nginxconf.ServerOf("api"), Colors: nginxconf.Colors{switcher.Blue: addresses(t, "a:1", "a:2"), switcher.Green: addresses(t, "b:1", "b:2")}},
				{Selector: nginxconf.ServerOf("web"), Colors: nginxconf.Colors{switcher.Blue: addresses(t, "unix:/a"), switcher.Green: addresses(t, "[::1]:3")}},
			}}},
			Check: health.Check{
				Type: "http", Scheme: "https", Path: "/up", Host: "h", Headers: map[string]string{"K": "v"},
				Status: health.StatusRanges{{From: 200, To: 200}, {From: 301, To: 302}}, Contains: "ok",
				Timeout: time.Second, Attempts: 4, Interval: 5 * time.Millisecond, Passes: 2, Insecure: true,
			},
			URLs: map[switcher.Color]health.URL{switcher.Blue: health.MustParseURL("http://b/"), switcher.Green: health.MustParseURL("http://g/")},
			Confirm: &switcher.Confirm{URL: health.MustParseURL("http://c/"), Host: "ch", Marks: map[switcher.Color]switcher.Mark{
				switcher.Blue: "X: b", switcher.Green: "X: g",
			}},
			Hooks: switcher.Hooks{Before: [][]string{{"/b", "one"}}, After: [][]string{{"/a", "two"}, {"/c"}}, Timeout: 7 * time.Second},
			Bake:  switcher.Bake{For: 5 * time.Minute, Interval: 2 * time.Second, Fall: 4, AccessLog: "/l", Max5xx: 0.5, MinRequests: 9, Command: []string{"/k", "one"}},
			Schema: switcher.Schema{
				Database: release.Source{URL: health.MustParseURL("http://d/?k=v"), Field: "a.b"}, Timeout: 3 * time.Second,
				Needs: map[switcher.Color]switcher.Need{
					switcher.Blue:  {Source: release.Source{Command: []string{"/n", "blue"}}},
					switcher.Green: {Source: release.Source{URL: health.MustParseURL("http://g/")}, AtLeast: "l", AtMost: "m"},
				},
			},
		}},
	}
	got.path, got.inForce = "", nil
	options := cmp.AllowUnexported(settings{}, nginxSettings{}, nginxconf.Address{})
	selectors := cmp.Comparer(func(a, b nginxconf.Selector) bool { return a == b })
	urls := cmp.Comparer(func(a, b health.URL) bool { return a.Secret() == b.Secret() })
	if diff := cmp.Diff(want, got, options, urls, selectors); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func addresses(t *testing.T, texts ...string) []nginxconf.Value {
	t.Helper()
	var list []nginxconf.Value
	for _, text := range texts {
		address, err := nginxconf.ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, address)
	}
	return list
}

// What is not set has the defaults; an empty file sets nothing.
func TestSettingsDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "sites: {}\n", "sites:\n"} {
		s, err := newReader().parse("f", []byte(text))
		if err != nil || s.stateDir != defaultStateDir || len(s.sites) != 0 {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	s, err := newReader().parse("f", []byte("sites:\n  app:\n"+bothColors))
	if err != nil {
		t.Fatal(err)
	}
	app := s.sites[0]
	if app.Files[0].Path != defaultFile || app.Confirm != nil || app.Hooks.Timeout != switcher.DefaultHookTimeout || !cmp.Equal(app.Check, health.Defaults()) {
		t.Errorf("site %+v has not the defaults", app)
	}
}

// The defaults stand in for the default settings file only.
func TestLoadSettings(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if s, err := loadSettings(missing, false, false, trust.Judge{}); err != nil || s.stateDir != defaultStateDir {
		t.Errorf("the default file is missing: %+v, %v", s, err)
	}
	if _, err := loadSettings(missing, true, true, trust.Judge{}); err == nil {
		t.Error("a file that was named is missing, and that was no error")
	}
	if _, err := loadSettings(t.TempDir(), true, true, trust.Judge{}); err == nil {
		t.Error("a folder was taken for settings")
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("# \n", settingsLimit/3+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSettings(large, true, true, trust.Judge{}); err == nil {
		t.Error("more than 1 MiB was taken for settings")
	}
}

// Whoever names a file means what stands in it: where that is no site, he did not
// ask for the built-in one.
func TestNamedSettingsNameASite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b.yaml")
	for text, want := range map[string]string{
		"": ":1: there is no site in it", "\xff\xfe": ":1: there is no site in it", "state_dir: /s\nsites:\n": ":2: there is no site in it", "sites: {}\n": ":1: there is no site in it",
		"state_dir: s\n": ":1: state_dir: \"s\" is not an absolute path\n  " + path + ":1: there is no site in it",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadSettings(path, true, true, trust.Judge{}); err == nil || err.Error() != "cannot read the settings: "+path+want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Nothing that stands in a settings file makes the reader panic, and what is
// accepted is valid.
func FuzzSettings(f *testing.F) {
	f.Add("sites:\n  app:\n" + bothColors)
	f.Add(site("    upstreams: {a: {blue: a:1, green: a:2}}\n"))
	f.Add("a: &a [*a]\n---\n")
	f.Add("sites: {<<: {a: {blue: b:1}}}")
	f.Add("sites: &a {<<: *a, b: {<<: [*a, 1], ? [x] : y}}")
	f.Add(everySetting)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := newReader().parse("f", []byte(text))
		for _, site := range s.sites {
			if invalid := site.Validate(); err == nil && invalid != nil {
				t.Errorf("accepted, though %v", invalid)
			}
		}
		if err != nil {
			return
		}
		if _, err := newReader().parse("f", []byte(shownAsText(t, s))); err != nil {
			t.Errorf("what is shown is not accepted: %v", err)
		}
	})
}

func TestSiteOfFile(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/etc/nginx/conf.d/active_upstream.conf": "file_active_upstream",
		"/a/b c;.conf":                           "file_b_c_",
		"/a/..":                                  "file___",
		"/a/" + strings.Repeat("x", 80):          "file_" + strings.Repeat("x", 50),
		"/a/grün.conf":                           "file_gr_n",
	} {
		if got := siteOfFile(file); got != want {
			t.Errorf("siteOfFile(%q) = %q, want %q", file, got, want)
		}
	}
}
