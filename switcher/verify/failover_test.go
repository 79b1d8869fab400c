package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/release"
	"bgswitch/switcher/statedir"
)

func failing(s *stand) { s.Options.Failover = true }

func ack(want bool) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		if got, err := s.Ack(s.t.Context()); got != want || err != nil {
			s.t.Fatalf("acknowledged: %v, %v, want %v", got, err, want)
		}
	}
}

func isLive(color switcher.Color, failovers int) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		app := map[switcher.Color]string{switcher.Blue: s.Blue.Addr, switcher.Green: s.Green.Addr}[color]
		if !strings.Contains(s.liveFile(), app) {
			s.t.Fatalf("%s is not live:\n%s", color, s.liveFile())
		}
		if got := len(s.records(command)); got != failovers {
			s.t.Fatalf("%d switches by verify are recorded, want %d", got, failovers)
		}
	}
}

// stays makes sure that the file and the traffic are a color's, and that what
// verify has tried was refused for something spoke against it.
func stays(color switcher.Color, tried int) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		isLive(color, tried)(s)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get(s.URL())
		if err != nil {
			s.t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("X-Color"); got != string(color) {
			s.t.Fatalf("%s answers, want %s", got, color)
		}
		for _, r := range s.records(command) {
			if switcher.Outcome(r.Outcome) != switcher.Blocked || r.Overrode != nil {
				s.t.Fatalf("recorded: %+v", r)
			}
		}
	}
}

func strict(s *stand) { s.Strict = true }

func blocked(color switcher.Color) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		by := statedir.Signature{Who: "alice", Host: "web1", Time: time.Now()}
		if _, err := s.Switcher.Block(s.t.Context(), color, "v43 dropped a column", time.Time{}, by); err != nil {
			s.t.Fatal(err)
		}
	}
}

func unblocked(color switcher.Color) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		if lifted, err := s.Switcher.Unblock(s.t.Context(), color, statedir.Signature{Time: time.Now()}); err != nil || len(lifted) != 1 {
			s.t.Fatalf("lifted %v, %v", lifted, err)
		}
	}
}

// database gives the database a version; green lives with 41 and 42.
func database(version string) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		has, needs := filepath.Join(s.Dir, "has"), filepath.Join(s.Dir, "needs")
		if err := errors.Join(os.WriteFile(has, []byte(version), 0o600), os.WriteFile(needs, []byte("41 42"), 0o600)); err != nil {
			s.t.Fatal(err)
		}
		need := switcher.Need{Source: release.Source{File: needs}}
		s.Switcher.Site.Schema = switcher.Schema{
			Database: release.Source{File: has}, Timeout: time.Minute,
			Needs: map[switcher.Color]switcher.Need{switcher.Blue: need, switcher.Green: need},
		}
	}
}

// torn leaves half of a file.
func (s *stand) torn(path string) {
	s.t.Helper()
	if err := os.Truncate(path, 40); err != nil {
		s.t.Fatal(err)
	}
}

// shared gives the live file's folder a mode.
func shared(mode os.FileMode) func(*stand) {
	return func(s *stand) { _ = os.Chmod(filepath.Dir(s.Live), mode) }
}

const failedOver = `^failed over from blue to green: \S+ status 503: "db down"; acknowledge it with .bgswitch verify --ack.$`

