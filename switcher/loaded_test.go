package switcher_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginxtest"

	"golang.org/x/sys/unix"
)

// What status says of the file that nginx has loaded.
const (
	loaded    = "loaded"
	notLoaded = "not loaded" // with DRIFT
	unknown   = "unknown"
	ifRead    = "loaded, if nginx reads it"
)

// knows makes sure of what is known of the file, and that only a file that is
// known not to be loaded is DRIFT.
func (s *stand) knows(want string) {
	s.t.Helper()
	st := s.Status(s.t.Context())
	got := unknown
	if is := st.Running.Is; is != nil {
		got = map[bool]string{true: loaded, false: notLoaded}[*is]
	} else if st.Running.IfRead {
		got = ifRead
	}
	if got != want {
		s.t.Errorf("status says %s (%s), want %s", got, st.Running.Why, want)
	}
	for _, drift := range st.Drift {
		if drift.Key != switcher.DriftAnswers && want != notLoaded {
			s.t.Errorf("status says DRIFT: %s", drift.What)
		}
	}
	if want == notLoaded && len(st.Drift) == 0 {
		s.t.Error("status says no DRIFT")
	}
}

// byHand puts the file of a color in place as an editor does.
func (s *stand) byHand(color switcher.Color) {
	s.t.Helper()
	beside := filepath.Join(s.Dir, "edited")
	if err := errors.Join(os.WriteFile(beside, []byte(s.fileOf(color)), 0o644), os.Rename(beside, s.Live)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) fileOf(color switcher.Color) string {
	return nginxtest.LiveFile(map[switcher.Color]string{switcher.Blue: s.Blue.Addr, switcher.Green: s.Green.Addr}[color])
}

// reload is somebody else's: it is over when it returns.
func (s *stand) reload() {
	s.t.Helper()
	before := s.Workers()
	s.signal(syscall.SIGHUP)
	s.eventually(func() error { return s.Reloaded(before) })
}

func (s *stand) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// crash kills every worker; they come back with what the master had, and are
// younger than the file.
func (s *stand) crash() {
	s.t.Helper()
	s.eventually(func() error { return nginxtest.Old(s.Live) })
	before := s.Workers()
	for _, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			s.t.Fatal(err)
		}
	}
	s.eventually(func() error { return s.Reloaded(before) })
}

// confirming has the answers prove each switch.
func (s *stand) confirming() {
	s.Switcher.Site.Confirm = &switcher.Confirm{URL: health.MustParseURL(s.URL()), Marks: map[switcher.Color]switcher.Mark{
		switcher.Blue: "X-Color: blue", switcher.Green: "X-Color: green",
	}}
}

// ends switches and makes sure of how it ends.
func (s *stand) ends(color switcher.Color, want switcher.Outcome) {
	s.t.Helper()
	result, err := s.to(color)
	if result.Outcome != want || err != nil {
		s.t.Fatalf("to %s: %s, %v; want %s", color, result.Outcome, err, want)
	}
	s.answers(color, 20)
}

// loadsOnce makes sure that a switch to the color that the file names loads it,
// and that the next one has nothing to do.
func (s *stand) loadsOnce(color switcher.Color) {
	s.t.Helper()
	before := s.Workers()
	s.ends(color, switcher.Done)
	s.eventually(func() error { return s.Reloaded(before) }) // the old workers may take a moment to end
	s.ends(color, switcher.Already)
	s.knows(loaded)
	s.nothingBeside()
}

// Workers that crashed come back with what the master had, and look as if they
// had loaded what stands there now.
func TestWorkersThatCrashedHaveLoadedNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *stand){
		"by hand":     func(s *stand) { s.byHand(switcher.Green) },
		"by a killed": func(s *stand) { s.killedBeforeTheSignal() },
		"after a switch": func(s *stand) {
			s.ends(switcher.Green, switcher.Done)
			s.ends(switcher.Blue, switcher.Done)
			s.byHand(switcher.Green)
		},
	} {
		for how, confirm := range map[string]func(s *stand){"": func(*stand) {}, ", confirm": (*stand).confirming} {
			t.Run(name+how, func(t *testing.T) {
				t.Parallel()
				s := newStand(t, nginxtest.Options{})
				confirm(s)
				change(s)
				s.crash()
				s.answers(switcher.Blue, 20)
				s.knows(unknown)
				s.loadsOnce(switcher.Green)
			})
		}
	}
}

