package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"

	"github.com/google/go-cmp/cmp"
)

// chat is a server that hears webhooks at /hook and pings below /ping.
type chat struct {
	*httptest.Server
	mutex sync.Mutex
	heard []string
}

func newChat(t *testing.T) *chat {
	c := &chat{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := strings.TrimPrefix(r.URL.Path, "/s3cret")
		if r.Method == http.MethodPost {
			var m struct{ Event, Text, Level, Live, From, To string }
			body, _ := io.ReadAll(r.Body)
			if err := json.Unmarshal(body, &m); err != nil || m.Text == "" {
				said = "no message: " + string(body)
			} else {
				said = strings.Join([]string{m.Event, m.Level, m.Live, m.From + ">" + m.To}, " ")
			}
		}
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.heard = append(c.heard, said)
	}))
	t.Cleanup(c.Close)
	return c
}

// since is what was heard since the last time this was asked, in the order of
// the alphabet: channels are used at the same time.
func (c *chat) since() []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	heard := slices.Sorted(slices.Values(c.heard))
	c.heard = nil
	return heard
}

// verifyStand is a private site and a way to run the program on it.
type verifyStand struct {
	*nginxtest.Site
	t *testing.T
}

func newVerifyStand(t *testing.T, extra string) *verifyStand {
	t.Helper()
	rightstest.Needs(t, rightstest.Mounts)
	site, err := nginxtest.StartSite(t.TempDir(), nginxtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &verifyStand{Site: site, t: t}
	s.set(extra)
	return s
}

func (s *verifyStand) set(extra string) {
	s.t.Helper()
	if err := os.WriteFile(s.Settings, []byte(s.SettingsText(extra)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// exits runs the program and returns all that it printed.
func (s *verifyStand) exits(want int, args ...string) string {
	s.t.Helper()
	var out bytes.Buffer
	code := run(s.t.Context(), append([]string{"bgswitch", "--config", s.Settings}, args...), &out, &out)
	if code != want {
		s.t.Errorf("%v: exit code %d, want %d: %s", args, code, want, &out)
	}
	return out.String()
}

const quick = "verify: {fall: 1, rise: 1}\n"

// Webhooks hear each change and each switch, the ping hears each run.
func TestTold(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	s := newVerifyStand(t, quick+fmt.Sprintf("notify: {webhooks: [{url: %[1]s/hook}, {url: %[1]s/hook2}], ping: %[1]s/ping}\n", c.URL))
	said := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, c.since()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	twice := func(text string) []string { return []string{text, text} }
	s.exits(0, "verify")
	said("/ping/0")
	s.Green.Sicken(true)
	s.exits(1, "verify", "--quiet")
	said(append([]string{"/ping/1"}, twice("change WARNING blue >")...)...)
	s.exits(1, "verify")
	said("/ping/1")
	s.exits(3, "to", "green", "--dry-run")
	said()
	s.exits(3, "to", "green")
	said(twice("refused  blue blue>green")...)
	s.Green.Sicken(false)
	s.exits(0, "verify")
	said(append([]string{"/ping/0"}, twice("over OK blue >")...)...)
	s.exits(0, "to", "green")
	said(twice("switched  green blue>green")...)
	s.exits(0, "to", "green")
	said()
	said()
	s.Green.Sicken(true)
	s.exits(2, "verify", "--failover") // within the cooldown
	said(append([]string{"/ping/2"}, twice("change CRITICAL green >")...)...)
	s.set(strings.Replace(quick, "}", ", cooldown: 0s}", 1) + fmt.Sprintf("notify: {webhooks: [{url: %s/hook}]}\n", c.URL))
	s.exits(1, "verify", "--failover")
	said("failover WARNING blue green>blue")
}

// A broken switch is told as what it was.
func TestToldOfRollBack(t *testing.T) {
	t.Parallel()
	c := newChat(t)
	s := newVerifyStand(t, "")
	s.set(fmt.Sprintf("    confirm: {url: %q, blue: \"X-Color: blue\", green: \"X-Color: no such\"}\nnotify: {webhooks: [{url: %s/hook}]}\n", s.URL(), c.URL))
	s.exits(10, "to", "green")
	if diff := cmp.Diff([]string{"rolled back  blue blue>green"}, c.since()); diff != "" {
		t.Error(diff)
	}
}

// A channel that fails changes no exit code, and its secrets are nowhere.
func TestSecretsOfChannels(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	s := newVerifyStand(t, quick+fmt.Sprintf("notify: {webhooks: [{url: \"http://%[1]s/s3cret\", headers: {X-Key: s3cret}}], ping: \"http://%[1]s/s3cret\"}\n", closed.Addr()))
	s.Green.Sicken(true)
	out := s.exits(1, "verify", "--verbose")
	out += s.exits(1, "verify", "--json")
	s.Green.Sicken(false)
	out += s.exits(0, "to", "green", "--verbose", "--json")
	out += s.exits(0, "status", "--json") + s.exits(0, "history", "--json")
	for _, want := range []string{"cannot notify webhook 1 (" + closed.Addr().String() + "): ", "cannot notify ping (" + closed.Addr().String() + "): ", "connection refused"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	recorded := 0
	err = filepath.WalkDir(s.StateDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if entry.Name() == "notify.json" && bytes.Contains(text, []byte("connection refused")) {
			recorded++
		}
		out += string(text)
		return err
	})
	if err != nil || recorded != 2 {
		t.Errorf("%d channels are recorded, want the webhook and the ping; %v", recorded, err)
	}
	if i := strings.Index(out, "s3cret"); i >= 0 {
		t.Errorf("a secret: %s", out[max(0, i-200):min(len(out), i+100)])
	}
}

// People hear of it, also when nothing answers until the time is up.
func TestTimeIsLeftForTelling(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	c := newChat(t)
	s := newVerifyStand(t, "")
	s.set(fmt.Sprintf("  mute: {file: %s, blue: %s, green: %s, check: {timeout: 30s}}\nverify: {deadline: 8s}\nnotify: {webhooks: [{url: %s/hook}]}\n",
		s.Live, s.Blue.Addr, mute.Addr(), c.URL))
	s.exits(3, "verify", "--site", "mute")
	if diff := cmp.Diff([]string{"change UNKNOWN blue >"}, c.since()); diff != "" {
		t.Error(diff)
	}
}

// The run that is at work knows more than the one that overlaps it.
func TestOverlapLeavesTheMetrics(t *testing.T) {
	t.Parallel()
	s := newVerifyStand(t, "")
	metrics := filepath.Join(s.Dir, "bgswitch.prom")
	s.set(fmt.Sprintf("verify: {metrics_file: %s}\n", metrics))
	written := func(want bool) {
		t.Helper()
		if err := os.Remove(metrics); want != (err == nil) {
			t.Errorf("the metrics are there to be removed: %v, want %v", err, want)
		}
	}
	s.exits(0, "verify")
	written(true)
	held, err := statedir.Of(s.StateDir, "myapp").TryLock("verify.lock")
	if err != nil {
		t.Fatal(err)
	}
	s.exits(0, "verify")
	written(false)
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	s.exits(0, "verify")
	written(true)
}

// Sites whose backends do not answer do not wait for each other.
func TestManySites(t *testing.T) {
	t.Parallel()
	var asked, most atomic.Int64
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		defer asked.Add(-1)
		for now, peak := asked.Add(1), most.Load(); now > peak && !most.CompareAndSwap(peak, now); peak = most.Load() {
		}
		<-r.Context().Done()
	}))
	defer mute.Close()
	green := mute.Listener.Addr()
	s := newVerifyStand(t, "")
	var extra strings.Builder
	for i := range 49 {
		fmt.Fprintf(&extra, "  site%d: {file: %s, blue: %s, green: %s, check: {attempts: 1, timeout: 3s}}\n", i, s.Live, s.Blue.Addr, green)
	}
	s.set(extra.String() + "verify: {fall: 1, deadline: 40s}\n")
	together := func() { // one after the other there would be one at a time
		t.Helper()
		if n := most.Swap(0); n < 40 {
			t.Errorf("no more than %d of 49 were asked at the same time", n)
		}
	}
	out := s.exits(1, "verify")
	together()
	if n := strings.Count(out, "no way back: green "+green.String()+" no answer within 3s"); n != 49 {
		t.Errorf("%d of 49 sites are told of:\n%s", n, out)
	}
	shown := s.exits(0, "status")
	together()
	if names := siteNames.FindAllString(shown, -1); len(names) != 50 || !slices.IsSorted(names) {
		t.Errorf("the sites are not shown in their order: %v", names)
	}
	if strings.Count(out, "\n") != 1 || !strings.HasSuffix(strings.Fields(out)[len(strings.Fields(out))-1], "=U") {
		t.Errorf("not one line with data at its end: %s", out)
	}
}

var siteNames = regexp.MustCompile(`(?m)^\w+  `)

// Who interrupts has not found anything out.
func TestInterruptedLooks(t *testing.T) {
	t.Parallel()
	s := newVerifyStand(t, "")
	s.set(fmt.Sprintf("    confirm: {url: %q, blue: \"X-Color: blue\", green: \"X-Color: green\"}\n", s.URL()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		command, said string
		code          int
	}{
		{"status", "bgswitch: cannot see the state: interrupted\n", exitInterrupted},
		{"verify", "BGSWITCH UNKNOWN - myapp: interrupted before everything had answered | blue=U green=U\n", 3},
	} {
		var out bytes.Buffer
		if code := run(ctx, []string{"bgswitch", "--config", s.Settings, c.command}, &out, &out); code != c.code || out.String() != c.said {
			t.Errorf("%s exits %d: %s", c.command, code, &out)
		}
	}
}

func TestUnknownObject(t *testing.T) {
	t.Parallel()
	got := unknownObjectOf(usage("type less", "too much"))
	want := findingsObject{Schema: 1, Level: verify.Unknown, Exit: 3, Error: "wrong usage: too much", Hint: "type less", Sites: []findingObject{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if o := unknownObjectOf(errors.New("alone")); o.Hint != "" || o.Error != "alone" {
		t.Errorf("%+v", o)
	}
}

func TestInParallel(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	now, most, done := 0, 0, 0
	count := func(by int) {
		mutex.Lock()
		defer mutex.Unlock()
		if now += by; now > most {
			most = now
		}
		done += max(by, 0)
	}
	inParallel(3, 20, func(int) {
		count(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		<-ctx.Done()
		count(-1)
	})
	if done != 20 || most > 3 {
		t.Errorf("%d done, %d at the same time", done, most)
	}
}
