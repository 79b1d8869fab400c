package switcher_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// editor is somebody with the live file in his editor. What he writes says blue.
type editor struct {
	*stand
	text string
	at   time.Time // when he had written it
}

func (s *stand) editor() *editor {
	return &editor{stand: s, text: "# his\n" + nginxtest.LiveFile(s.Blue.Addr)}
}

// renames puts his file in the place of what stands there.
func (e *editor) renames() {
	e.t.Helper()
	his := filepath.Join(e.Dir, "his.conf")
	if err := os.WriteFile(his, []byte(e.text), 0o644); err != nil {
		e.t.Error(err)
	}
	if err := os.Rename(his, e.Live); err != nil {
		e.t.Error(err)
	}
	e.at = time.Now()
}

// overwrites writes his text, which is the longer one, into whatever stands there.
func (e *editor) overwrites() {
	e.t.Helper()
	file, err := os.OpenFile(e.Live, os.O_WRONLY, 0)
	if err != nil {
		e.t.Error(err)
		return
	}
	defer file.Close()
	if _, err := file.Write([]byte(e.text)); err != nil {
		e.t.Error(err)
	}
	e.at = time.Now()
}

// whenOursStandsThere calls do once, as soon as the live name has the new file,
// or the file there the new bytes. It does not open it.
func (s *stand) whenOursStandsThere(do func()) (stop func() bool) {
	s.t.Helper()
	return s.whenInFolder(unix.IN_MOVED_TO|unix.IN_MODIFY, func(name string) bool { return name == filepath.Base(s.Live) }, do)
}

func (s *stand) confirmed() {
	s.Switcher.Site.Confirm = &switcher.Confirm{URL: health.MustParseURL(s.URL()), Marks: map[switcher.Color]switcher.Mark{switcher.Blue: "X-Color: blue", switcher.Green: "X-Color: green"}}
}

// standing makes sure that a switch that met his text claims nothing, leaves it
// alone, and says how things stand.
func (e *editor) standing(result switcher.Result, err error) {
	e.t.Helper()
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != switcher.Stuck {
		e.t.Errorf("%s, %v: want it to be stuck; the answers are %v, the live file:\n%s", result.Outcome, err, nginxtest.Answers(e.URL(), 10), e.live())
		return
	}
	if e.live() != e.text {
		e.t.Errorf("his file is not what he wrote:\n%s", e.live())
	}
	for _, says := range []string{"somebody else changed the file", "the file says blue"} {
		if words := failed.Error() + "; " + failed.Traffic; !strings.Contains(words, says) {
			e.t.Errorf("it does not say %q: %s", says, words)
		}
	}
	e.trueAnswers(failed)
	e.oldIsKept(failed)
	if result.Record.Generation != nil || result.Record.Outcome == string(switcher.Done) {
		e.t.Errorf("it is recorded as proved: %+v", result.Record)
	}
	if status := e.Status(e.t.Context()); status.Running.Is != nil && *status.Running.Is {
		e.t.Errorf("status says that nginx has loaded his file: %s", status.Running.Why)
	}
}

var standsIn = regexp.MustCompile(`the old file is in (\S+)`)

// oldIsKept makes sure that the old file, which could not come back, is where it
// is said to be.
func (s *stand) oldIsKept(failed *switcher.Error) {
	s.t.Helper()
	kept := standsIn.FindStringSubmatch(failed.Traffic)
	if kept == nil {
		s.t.Errorf("it does not say where the old file is: %s", failed.Traffic)
		return
	}
	if text, err := os.ReadFile(kept[1]); err != nil || string(text) != nginxtest.LiveFile(s.Blue.Addr) {
		s.t.Errorf("the old file is not in %s: %q, %v", kept[1], text, err)
	}
}

var whoAnswered = regexp.MustCompile(`; (blue|green) answered`)

