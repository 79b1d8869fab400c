package release

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reads says what a source tells: a name, or why it tells none.
func reads(t *testing.T, s Source, want string) {
	t.Helper()
	name, err := s.Read(t.Context(), health.Asker{}, time.Minute)
	if err != nil {
		name = "unknown: " + err.Error()
	}
	if name != want && !(err != nil && strings.HasSuffix(want, "…") && strings.HasPrefix(name, strings.TrimSuffix(want, "…"))) {
		t.Errorf("it tells %q, want %q", name, want)
	}
}

func wrote(t *testing.T, path, text string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestLink(t *testing.T) {
	t.Parallel()
	dir := rightstest.OpenFolder(t)
	link := func(name, to string) string {
		path := filepath.Join(dir, name)
		must(t, os.Symlink(to, path))
		return path
	}
	wrote(t, dir+"/releases/20261123-1a2b3c4/public/index.html", "")
	blue := link("blue", "releases/20261123-1a2b3c4")
	again := link("again", "blue")
	public := link("public", "blue/public")
	gone, plain, out := link("gone", "releases/none"), wrote(t, dir+"/plain", ""), link("out", "/")
	all := dir + "/releases"
	reads(t, Source{Link: blue}, "20261123-1a2b3c4")
	reads(t, Source{Link: again}, "20261123-1a2b3c4")
	reads(t, Source{Link: public, Folder: all}, "20261123-1a2b3c4")
	reads(t, Source{Link: gone}, "unknown: "+gone+": it leads nowhere: …")
	reads(t, Source{Link: plain}, "unknown: "+plain+": it is not a link")
	reads(t, Source{Link: dir + "/none"}, "unknown: "+dir+"/none: no such file or directory")
	reads(t, Source{Link: out, Folder: all}, "unknown: "+out+": it leads to /, and not into "+all)
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(text string) Source { return Source{File: wrote(t, dir+"/VERSION", text)} }
	reads(t, file("v42\nmore\n"), "v42")
	reads(t, file(" \n v42 \r\n"), "v42")
	reads(t, file("v42"+strings.Repeat("\n", 1<<20)), "v42")
	reads(t, file("\n \n"), "unknown: "+dir+"/VERSION: there is no name in it")
	reads(t, file("v42\x1b[2J"), "unknown: "+dir+`/VERSION: "v42?[2J" is not the name of a release; …`)
	reads(t, file(strings.Repeat("v", 129)), "unknown: "+dir+`/VERSION: "vvv…`)
	for _, unseen := range []string{"\u200b", "\u00ad", "\u2066", "\u00a0", "\u3164", "\ufe0f", "\ufeff"} {
		reads(t, file("v"+unseen+"42"), "unknown: "+dir+`/VERSION: "v…`)
	}
	reads(t, file("größe 42"), "größe 42")
	reads(t, file("v42\xff"), "unknown: "+dir+`/VERSION: "v42?" is no…`)
	reads(t, Source{File: dir + "/none"}, "unknown: "+dir+"/none: no such file or directory")
	must(t, unix.Mkfifo(dir+"/fifo", 0o644))
	reads(t, Source{File: dir + "/fifo"}, "unknown: "+dir+"/fifo: "+dir+"/fifo is not a regular file")
}

func TestURL(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Release", "v42")
		switch r.URL.Path {
		case "/text":
			_, _ = w.Write([]byte("v42"))
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/sick":
			http.Error(w, "the key is "+r.URL.Query().Get("key"), http.StatusServiceUnavailable)
		case "/mute":
			<-r.Context().Done()
		default:
			_, _ = w.Write([]byte(`{"version": "v42", "build": {"number": 20261123123456789, "tags": []}, "none": null}`))
		}
	}))
	t.Cleanup(app.Close)
	at := func(path, name string) Source {
		return Source{URL: health.MustParseURL(app.URL + path), Field: name}
	}
	reads(t, at("/", "version"), "v42")
	reads(t, at("/", "build.number"), "20261123123456789")
	reads(t, at("/", "build.none"), "unknown: "+app.URL+"/: its answer has no field build.none")
	reads(t, at("/", "version.a"), "unknown: "+app.URL+"/: its answer has no field version.a")
	reads(t, at("/", "none"), "unknown: "+app.URL+"/: the field none of its answer is neither text nor a number")
	reads(t, at("/", "build.tags"), "unknown: "+app.URL+"/: the field build.tags …")
	reads(t, at("/text", "version"), "unknown: "+app.URL+"/text: its answer is not JSON")
	reads(t, at("/moved", "version"), "unknown: "+app.URL+"/moved: status 302: …")
	reads(t, at("/sick?key=hunter2", "version"), "unknown: "+app.URL+`/sick?xxxxx: status 503: "the key is xxxxx"`)
	reads(t, Source{URL: health.MustParseURL(app.URL + "/"), Header: "x-release"}, "v42")
	reads(t, Source{URL: health.MustParseURL(app.URL + "/"), Header: "x-version"}, "unknown: "+app.URL+"/: it has the header X-Version 0 times")
	_, err := at("/mute", "version").Read(t.Context(), health.Asker{}, 50*time.Millisecond)
	if err == nil || !strings.HasPrefix(err.Error(), app.URL+"/mute: ") {
		t.Errorf("it is mute: %v", err)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	sh := func(script string) Source { return Source{Command: []string{"/bin/sh", "-c", script}} }
	reads(t, sh("echo note >&2; echo v42; echo more"), "v42")
	reads(t, sh("echo v42; yes | head -c 100000000"), "v42")
	reads(t, sh("echo v42; echo nothing is deployed >&2; exit 3"), "unknown: /bin/sh: exit status 3: nothing is deployed")
	reads(t, sh(":"), "unknown: /bin/sh: there is no name in it")
	reads(t, Source{Command: []string{"/nowhere/version"}}, "unknown: /nowhere/version: fork/exec /nowhere/version: no such file or directory")
	began, left := time.Now(), filepath.Join(t.TempDir(), "left")
	_, err := sh("echo $$ >"+left+"; echo v42; exec sleep 600").Read(t.Context(), health.Asker{}, 200*time.Millisecond)
	if err == nil || err.Error() != "/bin/sh: it took longer than 0.2s" || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	short, end := context.WithTimeout(t.Context(), 100*time.Millisecond) // nobody has interrupted it
	defer end()
	_, err = sh("exec sleep 600").Read(short, health.Asker{}, time.Minute)
	if err == nil || err.Error() != "/bin/sh: it had no more time" {
		t.Error(err)
	}
	if text, err := os.ReadFile(left); err == nil {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(text))); err == nil {
			t.Errorf("process %s is left", text)
		}
	}
}