// Every row begins with both colors healthy for three runs and blue live.
func TestFailover(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]step{
		"off by default": {
			{"down", both(func(s *stand) { s.Options.Failover = false }, sick(blue)), Critical, "", ``, 2},
			{"reported", nil, Critical, EventChange, `UNHEALTHY`, 0},
			{"nothing is touched", nil, Critical, "", ``, 20},
			{"", isLive(switcher.Blue, 0), Critical, "", ``, 0},
		},
		"once, until acknowledged": {
			{"down", sick(blue), Critical, "", `bad answer`, 2},
			{"switched", nil, Warning, EventFailover, failedOver, 0},
			{"", isLive(switcher.Green, 1), Warning, "", `^green live \(200.*, no way back: blue .*, failed over from blue to green at \S+ \S+ \S+, not acknowledged`, 20},
			{"blue up", well(blue), Warning, "", `way back open: blue .*1 good answer, needs 2.*, failed over`, 0},
			{"back open", nil, Warning, EventChange, `way back open: blue .*, failed over`, 0},
			{"nothing new", nil, Warning, "", `way back open: blue .*, failed over`, 20},
			{"green down", sick(green), Critical, "", ``, 2},
			{"only warned", nil, Critical, EventChange, `^green is live and UNHEALTHY.*, no failover: the last one is not acknowledged$`, 0},
			{"still", nil, Critical, "", `no failover`, 20},
			{"acknowledged", both(isLive(switcher.Green, 1), ack(true)), Warning, EventFailover, `^failed over from green to blue: `, 0},
			{"", both(isLive(switcher.Blue, 2), ack(true)), Warning, EventChange, `no way back: green`, 0},
			{"nothing to acknowledge", both(ack(false), well(green)), OK, "", ``, 0},
			{"over", nil, OK, EventOver, `^blue live`, 0},
		},
		"a switch by hand acknowledges": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"switched", nil, Warning, EventFailover, failedOver, 0},
			{"blue up", well(blue), Warning, "", ``, 0},
			{"by hand, and something after it", func(s *stand) {
				s.byHand(switcher.Blue)
				s.Green.Sicken(true)
				_, _ = s.Switcher.Switch(s.t.Context(), switcher.Request{To: switcher.Green, Command: "to"}) // refused
				s.Green.Sicken(false)
				s.clock = time.Now() // as the records have it
			}, OK, EventOver, `^blue live`, 0},
			{"down again within the cooldown", sick(blue), Critical, "", ``, 2},
			{"held", nil, Critical, EventChange, `no failover: the last (one|switch) is less than 10m ago`, 0},
			{"after it", later(10 * time.Minute), Warning, EventFailover, failedOver, 0},
		},
		"cooldown after a switch by hand": {
			{"by hand", func(s *stand) { s.byHand(switcher.Green); s.byHand(switcher.Blue); s.clock = time.Now() }, OK, "", ``, 0},
			{"down", sick(blue), Critical, "", ``, 2},
			{"held", nil, Critical, EventChange, `no failover: the last switch is less than 10m ago`, 0},
			{"after it", later(8 * time.Minute), Warning, EventFailover, failedOver, 0},
		},
		"both down": {
			{"down", both(sick(blue), sick(green)), Critical, "", ``, 2},
			{"nothing is touched", nil, Critical, EventChange, `UNHEALTHY.*no way back`, 0},
			{"", nil, Critical, "", ``, 20},
			{"green up once", both(isLive(switcher.Blue, 0), well(green)), Critical, "", ``, 0},
			{"green up for good", nil, Warning, EventFailover, `^failed over from blue to green`, 0},
		},
		"idle flaps": {
			{"down", sick(blue), Critical, "", ``, 0},
			{"idle bad once", sick(green), Critical, "", ``, 0},
			{"idle good once: not enough", well(green), Critical, EventChange, `UNHEALTHY`, 0},
			{"twice", isLive(switcher.Blue, 0), Warning, EventFailover, failedOver, 0},
		},
		"nginx refuses the candidate": {
			{"broken", func(s *stand) { s.confd("other.conf", "frobnicate on;\n") }, Warning, EventChange, `no way back: nginx refuses`, 0},
			{"down", sick(blue), Critical, "", ``, 2},
			{"held", nil, Critical, EventChange, `no failover: the way back is not open`, 0},
			{"", isLive(switcher.Blue, 0), Critical, "", ``, 5},
			{"mended", func(s *stand) { s.confd("other.conf", "") }, Warning, EventFailover, failedOver, 0},
		},
		"the idle color is blocked": {
			{"blocked", blocked(switcher.Green), Warning, EventChange, `^blue by the file .*, green idle .*, no way back: green is blocked by alice on web1 since .+: v43 dropped a column$`, 0},
			{"down", sick(blue), Critical, "", `no way back: green is blocked by alice`, 2},
			{"held", nil, Critical, EventChange, `no way back: green is blocked by .+, no failover: the way back is not open`, 0},
			{"", stays(switcher.Blue, 0), Critical, "", ``, 5},
			{"lifted", unblocked(switcher.Green), Warning, EventFailover, failedOver, 0},
		},
		"blocked in the last moment": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"refused", inTheLastMoment(blocked(switcher.Green)), Critical, EventFailover, `a failover from blue to green was refused at .*: cannot go to green: green is blocked by alice on web1 `, 0},
			{"", stays(switcher.Blue, 1), Critical, EventChange, `no way back: green is blocked by alice`, 0},
		},
		"nobody knows of blocks": {
			{"torn", func(s *stand) { blocked(switcher.Green)(s); s.torn(s.Switcher.State.BlocksPath()) }, Warning, EventChange, `no way back: it is unknown whether green is blocked: \S+blocks.json: unexpected end of JSON input$`, 0},
			{"down", sick(blue), Critical, "", ``, 2},
			{"held", nil, Critical, EventChange, `no failover: the way back is not open`, 0},
			{"", stays(switcher.Blue, 0), Critical, "", ``, 0},
		},
		"the database has moved on": {
			{"43", database("43"), Warning, EventChange, `no way back: green can live with schema 41 to 42 \(/\S+\), but the database has 43 \(/\S+\)$`, 0},
			{"down", sick(blue), Critical, "", ``, 2},
			{"held", nil, Critical, EventChange, `no failover: the way back is not open`, 0},
			{"", stays(switcher.Blue, 0), Critical, "", ``, 0},
			{"fits", database("42"), Warning, EventFailover, failedOver, 0},
		},
		"the database moves on in the last moment": {
			{"down", both(database("42"), sick(blue)), Critical, "", ``, 2},
			{"refused", inTheLastMoment(database("43")), Critical, EventFailover, `was refused at .*: cannot go to green: green can live with schema 41 to 42 `, 0},
			{"", stays(switcher.Blue, 1), Critical, EventChange, `no way back: green can live with`, 0},
		},
		"the live color is blocked": {
			{"for later", blocked(switcher.Blue), OK, "", `way back open`, 2},
			{"down", sick(blue), Critical, "", ``, 2},
			{"left", nil, Warning, EventFailover, failedOver, 0},
			{"and nobody goes back", well(blue), Warning, EventChange, `no way back: blue is blocked by alice`, 0},
		},
		"a folder that others may write": {
			{"only named", shared(0o777), OK, "", `way back open`, 0},
			{"refused", strict, Warning, EventChange, `no way back: others may write \S+ \(mode 0777\)$`, 0},
			{"down", sick(blue), Critical, "", `no way back: others may write`, 2},
			{"held", nil, Critical, EventChange, `no failover: the way back is not open`, 0},
			{"", isLive(switcher.Blue, 0), Critical, "", ``, 0},
			{"mended", shared(0o755), Warning, EventFailover, failedOver, 0},
		},
		"refused, and tried again after the cooldown": {
			{"down", both(strict, sick(blue)), Critical, "", ``, 2},
			{"refused", inTheLastMoment(shared(0o777)), Critical, EventFailover, `a failover from blue to green was refused at .*: cannot read the live file: others may write \S+ `, 0},
			{"nothing new", shared(0o755), Critical, "", `was refused at .*, no failover: the last one is less than 10m ago`, 9},
			{"tried again: no news", inTheLastMoment(shared(0o777)), Critical, "", `was refused`, 0},
			{"mended", shared(0o755), Critical, "", ``, 9},
			{"after the cooldown", nil, Warning, EventFailover, failedOver, 0},
		},
		"refused, and over when blue is up": {
			{"down", both(strict, sick(blue)), Critical, "", ``, 2},
			{"refused", inTheLastMoment(shared(0o777)), Critical, EventFailover, `refused`, 0},
			{"up", both(shared(0o755), well(blue)), Warning, "", `1 good answer, needs 2.*was refused`, 0},
			{"over", nil, OK, EventOver, `way back open`, 0},
		},
		"switched by hand in the last moment": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"overtaken", inTheLastMoment(func(s *stand) { s.byHand(switcher.Green) }), Warning, EventChange, `^green live \(200.*no way back: blue`, 0},
			{"", isLive(switcher.Green, 0), Warning, "", ``, 3},
		},
		"switched there and back in the last moment": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"overtaken", inTheLastMoment(func(s *stand) { s.byHand(switcher.Green); s.byHand(switcher.Blue); s.clock = time.Now() }),
				Critical, EventChange, `UNHEALTHY`, 0},
			{"", isLive(switcher.Blue, 0), Critical, "", `no failover: the last switch is less than 10m ago$`, 3},
			{"after the cooldown", later(10 * time.Minute), Warning, EventFailover, failedOver, 0},
		},
		"the same from another state folder": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"overtaken", inTheLastMoment(func(s *stand) { s.elsewhere(switcher.Green); s.elsewhere(switcher.Blue); s.clock = time.Now() }),
				Critical, EventChange, `UNHEALTHY`, 0},
			{"", isLive(switcher.Blue, 0), Critical, "", `no failover: the live file was changed less than 10m ago$`, 3},
			{"after the cooldown", later(10 * time.Minute), Warning, EventFailover, failedOver, 0},
		},
		"edited by hand in the last moment": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"overtaken", inTheLastMoment(func(s *stand) { s.edit(nginxtest.LiveFile(s.Blue.Addr) + "# mine\n"); s.clock = time.Now() }), Critical, EventChange, `UNHEALTHY`, 0},
			{"", isLive(switcher.Blue, 0), Critical, "", `no failover: the live file was changed less than 10m ago$`, 0},
		},
		"somebody takes the lock in the last moment": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"overtaken", inTheLastMoment(func(s *stand) { s.held = s.lockNow() }), Critical, EventChange, `a switch is at work$`, 0},
			{"no attempt is remembered", isLive(switcher.Blue, 0), Critical, "", `a switch is at work, no failover: the switch decides`, 0},
			{"let go", func(s *stand) { _ = s.held.Close() }, Warning, EventFailover, failedOver, 0},
		},
		"only after fall": {
			{"begun anew while blue is down", both(sick(blue), func(s *stand) { s.remembered("{") }), Critical, EventChange, `UNHEALTHY`, 0},
			{"still", nil, Critical, "", `UNHEALTHY`, 0},
			{"the third time", isLive(switcher.Blue, 0), Warning, EventFailover, failedOver, 0},
		},
		"memory lost after a failover": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"switched", nil, Warning, EventFailover, failedOver, 0},
			{"lost", func(s *stand) { s.remembered("{") }, Warning, EventChange, `failed over from blue to green at .*not acknowledged`, 0},
			{"turned", both(well(blue), sick(green)), Critical, "", ``, 0},
			{"", nil, Critical, EventChange, `way back open`, 0},
			{"", later(time.Hour), Critical, EventChange, `no failover: the last one is not acknowledged`, 0},
			{"", isLive(switcher.Green, 1), Critical, "", ``, 0},
		},
		"clock set back after a failover": {
			{"down", sick(blue), Critical, "", ``, 2},
			{"switched", nil, Warning, EventFailover, failedOver, 0},
			{"a year back", both(later(-365*24*time.Hour), ack(true)), Warning, EventChange, `^green live \(200 in [0-9.]+ ms\), no way back: blue \S+ status 503: "db down"$`, 0},
			{"the other down", both(sick(green), well(blue)), Critical, "", ``, 0},
			{"", nil, Critical, "", ``, 0},
			{"within the cooldown", nil, Critical, EventChange, `no failover: the last one is less than 10m ago`, 0},
			{"after it", later(10 * time.Minute), Warning, EventFailover, `^failed over from green to blue`, 0},
			{"", isLive(switcher.Blue, 2), Warning, "", `not acknowledged`, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t)
			failing(s)
			three := allWell
			three.times = 3
			s.play(append([]step{three}, steps...))
		})
	}
}