// trueAnswers makes sure that the color that is said to answer is the one.
func (s *stand) trueAnswers(failed *switcher.Error) {
	s.t.Helper()
	told := whoAnswered.FindStringSubmatch(failed.Traffic)
	if told == nil {
		if s.Switcher.Site.Confirm != nil {
			s.t.Errorf("it does not say who answers: %s", failed.Traffic)
		}
		return
	}
	s.answers(switcher.Color(told[1]), 10)
}

// Somebody saves his file in the moment in which ours stands there: before nginx
// reads it, while it does, or after that. What was put is what is proved.
func TestEditorOverOurs(t *testing.T) {
	t.Parallel()
	overwritten := func(live string) []string {
		return []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" "$0" && exec "$@"`, live}
	}
	for _, c := range []struct {
		name    string
		prepare func(s *stand)
		edit    func(*editor)
		inPlace bool
	}{
		{name: "renamed", edit: (*editor).renames},
		{name: "renamed, with confirm", prepare: (*stand).confirmed, edit: (*editor).renames},
		{name: "renamed, with an operator's test", prepare: func(s *stand) { s.Switcher.Nginx.Test = []string{"sleep", "0.01"} }, edit: (*editor).renames},
		{name: "overwritten", edit: (*editor).overwrites},
		{name: "overwritten where it is written in place", prepare: (*stand).confirmed, edit: (*editor).overwrites, inPlace: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.inPlace {
				rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
			}
			rounds := 6
			if soaking() {
				rounds = 40
			}
			met := 0
			for i := range rounds {
				dir, o := t.TempDir(), nginxtest.Options{Workers: 1}
				if c.inPlace {
					o.Launch = overwritten(filepath.Join(dir, "conf.d", "active_upstream.conf"))
				}
				s := newStandIn(t, dir, o)
				if c.prepare != nil {
					c.prepare(s)
				}
				e := s.editor()
				stop := s.whenOursStandsThere(func() {
					time.Sleep(time.Duration(i%6) * time.Millisecond)
					c.edit(e)
				})
				result, err := s.to(switcher.Green)
				if !stop() {
					t.Fatalf("round %d: ours never stood there: %v", i, err)
				}
				if err == nil && e.at.After(lookedAgain(result)) {
					continue // he was late
				}
				met++
				e.standing(result, err)
				if _, err := s.to(switcher.Green); err != nil { // he has looked at it
					t.Errorf("round %d: the switch after that: %v", i, err)
				}
				s.answers(switcher.Green, 10)
				if !strings.HasPrefix(s.live(), "# his\n") {
					t.Errorf("round %d: his line is lost:\n%s", i, s.live())
				}
			}
			if met == 0 {
				t.Error("he was late each time")
			}
		})
	}
}

// askedPage is a page for confirm that answers what the live file says, calls do
// when it is first asked with ours in place, and counts from then on.
func (s *stand) askedPage(do func()) (answers *int) {
	s.t.Helper()
	ours, done := nginxtest.LiveFile(s.Green.Addr), false
	answers = new(int)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		color := "blue"
		if done || s.live() == ours {
			color = "green"
			if !done {
				done = true
				do()
			}
			*answers++
		}
		w.Header().Set("X-Color", color)
	}))
	s.t.Cleanup(page.Close)
	s.confirmed()
	s.Switcher.Site.Confirm.URL = health.MustParseURL(page.URL)
	return answers
}

// An edit while the answers are asked for is in nobody's proof.
func TestEditWhileConfirmAsks(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*editor){"renamed": (*editor).renames, "overwritten": (*editor).overwrites} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			e := s.editor()
			s.askedPage(func() { edit(e) })
			result, err := s.to(switcher.Green)
			s.Switcher.Site.Confirm.URL = health.MustParseURL(s.URL()) // the page is as true as its file
			e.standing(result, err)
			s.answers(switcher.Green, 10)
		})
	}
	t.Run("touched", func(t *testing.T) {
		t.Parallel()
		for range 5 {
			s := newStand(t, nginxtest.Options{})
			s.askedPage(func() {
				if err := os.Chmod(s.Live, 0o600); err != nil {
					t.Error(err)
				}
			})
			before := s.reloads()
			if _, err := s.to(switcher.Green); err != nil {
				t.Fatal(err)
			}
			got := s.reloads() - before
			s.Switcher.Site.Confirm = nil
			s.sound(switcher.Green, 2)
			if got == 2 {
				return
			}
			t.Logf("%d reloads: on a busy machine a look comes too late, and one more load has to tell", got)
		}
		t.Error("never one reload more than ours")
	})
}