// killedBeforeTheSignal leaves what a run does that was killed when its file
// stood in place: the old file, the journal, and an nginx that knows nothing.
func (s *stand) killedBeforeTheSignal() {
	s.t.Helper()
	folder := filepath.Dir(s.Live)
	kept := livefile.Beside(folder, s.Live, "kept")
	j, err := journal.Take(s.t.Context(), journal.Place{Folder: folder, Live: s.Live}, 0, "to green", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	before, after := s.live(), s.fileOf(switcher.Green)
	err = errors.Join(os.Rename(s.Live, kept), j.Begin(journal.Entry{
		Kept: filepath.Base(kept), Before: livefile.Hash([]byte(before)), After: livefile.Hash([]byte(after)), Whole: true,
	}))
	s.byHand(switcher.Green)
	if err := errors.Join(err, j.Leave()); err != nil {
		s.t.Fatal(err)
	}
}

// A reload that has read the old file starts workers that are younger than the
// new one, and do not have it.
func TestFileReplacedWhileAReloadReads(t *testing.T) {
	t.Parallel()
	sites := 3000
	for name, c := range map[string]struct {
		first, read, stands switcher.Color
	}{
		"edited":         {read: switcher.Blue, stands: switcher.Green},
		"our switch":     {first: switcher.Blue, read: switcher.Blue, stands: switcher.Green},
		"there and back": {first: switcher.Green, read: switcher.Blue, stands: switcher.Green},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newStandIn(t, dir, nginxtest.Options{HTTP: tree(t, dir, sites)})
			if c.first != "" {
				s.ends(c.first, switcher.Done)
				s.byHand(c.read)
			}
			workers := s.Workers()
			opened := s.opened(s.Live)
			s.signal(syscall.SIGHUP)
			opened()
			s.byHand(c.stands)
			if c.first != c.stands { // else what runs has it, as yet
				s.eventually(func() error { return s.Reloaded(workers) })
				s.answers(c.read, 20)
				s.knows(unknown)
			}
			s.loadsOnce(c.stands)
			s.eventually(func() error { return s.Reloaded(workers) })
			s.answers(c.stands, 20)
		})
	}
}

// opened watches a file; the function it returns waits until somebody opens it.
func (s *stand) opened(path string) (wait func()) {
	s.t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err == nil {
		_, err = unix.InotifyAddWatch(watch, path, unix.IN_OPEN)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return func() {
		s.t.Helper()
		defer unix.Close(watch)
		ready := []unix.PollFd{{Fd: int32(watch), Events: unix.POLLIN}}
		if n, err := unix.Poll(ready, 20_000); n != 1 {
			s.t.Fatalf("nobody opens %s: %v", path, err)
		}
	}
}

// A clock that was set makes a start look older or younger than it was: what
// the pid file's time does not bear out is unknown.
func TestClockThatWasSet(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"forwards": -time.Hour, "backwards": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			s.knows(ifRead)
			info, err := os.Stat(s.PIDFile)
			if err != nil {
				t.Fatal(err)
			}
			at := info.ModTime().Add(step)
			if err := os.Chtimes(s.PIDFile, at, at); err != nil {
				t.Fatal(err)
			}
			s.knows(unknown)
			s.byHand(switcher.Green)
			s.knows(unknown)
			s.crash()
			s.knows(unknown)
			s.loadsOnce(switcher.Green)
		})
	}
}

// A link on the way to the file, made anew, leads to a file that is as old as
// ever, and that nginx has never seen.
func TestLinkMadeAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ link, blue, green, file string }{
		"to the file":   {"conf.d/active_upstream.conf", "one", "elsewhere/two", ""}, // no siblings, of which a link would select one
		"to its folder": {"conf.d", "releases/1", "elsewhere/2", "active_upstream.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			link := filepath.Join(dir, c.link)
			lead := func(to string) {
				if err := errors.Join(os.Symlink(filepath.Join(dir, to), link+".new"), os.Rename(link+".new", link)); err != nil {
					t.Fatal(err)
				}
			}
			for _, folder := range []string{link, filepath.Join(dir, c.blue, c.file), filepath.Join(dir, c.green, c.file)} {
				if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			green := filepath.Join(dir, c.green, c.file)
			if err := os.WriteFile(green, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			lead(c.blue)
			s := newStandIn(t, dir, nginxtest.Options{})
			s.knows(ifRead)
			lead(c.green)
			s.knows(unknown)
			if err := os.WriteFile(green, []byte(s.fileOf(switcher.Green)), 0o644); err != nil {
				t.Fatal(err)
			}
			s.loadsOnce(switcher.Green)

			// There and back, with a reload between: the file is the very one that
			// the switch gave to nginx, and nginx has the other.
			lead(c.blue)
			s.reload()
			lead(c.green)
			s.answers(switcher.Blue, 20)
			s.knows(unknown)
			s.loadsOnce(switcher.Green)
		})
	}
}

