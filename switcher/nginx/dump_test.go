package nginx

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher/command"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/root"

	"github.com/google/go-cmp/cmp"
)

// dumpOf makes a dump as nginx writes it, of names and contents in turn.
func dumpOf(t testing.TB, files ...string) *Dump {
	t.Helper()
	var text strings.Builder
	for i := 0; i < len(files); i += 2 {
		fmt.Fprintf(&text, "# configuration file %s:\n%s\n", files[i], files[i+1])
	}
	d := newDump(command.Output{Bytes: []byte(text.String())}, nil)
	if d == nil {
		t.Fatalf("not taken for a dump:\n%s", text.String())
	}
	return d
}

func TestWhatIsNoDump(t *testing.T) {
	t.Parallel()
	for _, out := range []command.Output{
		{},
		{Bytes: []byte("hello\n# configuration file /a:\n\n")},
		{Bytes: []byte("# configuration file /a:")},
		{Bytes: []byte("# configuration file /a:\nuser x;\n\n"), Cut: true},
		{Bytes: []byte("# configuration file /a\n\n")},
	} {
		if newDump(out, nil) != nil {
			t.Errorf("taken for a dump, cut %v: %q", out.Cut, out.Bytes)
		}
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	const main, live, app = "/e/nginx.conf", "/e/conf.d/app.conf", "upstream app { server a; }\n"
	const includes = "http { include conf.d/*.conf; }\n"
	for _, c := range []struct {
		name  string
		files []string
		reads bool
	}{
		{"an include with a star", []string{main, includes, live, app}, true},
		{"an include by name", []string{main, "http { include /e/conf.d/app.conf; }", live, app}, true},
		{"quoted", []string{main, "http { 'include' \"conf.d/app.conf\"; }", live, app}, true},
		{"a class", []string{main, "http { include conf.d/[!b]*.conf; }", live, app}, true},
		{"a pattern that Go cannot read", []string{main, "http { include conf.d/[[:alpha:]pp.conf; include conf.d/[; }", live, app}, true},
		{"an include of an include", []string{main, "include sub.conf;", "/e/sub.conf", "include //e/conf.d/../conf.d/app.conf;", live, app}, true},
		{"other files after it", []string{main, includes, live, app, "/e/conf.d/b.conf", ""}, true},
		{"it is the main file", []string{live, app}, true},
		{"not there", []string{main, includes}, false},
		{"another path", []string{main, includes, "/e/conf.d/b.conf", app}, false},
		{"another content", []string{main, includes, live, strings.ToUpper(app)}, false},
		{"a longer content", []string{main, includes, live, app + "#"}, false},
		{"a shorter content", []string{main, includes, live, app[:9]}, false},
		{"a header in a comment, and nothing includes it", []string{main, "http { } # configuration file x\n# configuration file " + live + ":\n" + app + "\n# configuration file /x:\n"}, false},
		{"what cannot be read may include it", []string{main, "http {", live, app}, true},
	} {
		if got := dumpOf(t, c.files...).Reads(live, []byte(app)); got != c.reads {
			t.Errorf("%s: reads %v, want %v", c.name, got, c.reads)
		}
	}
	odd := "# configuration file /x:\n# configuration file " + live + ":\n\n" + app + "# configuration file /e/nginx.conf:"
	if !dumpOf(t, main, includes, live, odd, "/e/conf.d/b.conf", "").Reads(live, []byte(odd)) {
		t.Error("a content with headers of its own: reads false, want true")
	}
}

// What nginx reads by way of a link is told from what it reads past it.
func TestThrough(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{"blue", "green", "conf.d", "enabled"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "app.conf"), []byte("x;"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for at, to := range map[string]string{"active": "blue", "conf.d/active.conf": "../blue/app.conf", "enabled/site": "../conf.d/active.conf"} {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		link, name, rest string
		passes           bool
	}{
		{"active", "active/app.conf", "app.conf", true},
		{"active", "blue/app.conf", "", false},
		{"conf.d/active.conf", "conf.d/active.conf", "", true},
		{"conf.d/active.conf", "enabled/site", "", true},
		{"conf.d/active.conf", "blue/app.conf", "", false},
		{"conf.d/active.conf", "active/app.conf", "", false},
	} {
		link, err := livefile.ReadLink(filepath.Join(dir, c.link))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, c.name)
		for includes, read := range map[string]bool{"include " + name + ";": true, "include /elsewhere;": false} {
			found := dumpOf(t, "/main", includes, name, "x;").Through(link)
			if passes := read && c.passes; (len(found) == 1) != passes {
				t.Errorf("%s, with %s: by way of %s: %v", c.name, includes, c.link, found)
			} else if passes && (found[0].Rest != c.rest || found[0].Name != name) {
				t.Errorf("%s by way of %s: %+v", c.name, c.link, found[0])
			}
		}
	}
}

func TestPassesTo(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]struct{ passes, known bool }{
		"":                            {false, true},
		"proxy_pass http://app;":      {true, true},
		"proxy_pass HTTPS://App/x?y;": {true, true},
		"grpc_pass grpc://APP;":       {true, true},
		"fastcgi_pass app;":           {true, true},
		"http { server { location / { if (-f a) { uwsgi_pass app; } } } }": {true, true},
		`"proxy_pass" 'http://app?a';`:                                     {true, true},
		"stream { server { proxy_pass app; } }":                            {true, true},
		"proxy_pass http://app2;":                                          {false, true},
		"proxy_pass http://app:80;":                                        {false, true},
		"proxy_pass http://x/app;":                                         {false, true},
		"proxy_pass unix:/run/app;":                                        {false, true},
		"proxy_pass http://$app;":                                          {false, false},
		"proxy_pass http://app$uri;":                                       {false, false},
		`memcached_pass "$x"; proxy_pass http://app;`:                      {false, false},
		"# proxy_pass http://app;":                                         {false, true},
		"# proxy_pass http://$app;":                                        {false, true},
		"x '# ; proxy_pass http://app;';":                                  {false, true},
		"set $x http://app;":                                               {false, true},
		"proxy_pass_header app;":                                           {false, true},
		"content_by_lua_block { proxy_pass http://app; }":                  {false, true},
		"proxy_pass http://app; http {":                                    {false, false},
		"upstream app { server a; }":                                       {false, true},
	} {
		passes, known := dumpOf(t, "/e/nginx.conf", "include x;", "/e/x", src).PassesTo("app")
		if passes != want.passes || known != want.known {
			t.Errorf("%s: passes %v, known %v; want %v", src, passes, known, want)
		}
	}
	if passes, known := dumpOf(t, "/n", "proxy_pass http://other;", "/big", strings.Repeat("#\n", 1<<20)).PassesTo("app"); passes || known {
		t.Errorf("a file too large to read: passes %v, known %v", passes, known)
	}
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	online, known := processorsOnline()
	if getconf, err := exec.Command("getconf", "_NPROCESSORS_ONLN").Output(); err != nil {
		t.Log("no getconf: the number of processors is not compared with it")
	} else if fmt.Sprintln(online) != string(getconf) || !known {
		t.Errorf("%d processors online, known %v; getconf says %s", online, known, getconf)
	}
	for _, c := range []struct {
		globals, main, included string
		n                       int
		known                   bool
	}{
		{"", "", "", 1, true},
		{"", "worker_processes 3;", "", 3, true},
		{"", "'worker_processes' \"4\"; # worker_processes 5;", "", 4, true},
		{"", "", "worker_processes 5;", 5, true},
		{"", "worker_processes auto;", "", online, true},
		{"daemon off; worker_processes 6;", "", "", 6, true},
		{"daemon off", "", "", 0, false},
		{"", "http { map $a $b { worker_processes 7; } }", "", 1, true},
		{"", "worker_processes 3;", "http {", 3, true}, // there can be no other
		{"", "", "http {", 0, false},
		{"", "worker_processes many;", "", 0, false},
	} {
		d := dumpOf(t, "/e/nginx.conf", c.main, "/e/x", c.included)
		d.globals = c.globals
		if n, known := d.Workers(); n != c.n || known != c.known {
			t.Errorf("%+v: %d, known %v", c, n, known)
		}
	}
}