// repository is one with the tag v42 one commit back.
func repository(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is needed for this test: apt-get install git")
	}
	for _, line := range []string{"init -q", "commit -q --allow-empty -m one", "tag v42"} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, strings.Fields(line)...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", line, err, out)
		}
	}
}

func TestGit(t *testing.T) {
	t.Parallel()
	dir := rightstest.OpenFolder(t)
	repository(t, dir)
	below := filepath.Join(dir, "below")
	must(t, os.Mkdir(below, 0o755))
	must(t, os.Symlink(dir, below+"/link"))
	reads(t, Source{Git: dir}, "v42")
	reads(t, Source{Git: below + "/link"}, "v42")
	reads(t, Source{Git: below}, "unknown: git in "+below+": exit status 128: fatal: not a git repository …")
	reads(t, Source{Git: below + "/none"}, "unknown: git in "+below+"/none: no such file or directory")
}

// Root runs no program that somebody else's repository names, and reads no file
// that he leads it to, but with his own rights.
func TestOthersReleasesAreReadWithTheirRights(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	dir := rightstest.OpenFolder(t)
	secret := wrote(t, filepath.Join(t.TempDir(), "secret"), "hunter2")
	must(t, os.Chmod(secret, 0o600))
	his := filepath.Join(dir, "his")
	must(t, os.Mkdir(his, 0o755))
	repository(t, his)
	wrote(t, his+"/VERSION", "v42")
	must(t, os.Symlink(secret, his+"/secret"))
	must(t, exec.Command("chown", "-hR", "65534", his).Run())
	must(t, os.Chmod(his+"/VERSION", 0o600))
	reads(t, Source{File: his + "/VERSION"}, "v42")
	reads(t, Source{File: his + "/secret"}, "unknown: "+his+"/secret: exit status 1: …")
	reads(t, Source{Git: his}, "v42")
	must(t, os.Chown(his, 0, 0)) // what it holds is his still
	reads(t, Source{Git: his}, "unknown: git in "+his+": "+his+"/.git belongs to user 65534…")
	must(t, os.Chmod(his, 0o777))
	reads(t, Source{File: his + "/secret"}, "unknown: "+his+"/secret: others may write "+his+" (mode 0777)")
	reads(t, Source{Git: his}, "unknown: git in "+his+": others may write "+his+" (mode 0777)")
}

func TestValidate(t *testing.T) {
	t.Parallel()
	url := health.MustParseURL("http://127.0.0.1:3001/version")
	for _, s := range []Source{{}, {Link: "/a", File: "/b"}, {URL: url}, {URL: url, Field: "a", Header: "b"}, {Link: "/a", Field: "b"}, {Field: "a"}} {
		if s.Validate() == nil {
			t.Errorf("%+v is allowed", s)
		}
	}
	for _, s := range []Source{{Link: "/a"}, {Git: "/a"}, {File: "/a"}, {Command: []string{"/a"}}, {URL: url, Field: "a.b"}, {URL: url, Header: "A"}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