// A record speaks of one master: another one with its pid was given nothing.
func TestRecordOfAnotherMaster(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.ends(switcher.Green, switcher.Done)
	s.knows(loaded)
	history := filepath.Join(s.State.Path, "history.jsonl")
	text, err := os.ReadFile(history)
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	generation := record["generation"].(map[string]any)
	generation["master_start"] = generation["master_start"].(float64) - 1
	line, err := json.Marshal(record)
	if err := errors.Join(err, os.WriteFile(history, append(line, '\n'), 0o600)); err != nil {
		t.Fatal(err)
	}
	s.knows(unknown)
	s.loadsOnce(switcher.Green)
}

// elsewhere is a site that passes what it is asked to another app than the
// upstream; the upstream is passed to where nobody asks.
func elsewhere(addr string) nginxtest.Options {
	return nginxtest.Options{Server: fmt.Sprintf("location / { proxy_pass http://%s; } location /unasked { proxy_pass http://myapp; }", addr)}
}

// With confirm, a site whose traffic goes elsewhere has switched nowhere, however
// often it is asked to, and whatever the file says.
func TestTrafficThatGoesElsewhere(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]string{"no mark": "", "the other color's mark": "blue"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Color", mark) }))
			t.Cleanup(other.Close)
			s := newStand(t, elsewhere(other.Listener.Addr().String()))
			s.confirming()
			before := s.live()
			for range 2 {
				s.endsBadly(switcher.Green, "green does not answer")
				if s.live() != before {
					t.Fatalf("the live file is not the old one:\n%s", s.live())
				}
			}
			s.byHand(switcher.Green)
			s.reload()
			for range 2 {
				s.endsBadly(switcher.Green, "green does not answer")
			}
		})
	}
}

// endsBadly makes sure that a switch ends with no success, whatever else.
func (s *stand) endsBadly(color switcher.Color, says string) {
	s.t.Helper()
	result, err := s.to(color)
	if err == nil || !strings.Contains(err.Error(), says) {
		s.t.Fatalf("to %s: %s, %v; want an error that says %q", color, result.Outcome, err, says)
	}
}

// A record does not outlive what the answers say: the traffic goes elsewhere
// since, and `to` the color that the file names asks.
func TestAlreadyAsksConfirm(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	s := newStand(t, nginxtest.Options{})
	s.confirming()
	s.ends(switcher.Green, switcher.Done)
	s.ends(switcher.Green, switcher.Already)
	s.edited(elsewhere(other.Listener.Addr().String()))
	s.reload()
	s.endsBadly(switcher.Green, "green does not answer")
}

// An upstream that nothing passes to decides nothing, whatever loads it.
func TestUpstreamThatNothingPassesTo(t *testing.T) {
	t.Parallel()
	const nothing = "passes to upstream myapp"
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{})
		o := nginxtest.Options{Server: fmt.Sprintf("location / { proxy_pass http://%s; }", s.Blue.Addr)}
		s.edited(o)
		s.reload()
		if failed := s.refuses(switcher.NotAccepted, nothing); !strings.Contains(failed.Hint, "proxy_pass http://myapp;") {
			t.Errorf("the hint is %q", failed.Hint)
		}
	})
	t.Run("after a good switch", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{})
		s.ends(switcher.Green, switcher.Done)
		s.edited(nginxtest.Options{Server: fmt.Sprintf("location / { proxy_pass http://%s; }", s.Blue.Addr)})
		s.reload()
		before, workers := s.live(), s.Workers()
		s.endsBadly(switcher.Green, nothing)
		if s.live() != before || fmt.Sprint(workers) != fmt.Sprint(s.Workers()) {
			t.Error("something was touched")
		}
	})
}

