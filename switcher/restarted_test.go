package switcher_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/statedir"
)

// releaseVariable tells this program to be the app that runs from a release: it
// names the address to listen on, and the link to the release.
const releaseVariable = "BGSWITCH_TEST_RELEASE"

// serveRelease answers with what the release says of itself when it starts.
func serveRelease(of string) error {
	addr, current, _ := strings.Cut(of, " ")
	color, err := os.ReadFile(filepath.Join(current, "color"))
	if err != nil {
		return err
	}
	var listener net.Listener
	if err := nginxtest.Eventually(nginxtest.Patience, func() (err error) {
		listener, err = net.Listen("tcp", addr)
		return err
	}); err != nil {
		return err
	}
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Color", string(color))
		fmt.Fprintf(w, "%s\n", color)
	}))
}

// released is an app of its own, without nginx: it runs from where a link leads,
// and a script starts it anew.
type released struct {
	*switcher.Switcher
	t              *testing.T
	dir, addr, pid string
}

const restartScript = `#!/bin/sh
echo started >>"$DIR/starts"
: >"$DIR/current/started.$$"
test -e "$DIR/pid" && kill "$(cat "$DIR/pid")"
test -e "$DIR/current/breaks" && { echo "this release breaks" >&2; exit 3; }
BGSWITCH_TEST_RELEASE="$ADDR $DIR/current" "$APP" >"$DIR/app.log" 2>&1 </dev/null &
echo $! >"$DIR/pid"
`

func newReleased(t *testing.T) *released {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &released{t: t, dir: t.TempDir(), addr: listener.Addr().String()}
	r.pid = filepath.Join(r.dir, "pid")
	script := strings.NewReplacer("$DIR", r.dir, "$ADDR", r.addr, "$APP", os.Args[0]).Replace(restartScript)
	errs := []error{listener.Close(), nginxtest.WriteRunnable(filepath.Join(r.dir, "restart"), []byte(script), 0o755)}
	for _, color := range []string{"blue", "green"} {
		release := filepath.Join(r.dir, "releases", "of-"+color)
		errs = append(errs, os.MkdirAll(release, 0o755), os.WriteFile(filepath.Join(release, "color"), []byte(color), 0o644),
			os.Symlink("releases/of-"+color, filepath.Join(r.dir, color)))
	}
	errs = append(errs, os.Symlink("releases/of-blue", filepath.Join(r.dir, "current")))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	r.Switcher = &switcher.Switcher{
		Site: switcher.Site{
			Name: "app", Check: health.Defaults(), Restart: []string{filepath.Join(r.dir, "restart")},
			Files: []switcher.LiveFile{{Path: filepath.Join(r.dir, "current"), Released: true, Whole: map[switcher.Color]string{
				switcher.Blue: filepath.Join(r.dir, "blue"), switcher.Green: filepath.Join(r.dir, "green"),
			}}},
			Confirm: &switcher.Confirm{URL: health.MustParseURL("http://" + r.addr), Marks: map[switcher.Color]switcher.Mark{
				switcher.Blue: "X-Color: blue", switcher.Green: "X-Color: green",
			}, Patience: nginxtest.Patience},
		},
		Nginx: &nginx.Nginx{}, State: statedir.Of(filepath.Join(r.dir, "state"), "app"), Host: "test", Log: debugLog(),
	}
	if err := r.Site.Validate(); err != nil {
		t.Fatal(err)
	}
	return r
}

// stop ends the app, whichever it is by now.
func (r *released) stop() {
	text, err := os.ReadFile(r.pid)
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
		return
	}
	_ = nginxtest.Eventually(nginxtest.Patience, func() error {
		if err := syscall.Kill(pid, 0); err == nil {
			return errors.New("still there")
		}
		return nil
	})
}

func (r *released) to(color switcher.Color) (switcher.Result, error) {
	return r.Switch(context.Background(), switcher.Request{To: color, Command: "to", Who: "test"})
}

func (r *released) leads(to string) {
	r.t.Helper()
	if got, err := os.Readlink(filepath.Join(r.dir, "current")); err != nil || got != to {
		r.t.Errorf("current leads to %q, %v; want %q", got, err, to)
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			r.t.Errorf("%s stands beside the link", entry.Name())
		}
	}
}

func (r *released) starts() int {
	return strings.Count(read(r.t, filepath.Join(r.dir, "starts")), "started")
}