// inTheLastMoment has something happen between the look and the switch.
func inTheLastMoment(do func(*stand)) func(*stand) {
	return func(s *stand) {
		var once sync.Once
		s.Now = func() time.Time {
			once.Do(func() { do(s) })
			return s.clock
		}
	}
}

// elsewhere switches as a person would whose settings name another state folder.
func (s *stand) elsewhere(to switcher.Color) {
	other := *s.Switcher
	other.State.Path += ".other"
	other.Site.Confirm = nil
	s.by(&other, to)
}

// What is recorded of a failover, and what the run itself found of it.
func TestFailoverRecord(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	failing(s)
	s.play([]step{allWell, allWell, {"down", sick(blue), Critical, "", ``, 2}})
	f := s.run()
	if f.Event != EventFailover || f.Switched == nil || f.Switched.Outcome != switcher.Done {
		t.Fatalf("%s: %s", f.Event, f.Text)
	}
	records := s.records(command)
	if len(records) != 1 || records[0].Who != "bgswitch verify" {
		t.Fatalf("%+v", records)
	}
	const reason = `^blue failed 3 times in a row: \S+ status 503: "db down"; green is healthy \(200 in [0-9.]+ ms\)$`
	if !regexp.MustCompile(reason).MatchString(string(records[0].Reason)) {
		t.Errorf("reason %q, want %s", records[0].Reason, reason)
	}
	if f.Status.Live != switcher.Green || f.Memory.Totals.Failovers != 1 || f.Memory.Totals.Switches != 1 || f.WayOpen == nil || *f.WayOpen {
		t.Errorf("live %s, totals %+v, way back %v", f.Status.Live, f.Memory.Totals, f.WayOpen)
	}
}