// What is written through a descriptor from before the exchange goes into the
// old file: it is kept, and somebody is told where.
func TestEditThroughAnOldDescriptor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails   bool // the load, so that the old file has to come back
		outcome switcher.Outcome
		answers switcher.Color
	}{
		"the switch takes place": {false, switcher.Stuck, switcher.Green},
		"it is rolled back":      {true, switcher.RolledBack, switcher.Blue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			met := 0
			for delay := range 4 {
				s := newStand(t, nginxtest.Options{HTTP: "limit_req_zone $binary_remote_addr zone=one:1m rate=1000r/s;"})
				if c.fails {
					s.edited(nginxtest.Options{HTTP: "limit_req_zone $uri zone=one:1m rate=1000r/s;"})
				}
				e := s.editor()
				before, err := os.OpenFile(s.Live, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				stop := s.whenOursStandsThere(func() {
					time.Sleep(time.Duration(delay) * time.Millisecond)
					if _, err := before.WriteAt([]byte(e.text), 0); err != nil {
						t.Error(err)
					}
					e.at = time.Now()
				})
				result, err := s.to(switcher.Green)
				stop()
				before.Close()
				if err == nil && e.at.After(lookedAgain(result)) {
					continue // he was late
				}
				met++
				var failed *switcher.Error
				if !errors.As(err, &failed) {
					t.Fatalf("%s, with an edit that is not in the file", result.Outcome)
				}
				words := fmt.Sprint(failed, "; ", failed.Traffic, "; ", result.Notes)
				if s.live() == e.text { // met in the very exchange: it never left its place
					s.answers(switcher.Blue, 10)
					continue
				}
				if failed.Outcome != c.outcome {
					t.Errorf("outcome %s, want %s: %s", failed.Outcome, c.outcome, words)
				}
				kept := regexp.MustCompile(`/\S+\.not-bgswitch-[A-Z0-9]+`).FindString(words)
				if text, err := os.ReadFile(kept); err != nil || string(text) != e.text {
					t.Errorf("what he wrote is not where it says: %q, %v: %s", text, err, words)
				}
				s.answers(c.answers, 10)
			}
			if met == 0 {
				t.Error("he was late each time")
			}
		})
	}
}

// swapsTheFolder reloads nginx. The first time, another folder stands in the
// place of the live file's until nginx has read it.
const swapsTheFolder = `cd "$0" && master=$1 && children=/proc/$1/task/$1/children
mkdir once 2>/dev/null || exec kill -HUP $master
before=$(cat $children) && mv conf.d ours.d && mv his.d conf.d && kill -HUP $master
while [ "$(cat $children)" = "$before" ]; do sleep 0.001; done
mv conf.d his.d && mv ours.d conf.d`

// Another folder stands in the place of the live file's while nginx reads, and
// is gone again when we look: nothing of our file was touched, and nginx has
// never read it. What is watched is the file that was put, not its name.
func TestFolderSwappedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{Workers: 1})
	his := filepath.Join(s.Dir, "his.d")
	if err := errors.Join(os.Mkdir(his, 0o755), os.WriteFile(filepath.Join(his, filepath.Base(s.Live)), []byte(s.editor().text), 0o644)); err != nil {
		t.Fatal(err)
	}
	s.Switcher.Nginx.Reload = []string{"sh", "-c", swapsTheFolder, s.Dir, fmt.Sprint(s.PID)}
	s.refuses(switcher.RolledBack, "has not loaded the configuration")
	s.sound(switcher.Blue, 1)
}