func (r *released) answers(color switcher.Color) {
	r.t.Helper()
	if got := nginxtest.Answers("http://"+r.addr, 10); got[string(color)] != 10 {
		r.t.Errorf("answers %v, want all %s", got, color)
	}
}

// An app that runs from a link is switched by that link and a restart, proved by
// its answers, and there and back each name is what it was.
func TestRestartedApp(t *testing.T) {
	t.Parallel()
	r := newReleased(t)
	for round := range 2 {
		for _, color := range []switcher.Color{switcher.Green, switcher.Blue} {
			result, err := r.to(color)
			if err != nil || result.Outcome != switcher.Done || result.Record.Proof != "identity" {
				t.Fatalf("round %d: %+v, %v", round, result, err)
			}
			r.leads("releases/of-" + string(color))
			r.answers(color)
		}
	}
	if n := r.starts(); n != 4 {
		t.Errorf("%d starts for 4 switches", n)
	}
	result, err := r.to(switcher.Blue)
	if err != nil || result.Outcome != switcher.Already || r.starts() != 4 {
		t.Errorf("once more: %s, %v, %d starts", result.Outcome, err, r.starts())
	}
	st := r.Status(t.Context())
	if st.Live != switcher.Blue || st.Answers != switcher.Blue || !st.Serves() || len(st.Drift) > 0 || st.Running.Matters || len(st.Colors[switcher.Green]) > 0 {
		t.Errorf("status %+v", st)
	}
	if way := r.WayBack(t.Context(), false); way.Err != nil || way.To != switcher.Green {
		t.Errorf("the way back: %+v", way)
	}
}