func TestChangedSince(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"main", "live", "edited", "link"} {
		write(t, path(name), "")
	}
	rename(t, path("live"), path("link"))
	if err := os.Symlink(path("link"), path("live")); err != nil {
		t.Fatal(err)
	}
	d := dumpOf(t, path("main"), "", path("live"), "", path("edited"), "", path("gone"), "")
	var since time.Time
	if err := nginxtest.Eventually(nginxtest.Patience, func() error { // the kernel's clock moves in ticks
		write(t, path("clock"), "")
		info, err := os.Stat(path("clock"))
		since = info.ModTime()
		if changed := d.ChangedSince(since.Add(-1), path("link")); len(changed) > 0 {
			return fmt.Errorf("changed in the same tick: %v", changed)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := nginxtest.Eventually(nginxtest.Patience, func() error {
		write(t, path("live"), "x")
		write(t, path("edited"), "x")
		if changed := d.ChangedSince(since, path("link")); !cmp.Equal(changed, []string{path("edited")}) {
			return fmt.Errorf("changed: %v, want the edited file alone", changed)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := os.Chtimes(path("edited"), time.Time{}, since.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if changed := d.ChangedSince(since, path("link")); !cmp.Equal(changed, []string{path("edited")}) {
		t.Errorf("changed: %v; want the file by its ctime, its mtime was set back", changed)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// odd is a tree of what a dump could stumble over, below one folder.
func odd(dir string) map[string]string {
	return map[string]string{
		"nginx.conf": `# configuration file nginx.conf:
worker_processes 3; pid nginx.pid; error_log stderr; include "top level.conf"; events {}
http {
    access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    types { include types; }
    map $uri $mapped { include "map.conf"; }
    include conf.d/[!_]*.conf; include linked.conf; include ./conf.d/../sites/*/site?.conf;
    server { listen unix:` + dir + `/odd.sock; location / { proxy_pass http://App/; include conf.d/_headers; } }
}
`,
		"top level.conf":      "env \"A=# configuration file x:\";",
		"types":               "text/html html;\n",
		"map.conf":            "'/# ;' \"{}\"; # }\n/a b;",
		"conf.d/app.conf":     "upstream app { server 127.0.0.1:9; }",
		"conf.d/empty.conf":   "",
		"conf.d/blank.conf":   "\n\n",
		"conf.d/fake.conf":    "# configuration file /etc/passwd:\n\n# configuration file /x:\n",
		"conf.d/crlf.conf":    "# gr\xfcn \xff\r\n\r\n",
		"conf.d/_headers":     "proxy_set_header X-Lua \"content_by_lua_block { -- ]] }\"; # content_by_lua_block { }",
		"sites/a/site1.conf":  "# same\n",
		"sites/b/site1.conf":  "# same\n",
		"elsewhere/real.conf": "upstream linked { server 127.0.0.1:9; }\n",
	}
}

// plant writes the odd tree and returns its nginx.
func plant(t testing.TB, dir string) *Nginx {
	t.Helper()
	for name, text := range odd(dir) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text)
	}
	if err := os.Symlink("elsewhere/real.conf", filepath.Join(dir, "linked.conf")); err != nil {
		t.Fatal(err)
	}
	binary, err := nginxtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return &Nginx{Binary: binary, Conf: filepath.Join(dir, "nginx.conf"), Prefix: dir}
}

// Every file of a tree is seen, under its real name, and no other is.
func TestDumpOfRealNginx(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tested, err := plant(t, dir).TestAsIs(t.Context(), nil)
	if err != nil || tested.Dump == nil {
		t.Fatalf("dump %v, %v", tested.Dump, err)
	}
	for name, text := range odd(dir) {
		if !tested.Dump.Reads(filepath.Join(dir, name), []byte(text)) {
			t.Errorf("%s was read, and is not seen", name)
		}
		write(t, filepath.Join(dir, "copy"), text)
		if tested.Dump.Reads(filepath.Join(dir, "copy"), []byte(text)) {
			t.Errorf("a copy of %s was not read, and is seen", name)
		}
	}
	if tested.Dump.Reads("/etc/passwd", nil) || tested.Dump.Reads("/x", nil) {
		t.Error("a header in a comment is taken for a file")
	}
	for upstream, want := range map[string]bool{"app": true, "linked": false} {
		if passes, known := tested.Dump.PassesTo(upstream); passes != want || !known {
			t.Errorf("passes to %s: %v, known %v; want %v", upstream, passes, known, want)
		}
	}
	if n, known := tested.Dump.Workers(); n != 3 || !known {
		t.Errorf("workers %d, known %v", n, known)
	}
}

// In a test aside the dump has the new content, and not the one that stands.
func TestDumpOfTestAside(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Mounts)
	dir := t.TempDir()
	n, file := plant(t, dir), filepath.Join(dir, "elsewhere/real.conf")
	after := Content{Over: file, Bytes: []byte("upstream linked { server 127.0.0.1:8; }\n"), Mode: 0o644}
	tested, err := n.TestAside(t.Context(), nil, []Content{after})
	if err != nil || tested.Dump == nil {
		t.Fatalf("dump %v, %v", tested.Dump, err)
	}
	if !tested.Dump.Reads(file, after.Bytes) || tested.Dump.Reads(file, []byte(odd(dir)["elsewhere/real.conf"])) {
		t.Error("the dump does not hold the new content alone")
	}
}

// A refusal has no dump, nor has the operator's own test.
func TestNoDump(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := plant(t, dir)
	write(t, filepath.Join(dir, "conf.d/app.conf"), "nonsense;")
	if tested, err := n.TestAsIs(t.Context(), nil); err == nil || tested.Dump != nil || !strings.Contains(err.Error(), `unknown directive "nonsense"`) {
		t.Errorf("dump %v, %v", tested.Dump, err)
	}
	n.Test = []string{n.Binary, "-v"}
	if tested, err := n.TestAsIs(t.Context(), nil); err != nil || tested.Dump != nil {
		t.Errorf("the operator's: dump %v, %v", tested.Dump, err)
	}
}

// A link is followed as the master sees it, in its own mounts.
func TestReadsAsTheMasterSees(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	dir := t.TempDir()
	pid := started(t, "unshare", "-m", "sh", "-c", `mount -t tmpfs none "$0" && echo x >"$0/real" && ln -s "$0/real" "$0/link" && echo ready && read line`, dir)
	d := dumpOf(t, "/main", "include "+dir+"/link;", dir+"/link", "x\n")
	if d.Reads(dir+"/real", []byte("x\n")) {
		t.Error("seen from here the link leads nowhere")
	}
	d.root = root.Of(pid)
	if !d.Reads(dir+"/real", []byte("x\n")) {
		t.Error("as the master sees it the link leads to the file")
	}
	if changed := d.ChangedSince(time.Time{}, ""); !cmp.Equal(changed, []string{dir + "/link"}) {
		t.Errorf("changed: %v", changed)
	}
}

func FuzzDump(f *testing.F) {
	f.Add([]byte("# configuration file /a:\nuser x;\n\n# configuration file /b:\n\n"), "/a", []byte("user x;\n"))
	f.Add([]byte("# configuration file /a:\n# configuration file /a:\n# configuration file /a:\n"), "/a", []byte("# configuration file /a:"))
	f.Add([]byte("# configuration file :\n"), "", []byte(""))
	f.Fuzz(func(t *testing.T, text []byte, path string, content []byte) {
		if d := newDump(command.Output{Bytes: bytes.Clone(text)}, nil); d != nil {
			d.Reads(path, content)
			d.Workers()
			passes, known := d.PassesTo(path)
			if passes && !known {
				t.Error("a pass is claimed that is not known")
			}
		}
		if !strings.Contains(path, "\n") && !bytes.Contains(content, []byte(dumpHeader)) {
			d := dumpOf(t, "/main", "include \""+path+"\";", path, string(content), "/after", "")
			if !strings.ContainsAny(path, `\"*?[`) && path == filepath.Clean("/"+path) && !d.Reads(path, content) {
				t.Error("a file of the dump is not seen")
			}
		}
	})
}