// A run that is killed in the middle of its switch leaves no second one.
func TestFailoverBegun(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	failing(s)
	s.play([]step{allWell, allWell, {"down", sick(blue), Critical, "", ``, 2}})
	m, _ := remember(s.Switcher.State)
	m.Failover = &Failover{Time: s.clock, From: switcher.Blue, To: switcher.Green, Outcome: begun}
	if err := m.keep(s.Switcher.State); err != nil {
		t.Fatal(err)
	}
	s.play([]step{{"next", nil, Critical, EventChange, `was interrupted; outcome unknown, not acknowledged.*, no failover: the last one is not acknowledged`, 0}})
	isLive(switcher.Blue, 0)(s)
}

// That a failover has begun is remembered before anything changes.
func TestFailoverBegunIsKept(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	failing(s)
	seen := filepath.Join(s.Dir, "seen")
	s.Switcher.Nginx.Reload = []string{"/bin/sh", "-c", fmt.Sprintf("cp %s %s; kill -HUP %d", filepath.Join(s.Switcher.State.Path, memoryFile), seen, s.PID)}
	s.play([]step{allWell, allWell, {"down", sick(blue), Critical, "", ``, 2}, {"switched", nil, Warning, EventFailover, failedOver, 0}})
	text, err := os.ReadFile(seen)
	if err != nil || !strings.Contains(string(text), `"outcome":"begun"`) {
		t.Errorf("in the middle %s was remembered, %v", text, err)
	}
}