// run has the app run from a link, whatever the switch's own one says.
func (r *released) run(link string) {
	r.t.Helper()
	r.stop()
	app := exec.Command(os.Args[0])
	app.Env = append(os.Environ(), releaseVariable+"="+r.addr+" "+filepath.Join(r.dir, link))
	if err := app.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _, _ = app.Process.Kill(), app.Wait() })
	if err := os.WriteFile(r.pid, []byte(strconv.Itoa(app.Process.Pid)), 0o644); err != nil {
		r.t.Fatal(err)
	}
	if err := nginxtest.Eventually(nginxtest.Patience, func() error {
		if got := nginxtest.Answers("http://"+r.addr, 1); got[link] != 1 {
			return fmt.Errorf("answers %v", got)
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

// A link of the color that was changed to lead to another release, or away and back, is none
// that the app has started from, whatever it answers.
func TestAnotherReleaseOfTheColor(t *testing.T) {
	t.Parallel()
	r := newReleased(t)
	current, blue, newer := filepath.Join(r.dir, "current"), filepath.Join(r.dir, "blue"), filepath.Join(r.dir, "releases", "newer")
	if err := errors.Join(os.Remove(current), os.Symlink("blue", current), os.Mkdir(newer, 0o755), os.WriteFile(filepath.Join(newer, "color"), []byte("blue"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for i, color := range []switcher.Color{switcher.Green, switcher.Blue} {
		if result, err := r.to(color); err != nil || result.Outcome != switcher.Done || r.starts() != i+1 {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	for i, release := range []string{"newer", "of-blue"} {
		if err := errors.Join(os.Remove(blue), os.Symlink("releases/"+release, blue)); err != nil {
			t.Fatal(err)
		}
		result, err := r.to(switcher.Blue)
		if err != nil || result.Outcome != switcher.Done || r.starts() != 3+i {
			t.Fatalf("%s: %s, %v, %d starts", release, result.Outcome, err, r.starts())
		}
		if _, err := os.Stat(filepath.Join(r.dir, "releases", release, "color")); err != nil {
			t.Error(err)
		}
	}
	if result, err := r.to(switcher.Blue); err != nil || result.Outcome != switcher.Already || result.Loaded.Is == nil || !*result.Loaded.Is || r.starts() != 4 {
		t.Errorf("once more: %+v, %v, %d starts", result, err, r.starts())
	}
}

// Where the other color answers, no patience makes it this one.
func TestDriftOfARestartedApp(t *testing.T) {
	t.Parallel()
	r := newReleased(t)
	for _, color := range []switcher.Color{switcher.Green, switcher.Blue} {
		if result, err := r.to(color); err != nil || result.Outcome != switcher.Done {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	r.run("green")
	r.Site.Confirm.Patience = 30 * time.Second
	began := time.Now()
	result, err := r.to(switcher.Blue)
	if took := time.Since(began); err != nil || result.Outcome != switcher.Done || r.starts() != 3 || took > r.Site.Confirm.Patience/2 {
		t.Errorf("%s, %v, %d starts, after %s", result.Outcome, err, r.starts(), took)
	}
	r.answers(switcher.Blue)
}

// A release that does not start, or starts as another one, is undone as every
// other switch: the link goes back, and the app is started anew.
func TestRestartIsRolledBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(release string) error
		says  string
	}{
		"the command fails":  {func(p string) error { return os.WriteFile(filepath.Join(p, "breaks"), nil, 0o644) }, "exit status 3: this release breaks"},
		"the app ends":       {func(p string) error { return os.Remove(filepath.Join(p, "color")) }, "green does not answer at http://"},
		"the wrong one runs": {func(p string) error { return os.WriteFile(filepath.Join(p, "color"), []byte("blue"), 0o644) }, "green does not answer at http://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReleased(t)
			if result, err := r.to(switcher.Green); err != nil || result.Outcome != switcher.Done {
				t.Fatalf("%+v, %v", result, err)
			}
			if result, err := r.to(switcher.Blue); err != nil || result.Outcome != switcher.Done {
				t.Fatalf("%+v, %v", result, err)
			}
			if err := c.spoil(filepath.Join(r.dir, "releases", "of-green")); err != nil {
				t.Fatal(err)
			}
			r.Site.Confirm.Patience = 2 * time.Second
			var said []string
			r.Say = func(text string) { said = append(said, text) }
			result, err := r.to(switcher.Green)
			var failed *switcher.Error
			if !errors.As(err, &failed) || result.Outcome != switcher.RolledBack || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%s, %v; %+v", result.Outcome, err, failed)
			}
			if strings.Contains(err.Error()+failed.Traffic+failed.Hint, "nginx") || result.Record.Proof != "identity" {
				t.Errorf("%v; %s; %s; proof %s", err, failed.Traffic, failed.Hint, result.Record.Proof)
			}
			if waits := strings.Contains(strings.Join(said, "\n"), "waiting for green to answer at http://"); waits != (name != "the command fails") {
				t.Errorf("said %q", said)
			}
			r.leads("releases/of-blue")
			r.answers(switcher.Blue)
			if n := r.starts(); n != 4 {
				t.Errorf("%d starts", n)
			}
		})
	}
}

// Nothing but the app's own answers counts, and the link has to lead to one of
// the two.
func TestReleaseOfNeither(t *testing.T) {
	t.Parallel()
	r := newReleased(t)
	current := filepath.Join(r.dir, "current")
	if err := errors.Join(os.Mkdir(filepath.Join(r.dir, "releases", "old"), 0o755), os.Remove(current), os.Symlink("releases/old", current)); err != nil {
		t.Fatal(err)
	}
	_, err := r.to(switcher.Green)
	if err == nil || !strings.Contains(err.Error(), current+" leads to "+r.dir+"/releases/old, which is neither "+r.dir+"/blue nor "+r.dir+"/green") {
		t.Errorf("%v", err)
	}
	r.leads("releases/old")
}

// What stands in a release is its deployer's; who may lead the link elsewhere is
// named.
func TestDoubtsAboutARelease(t *testing.T) {
	t.Parallel()
	r := newReleased(t)
	if err := os.Chmod(filepath.Join(r.dir, "releases", "of-blue"), 0o777); err != nil {
		t.Fatal(err)
	}
	if warnings := r.Status(t.Context()).Warnings; len(warnings) > 0 {
		t.Errorf("warnings %q", warnings)
	}
	if err := os.Chmod(r.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	want := "others may write " + r.dir + " (mode 0777); whoever can change the link decides what the app runs"
	if warnings := r.Status(t.Context()).Warnings; len(warnings) != 1 || warnings[0] != want {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
}

// It takes part in no reload of nginx, and so in no switch of several sites.
func TestRestartedAppByItself(t *testing.T) {
	t.Parallel()
	r, other := newReleased(t), newReleased(t)
	results, err := switcher.Together(t.Context(), switcher.Typed{}, []*switcher.Switcher{other.Switcher, r.Switcher}, switcher.Request{To: switcher.Green, Command: "to", Who: "test"})
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != switcher.Failed || !strings.Contains(err.Error(), "restart") {
		t.Errorf("%+v, %v", results, err)
	}
	r.leads("releases/of-blue")
	other.leads("releases/of-blue")
}