// What passes to the upstream, or might: the switch works.
func TestUpstreamThatSomethingPassesTo(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]string{
		"a variable":       `set $to myapp; location / { proxy_pass http://$to; }`,
		"a variable aside": `set $to other; location / { return 204; } location /a { proxy_pass http://$to; }`,
		"fastcgi":          `location / { return 204; } location /a { fastcgi_pass myapp; }`,
		"grpc":             `location / { return 204; } location /a { grpc_pass grpc://myapp; }`,
		"in capitals":      `location / { proxy_pass http://MyApp/path; }`,
		"deep, in quotes":  `location / { location /a { if ($arg_a) { proxy_pass "http://myapp"; } } return 204; }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{Server: server})
			if _, err := s.to(switcher.Green); err != nil {
				t.Fatal(err)
			}
			s.reads(s.Green.Addr)
			if result, err := s.to(switcher.Green); err != nil || result.Outcome != switcher.Already {
				t.Errorf("once more: %s, %v", result.Outcome, err)
			}
		})
	}
}

// A file that was touched and holds what it held is no drift.
func TestFileThatWasTouched(t *testing.T) {
	t.Parallel()
	for name, touch := range map[string]func(path string) error{
		"chmod there and back": func(p string) error { return errors.Join(os.Chmod(p, 0o600), os.Chmod(p, 0o644)) },
		"renamed there and back": func(p string) error {
			return errors.Join(os.Rename(p, p+".aside"), os.Rename(p+".aside", p))
		},
		"touch -a": func(p string) error { return os.Chtimes(p, time.Now(), time.Time{}) },
		"written again": func(p string) error {
			content, err := os.ReadFile(p)
			return errors.Join(err, os.WriteFile(p, content, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			touched := func() {
				t.Helper()
				if err := touch(s.Live); err != nil {
					t.Fatal(err)
				}
			}
			s.ends(switcher.Green, switcher.Done)
			touched()
			s.knows(loaded)
			s.reload()
			s.knows(unknown)
			touched()
			s.knows(unknown)
			s.loadsOnce(switcher.Green)
			touched()
			s.crash()
			s.knows(unknown)
			s.loadsOnce(switcher.Green)
		})
	}
}

// Workers that crash after our load come back with it.
func TestWorkersThatCrashAfterASwitch(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.ends(switcher.Green, switcher.Done)
	if err := syscall.Kill(s.Workers()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.knows(loaded)
	s.eventually(func() error {
		if got := len(s.Workers()); got != 2 {
			return fmt.Errorf("%d workers serve", got)
		}
		return nil
	})
	s.knows(loaded)
	s.crash()
	s.knows(loaded)
	s.ends(switcher.Green, switcher.Already)
}

// An edit that nginx has not loaded is DRIFT as long as that is certain.
func TestEditedByHand(t *testing.T) {
	t.Parallel()
	t.Run("and not loaded", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{})
		s.ends(switcher.Green, switcher.Done)
		s.byHand(switcher.Blue)
		s.knows(notLoaded)
		if mend := s.Status(t.Context()).Drift[0].Mend; mend != "bgswitch to blue" {
			t.Errorf("the remedy is %q", mend)
		}
		s.loadsOnce(switcher.Blue)
	})
	t.Run("and loaded by hand", func(t *testing.T) {
		t.Parallel()
		s := newStand(t, nginxtest.Options{})
		s.ends(switcher.Green, switcher.Done)
		s.byHand(switcher.Blue)
		s.reload()
		s.knows(unknown)
		s.loadsOnce(switcher.Blue)
	})
}

// An nginx that is younger than the file has it, and `to` makes certain once.
func TestYoungerMaster(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.knows(ifRead)
	s.crash()
	s.knows(ifRead)
	s.loadsOnce(switcher.Blue)
}

// An nginx that went to the background was forked by one that had read the
// files before: to be younger than an edit tells nothing.
func TestEditedWhileADaemonStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newStandIn(t, dir, nginxtest.Options{Daemon: true, HTTP: tree(t, dir, 3000)})
	if err := s.Site.Nginx.Stop(); err != nil {
		t.Fatal(err)
	}
	opened := s.opened(s.Live)
	again := s.daemon()
	opened()
	s.byHand(switcher.Green)
	again()
	s.answers(switcher.Blue, 20)
	s.knows(unknown)
	s.ends(switcher.Green, switcher.Done)
	s.ends(switcher.Green, switcher.Already)
}

// daemon starts nginx in the background, on the same configuration; it ends with
// the test. The function that it returns waits until it serves.
func (s *stand) daemon() (serves func()) {
	s.t.Helper()
	binary, err := nginxtest.Binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.begin(binary, "-p", s.Dir, "-c", s.Conf)
	return func() {
		s.t.Helper()
		s.eventually(func() error { return s.pidFileOf(&s.PID) })
		s.t.Cleanup(func() {
			_ = syscall.Kill(s.PID, syscall.SIGTERM)
			s.gone(s.PID)
		})
		s.eventually(func() error {
			if len(s.Workers()) < 2 {
				return errors.New("no workers yet")
			}
			return nil
		})
	}
}

func (s *stand) pidFileOf(pid *int) error {
	text, err := os.ReadFile(s.PIDFile)
	if err == nil {
		_, err = fmt.Sscan(string(text), pid)
	}
	return err
}

// What passes to the upstream was changed and loaded by somebody, and mended on
// the disk alone since: the test finds nothing wrong, and the traffic goes
// elsewhere.
func TestMendedOnTheDiskAlone(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.ends(switcher.Green, switcher.Done)
	s.edited(elsewhere(s.Blue.Addr))
	s.reload()
	s.answers(switcher.Blue, 20)
	s.edited(nginxtest.Options{})
	s.ends(switcher.Green, switcher.Done)
	s.answers(switcher.Green, 20)
	s.ends(switcher.Green, switcher.Already)
}