// What cannot be remembered is not done.
func TestFailoverNotRemembered(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	failing(s)
	s.play([]step{allWell, allWell, {"down", sick(blue), Critical, "", ``, 2}})
	if err := os.MkdirAll(filepath.Join(s.Switcher.State.Path, "."+memoryFile+".new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := s.run()
	if f.Level != Critical || f.Switched != nil || !strings.Contains(f.Text, "no failover: it could not be recorded: ") {
		t.Errorf("%s: %s", f.Level, f.Text)
	}
	if len(f.Notes) == 0 {
		t.Error("no note")
	}
	isLive(switcher.Blue, 0)(s)
}

// A run that the next one will not know of, and that may not be the only one,
// does nothing.
func TestFailoverNotLasting(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	failing(s)
	s.play([]step{allWell})
	if err := os.MkdirAll(filepath.Join(s.Switcher.State.Path, verifyLock), 0o700); err != nil { // a folder in the lock's place
		t.Fatal(err)
	}
	s.Blue.Sicken(true)
	s.play([]step{
		{"down, and not dampened by what was", nil, Critical, EventChange, `^blue is live and UNHEALTHY`, 2},
		{"thought enough", func(s *stand) { s.Options.Fall, s.Options.Rise = 1, 1 }, Critical, EventChange, `no failover: it could not be recorded`, 0},
	})
	isLive(switcher.Blue, 0)(s)
}

// What had no time to answer says nothing, and nobody fails over for it.
func TestFailoverUnasked(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Options.Fall, s.Options.Rise = 1, 1
	s.Switcher.Site.Confirm = s.confirm()
	s.play([]step{allWell, {"down", sick(blue), Critical, EventChange, `UNHEALTHY`, 0}})
	failing(s)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	f := s.Run(ctx)
	if f.Level != Unknown || f.Switched != nil || !strings.Contains(f.Text, "no failover: not everything answered") || f.Memory.Streaks["answers"].Bad != 0 {
		t.Errorf("%s: %s, %+v", f.Level, f.Text, f.Memory.Streaks)
	}
	s.play([]step{{"asked", nil, Warning, EventFailover, failedOver, 0}})
}

// A run under way is waited for.
func TestAckWaits(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.play([]step{allWell})
	m, _ := remember(s.Switcher.State)
	m.Failover = &Failover{Time: s.clock, From: switcher.Blue, To: switcher.Green, Outcome: switcher.Done}
	if err := m.keep(s.Switcher.State); err != nil {
		t.Fatal(err)
	}
	held, err := s.Switcher.State.TryLock(verifyLock)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		got, err := s.Ack(t.Context())
		if !got {
			err = errors.Join(err, errors.New("nothing was acknowledged"))
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(3 * ackRetry):
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
