package switcher_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/release"
	"bgswitch/switcher/statedir"
)

// carrier is an app that tells its release, once it is let.
type carrier struct {
	release atomic.Value // a string
	hold    atomic.Value // a chan struct{}: it tells nothing before that is closed
}

// carries begins one, of which a color of the stand is told.
func (s *stand) carries(color switcher.Color, name string) *carrier {
	c := &carrier{}
	c.release.Store(name)
	c.goOn()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-c.hold.Load().(chan struct{}):
		case <-r.Context().Done():
		}
		w.Header().Set("X-Release", c.release.Load().(string))
	}))
	s.t.Cleanup(server.Close)
	if s.Switcher.Site.Releases.Of == nil {
		s.Switcher.Site.Releases = switcher.Releases{Timeout: time.Minute, Of: map[switcher.Color]release.Source{}}
	}
	s.Switcher.Site.Releases.Of[color] = release.Source{URL: health.MustParseURL(server.URL), Header: "X-Release"}
	return c
}

func (c *carrier) goOn() {
	open := make(chan struct{})
	close(open)
	c.hold.Store(open)
}

// flies goes back for a release is bad.
func (s *stand) flies(why string) switcher.Result {
	s.t.Helper()
	result, err := s.Switch(s.t.Context(), switcher.Request{Handover: nginx.HandoverFast, Command: "back", Who: "test", Bad: why})
	if err != nil {
		s.t.Error(err)
	}
	return result
}

// marks are those that are kept, the newest first.
func (s *stand) marks() (list []string) {
	s.t.Helper()
	kept, err := s.Fled()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range kept {
		words := string(f.Release)
		if f.Unread {
			words += "?"
		}
		list = append(list, words)
	}
	return list
}

func (s *stand) marked(want string) {
	s.t.Helper()
	if got := strings.Join(s.marks(), " "); got != want {
		s.t.Errorf("marked are %q, want %q", got, want)
	}
}

// newestIs waits for the newest record to be one of a command.
func (s *stand) newestIs(command string) (newest statedir.Record) {
	s.t.Helper()
	if err := nginxtest.Eventually(nginxtest.Patience, func() error {
		last, err := s.State.Newest()
		if err == nil && (last == nil || last.Command != command) {
			err = fmt.Errorf("the newest record is %+v", last)
		}
		if err == nil {
			newest = *last
		}
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	return newest
}

func (s *stand) refused(color switcher.Color, words string) {
	s.t.Helper()
	_, err := s.to(color)
	s.refusal(err, switcher.Blocked, words)
}

// What the color carries that is left is marked, and not what it carried when it
// went live. It is not waited for, and who is killed meanwhile has marked it, too.
func TestMarkIsOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	green := s.carries(switcher.Green, "v51")
	s.switched(switcher.Green)
	green.release.Store("v52")
	held := make(chan struct{})
	green.hold.Store(held)
	ended := make(chan switcher.Result)
	go func() { ended <- s.flies("v52 loses carts") }()
	r := s.newestIs("back")
	s.answers(switcher.Blue, 5)
	s.marked("v51?")
	if r.Fled != "v51" || !r.FledUnread || !r.FromSaid {
		t.Errorf("recorded meanwhile: %+v", r.ReleaseRecord)
	}
	green.goOn()
	close(held)
	result := <-ended
	s.marked("v52")
	if r = s.newestIs("back"); r.Fled != "v52" || r.FledUnread || r.FromRelease != "v52" || r.FromSaid || r.ReleaseRecord != result.Record.ReleaseRecord {
		t.Errorf("recorded in the end: %+v, answered: %+v", r.ReleaseRecord, result.Record.ReleaseRecord)
	}
	if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, "v52 is marked as bad; ") || strings.Contains(notes, "v51") {
		t.Errorf("it says %s", notes)
	}
	s.refused(switcher.Green, "green carries v52, which was marked as bad by test at ")
	green.release.Store("v51")
	s.switched(switcher.Green) // that one was not bad
}

// Where the color never tells, nobody goes to whatever it carries, nor to what it
// was said to carry, until somebody has gone there who has looked.
func TestUnreadMarkHolds(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	green := s.carries(switcher.Green, "v51")
	s.switched(switcher.Green)
	green.hold.Store(make(chan struct{}))
	s.Switcher.Site.Releases.Timeout = time.Second
	result := s.flies("it loses carts")
	s.Switcher.Site.Releases.Timeout = time.Minute
	s.marked("v51?")
	if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, "what green carries could not be read, and was said to be v51; nobody can switch to either again without --override") {
		t.Errorf("it says %s", notes)
	}
	green.release.Store("v52")
	green.goOn()
	s.refused(switcher.Green, "green may still carry what was marked as bad by test at ")
	s.refused(switcher.Green, ": it loses carts (it could not be read then, and was said to be v51)")
	passes := switcher.Request{To: switcher.Green, Handover: nginx.HandoverFast, Command: "to", Who: "test", Override: "I have looked"}
	if _, err := s.Switch(t.Context(), passes); err != nil {
		t.Fatal(err)
	}
	s.switched(switcher.Blue)
	s.switched(switcher.Green)
	s.switched(switcher.Blue)
	green.release.Store("v51")
	s.refused(switcher.Green, "green carries v51, which was marked as bad by test at ")
}

// What is left may be said to be what the target carries: the target is not bad.
func TestUnreadMarkIsNotOfTheTarget(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	green := s.carries(switcher.Green, "v51")
	s.carries(switcher.Blue, "v51")
	s.switched(switcher.Green)
	green.hold.Store(make(chan struct{}))
	s.Switcher.Site.Releases.Timeout = time.Second
	s.flies("it loses carts")
	s.marked("?")
	green.goOn()
	green.release.Store("v52")
	s.refused(switcher.Green, ": it loses carts (it could not be read then)")
}
