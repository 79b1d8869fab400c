package verify

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
)

var allWell = step{name: "all well", text: `^blue live \(200 in \d+\.\d ms\), way back open: green \(200 in \d+\.\d ms\)$`}

// Every row begins with both colors healthy and blue live; fall is 3, rise 2.
func TestTransitions(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]step{
		"live color down and up": {
			{"down", sick(blue), Critical, "", `^blue is live and UNHEALTHY: \S+ status 503: "db down" \(1 bad answer, down at 3\), way back open`, 0},
			{"still", nil, Critical, "", `2 bad answers, down at 3`, 0},
			{"too long", nil, Critical, EventChange, `^blue is live and UNHEALTHY: \S+ status 503: "db down", way back open`, 0},
			{"nothing new", nil, Critical, "", `^blue is live and UNHEALTHY`, 10},
			{"after six hours", later(6 * time.Hour), Critical, EventReminder, `^blue is live and UNHEALTHY.*, for 6h11m now$`, 0},
			{"nothing new again", nil, Critical, "", `status 503`, 3},
			{"up", well(blue), OK, "", `^blue live \(200 in .*\) \(1 good answer, needs 2\), way back`, 0},
			{"for good", nil, OK, EventOver, `^blue live \(200 in .*, over after 6h16m$`, 0},
			{"quiet", nil, OK, "", `ms\)$`, 5},
		},
		"idle color down and up": {
			{"down", sick(green), Warning, "", `^blue live \(200 in \d+\.\d ms\), no way back: green 127.0.0.1:\d+ status 503: "db down" \([12] bad answers?, down at 3\)$`, 2},
			{"too long", nil, Warning, EventChange, `^blue live \(200 in \d+\.\d ms\), no way back: green 127.0.0.1:\d+ status 503: "db down"$`, 0},
			{"gone", func(s *stand) { _ = s.Green.Stop() }, Warning, "", `, no way back: green 127.0.0.1:\d+ connection (refused|closed without an answer)$`, 3},
		},
		"flapping below the thresholds": {
			{"twice bad", sick(blue), Critical, "", `bad answer`, 2},
			{"once good", well(blue), OK, "", `200 in`, 0},
			{"twice bad again", sick(blue), Critical, "", `bad answer`, 2},
			{"once good again", well(blue), OK, "", `200 in`, 0},
			{"idle as well", sick(green), Warning, "", `bad answer`, 2},
			{"and good", well(green), OK, "", `way back open`, 3},
		},
		"flapping while down": {
			{"down", sick(blue), Critical, "", `bad answer`, 2},
			{"reported", nil, Critical, EventChange, `UNHEALTHY`, 0},
			{"once good", well(blue), OK, "", `1 good answer, needs 2`, 0},
			{"bad", sick(blue), Critical, "", `status 503`, 0},
			{"once good again", well(blue), OK, "", `1 good answer, needs 2`, 0},
			{"up", nil, OK, EventOver, `over after 4m$`, 0},
		},
		"both down": {
			{"down", both(sick(blue), sick(green)), Critical, "", `^blue is live and UNHEALTHY: .*, no way back: green .*bad answer`, 2},
			{"reported", nil, Critical, EventChange, `^blue is live and UNHEALTHY: .*, no way back: green `, 0},
			{"nothing new", nil, Critical, "", ``, 5},
			{"green up", well(green), Critical, "", `UNHEALTHY.*way back open: green .* \(1 good answer, needs 2\)`, 0},
			{"less bad", nil, Critical, EventChange, `^blue is live and UNHEALTHY: .*, way back open: green`, 0},
			{"blue up", well(blue), OK, "", `1 good answer, needs 2`, 0},
			{"over", nil, OK, EventOver, `, over after 9m$`, 0},
		},
		"drift appears and goes": {
			{"switched by hand", func(s *stand) { s.byHand(switcher.Blue) }, OK, "", `^blue live \(200`, 0},
			{"edited by hand", func(s *stand) { s.edit(nginxtest.LiveFile(s.Green.Addr)) }, Warning, EventChange,
				`^green by the file \(200.*, way back open: blue .*, the file says green, but the running nginx has not loaded it: `, 0},
			{"nothing new", nil, Warning, "", `not loaded`, 2},
			{"reloaded", (*stand).reload, OK, EventOver, `^green by the file .*, it is unknown whether nginx has loaded it, over after 3m$`, 0},
		},
		"candidate refused": {
			{"broken", func(s *stand) { s.confd("other.conf", "frobnicate on;\n") }, Warning, EventChange,
				`^blue by the file \(200.*\), green idle \(200.*\), it is unknown whether nginx has loaded it, no way back: nginx refuses the configuration: .*frobnicate`, 0},
			{"nothing new", nil, Warning, "", `frobnicate`, 2},
			{"mended", func(s *stand) { s.confd("other.conf", "") }, OK, EventOver, `way back open`, 0},
		},
		"file not understood": {
			{"two words", func(s *stand) { s.edit("upstream myapp { server 127.0.0.1:1; }\n") }, Unknown, EventChange, `^the live color is unknown: `, 0},
			{"gone", func(s *stand) { _ = os.Remove(s.Live) }, Unknown, "", `no such file`, 0},
			{"mended", func(s *stand) { s.edit(nginxtest.LiveFile(s.Blue.Addr)); s.reload() }, OK, EventOver, `^blue by the file`, 0},
		},
		"nginx stopped": {
			{"stopped", func(s *stand) { _ = s.Nginx.Stop() }, Critical, EventChange, `^nginx is not running.*; the file says blue, blue by the file \(200.*, green idle`, 0},
			{"nothing new", nil, Critical, "", ``, 2},
		},
		"switched by hand while down": {
			{"down", sick(blue), Critical, "", `bad answer`, 2},
			{"reported", nil, Critical, EventChange, `UNHEALTHY`, 0},
			{"switched", func(s *stand) { s.byHand(switcher.Green) }, Warning, EventChange, `^green live \(200.*, no way back: blue `, 0},
			{"mended", well(blue), OK, "", `way back open: blue .*1 good answer, needs 2`, 0},
			{"over", nil, OK, EventOver, `, over after 3m$`, 0},
		},
		"clock set back": {
			{"down", sick(blue), Critical, "", `bad answer`, 2},
			{"reported", nil, Critical, EventChange, `UNHEALTHY`, 0},
			{"a day back", later(-24 * time.Hour), Critical, "", `UNHEALTHY`, 0},
			{"reminded all the same", later(6 * time.Hour), Critical, EventReminder, `, for 6h1m now$`, 0},
			{"up", well(blue), OK, "", `1 good answer, needs 2`, 0},
			{"over", nil, OK, EventOver, `, over after 6h3m$`, 0},
		},
		"state torn": {
			{"down", sick(green), Warning, "", `bad answer`, 2},
			{"reported", nil, Warning, EventChange, `no way back`, 0},
			{"torn: told anew", func(s *stand) { s.remembered(`{"schema":1,"stre`) }, Warning, EventChange, `no way back`, 0},
			{"nothing new", nil, Warning, "", `no way back`, 2},
			{"well, then torn", both(well(green), func(s *stand) { s.remembered("\x00\x00") }), OK, "", `way back open`, 0},
		},
		"state of another version": {
			{"later", func(s *stand) {
				s.remembered(`{"schema":99,"level":"CRITICAL","streaks":{"blue":{"up":false,"bad":9}}}`)
			}, OK, "", `^blue live \(200`, 0},
			{"then as ever", sick(blue), Critical, "", `1 bad answer, down at 3`, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newStand(t).play(append([]step{allWell}, steps...))
		})
	}
}

// confd writes, or takes away, another file that nginx includes.
func (s *stand) confd(name, text string) {
	s.t.Helper()
	path := filepath.Join(filepath.Dir(s.Live), name)
	err := os.WriteFile(path, []byte(text), 0o644)
	if text == "" {
		err = os.Remove(path)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// The first answer of all is believed at once.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Blue.Sicken(true)
	s.play([]step{{"first", nil, Critical, EventChange, `^blue is live and UNHEALTHY`, 0}, {"second", nil, Critical, "", ``, 0}})
}

// What comes through nginx is dampened, too.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Switcher.Site.Confirm = s.confirm()
	other := *s.Switcher.Site.Confirm
	nobody := switcher.Confirm{URL: health.MustParseURL("http://" + s.Addr + "/"), Host: "x", Marks: map[switcher.Color]switcher.Mark{switcher.Blue: "no such mark", switcher.Green: "nor this"}}
	s.play([]step{
		allWell,
		{"the mark is gone", func(s *stand) { s.Switcher.Site.Confirm = &nobody }, Critical, "", `^neither color answers through nginx: status 200.*, blue by the file .*, green idle `, 2},
		{"reported", nil, Critical, EventChange, `^neither color answers through nginx: status 200`, 0},
		{"back", func(s *stand) { s.Switcher.Site.Confirm = &other }, OK, "", `^blue live`, 0},
		{"over", nil, OK, EventOver, `over after 2m`, 0},
		{"edited by hand", func(s *stand) { s.edit(nginxtest.LiveFile(s.Green.Addr)) }, Warning, EventChange, `blue answers through nginx`, 0},
	})
}

// A switch that nobody could confirm would be rolled back, whichever color is
// well.
func TestNobodyToConfirm(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	s.play([]step{allWell, allWell})
	s.Switcher.Site.Confirm = s.confirm()
	s.Switcher.Site.Confirm.URL = health.MustParseURL(gone.URL)
	const nobody = `^neither color answers through nginx, and a switch would be rolled back: connection refused, blue `
	s.play([]step{
		{"nobody there", nil, Critical, EventChange, nobody + `by the file .*, green idle \(200`, 0},
		{"down", both(failing, sick(blue)), Critical, "", nobody + `by the file and UNHEALTHY: .*, green idle `, 2},
		{"held", nil, Critical, EventChange, `, no failover: the way back is not open$`, 0},
		{"", isLive(switcher.Blue, 0), Critical, "", ``, 0},
	})
}

// A switch at work is no alarm, and what cannot be judged meanwhile is not over.
func TestLockHeld(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	take := func(s *stand) { s.held = s.lockNow() }
	s.play([]step{
		allWell,
		{"taken", take, OK, "", `^blue by the file \(200.*\), green idle \(200.*\), a switch is at work$`, 5},
		{"for too long", later(20 * time.Minute), Warning, EventChange, `no way back: another bgswitch has been at work for \d+m: process \d+ \(to\)`, 0},
		{"let go", func(s *stand) { _ = s.held.Close() }, OK, EventOver, `way back open`, 0},
		{"broken", func(s *stand) { s.confd("other.conf", "frobnicate on;\n") }, Warning, EventChange, `frobnicate`, 0},
		{"taken again", take, Warning, "", `frobnicate.*, a switch is at work$`, 2},
		{"let go again", func(s *stand) { _ = s.held.Close() }, Warning, "", `frobnicate`, 0},
		{"mended", func(s *stand) { s.confd("other.conf", "") }, OK, EventOver, `way back open`, 0},
		{"taken, and nginx stopped: no switch does that", both(take, func(s *stand) { _ = s.Nginx.Stop() }), Critical, EventChange,
			`^nginx is not running.*; the file says blue, blue by the file .*, green idle .*, a switch is at work$`, 0},
		{"nothing new", nil, Critical, "", `^nginx is not running[^,]*; the file says blue, blue by the file`, 2},
		{"let go once more", func(s *stand) { _ = s.held.Close() }, Critical, "", `nginx is not running`, 0},
	})
}

func TestLockHeldIsNotOpen(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	held, err := s.Switcher.Lock(t.Context(), 0, "to")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if f := s.run(); f.WayOpen != nil {
		t.Errorf("the way back is open: %v, want unknown", *f.WayOpen)
	}
}

// Two runs that overlap do not pile up: the second says what the last one said.
func TestOverlap(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Green.Sicken(true)
	s.run()
	asked := s.Blue.Asked()
	s.Now = nil // the lock knows no other clock
	release := s.verifying()
	f := s.Run(t.Context())
	if !f.Overlaps || f.Level != Warning || f.Event != "" || f.Text != "another verify is running; the last one said WARNING" {
		t.Errorf("%+v", f)
	}
	if s.Blue.Asked() != asked {
		t.Error("it asked all the same")
	}
	release()
	if f := s.Run(t.Context()); f.Overlaps {
		t.Error("the lock was not let go")
	}
}

// A run that does not end hides no outage: what the last one said is repeated
// for as long as a run may take.
func TestOverlapForEver(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Options.Failover = true
	s.play([]step{allWell, allWell})
	release := s.verifying()
	does := fmt.Sprintf(`another verify does not end: process %d \(verify.lock\), since `, os.Getpid())
	s.play([]step{
		{"well", nil, Warning, EventChange, `^blue live \(200 .*, way back open: .*, ` + does, 2},
		{"down, and not told in vain", sick(blue), Critical, EventChange, `^blue is live and UNHEALTHY: .*, ` + does, 4},
		{"well again", well(blue), Warning, EventChange, does, 0},
	})
	release()
	s.play([]step{allWell, {"down", sick(blue), Critical, "", `1 bad answer, down at 3`, 0}})
}

// verifying holds the lock of a run.
func (s *stand) verifying() (release func()) {
	s.t.Helper()
	held, err := s.Switcher.State.TryLock(verifyLock)
	if err != nil {
		s.t.Fatal(err)
	}
	return func() {
		s.t.Helper()
		if err := held.Release(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// A state folder that cannot be written is no reason not to look.
func TestForgetful(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Options.Failover, s.Options.Fall, s.Options.Rise = true, 1, 1
	if err := os.WriteFile(s.StateDir, nil, 0o600); err != nil { // a file in the folder's place
		t.Fatal(err)
	}
	for range 2 {
		f := s.run()
		if len(f.Notes) == 0 || f.Status.Live != switcher.Blue || f.Status.Colors[switcher.Green] == nil {
			t.Fatalf("%s: %s, notes %q", f.Level, f.Text, f.Notes)
		}
	}
	before := s.liveFile()
	s.Blue.Sicken(true)
	f := s.run()
	if f.Level != Critical || f.Event != EventChange || s.liveFile() != before || f.Switched != nil {
		t.Errorf("%s, %q: %s", f.Level, f.Event, f.Text)
	}
}

// A run that has nothing new to keep leaves its time, and nothing else.
func TestEachRunLeavesItsTime(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	if last, err := LastRun(s.Switcher.State); err != nil || !last.IsZero() {
		t.Fatalf("before the first: %v, %v", last, err)
	}
	for range 3 { // until the streaks have settled
		s.run()
	}
	path := filepath.Join(s.Switcher.State.Path, memoryFile)
	before, err := os.ReadFile(path)
	longAgo := time.Now().Add(-time.Hour)
	if err != nil || os.Chtimes(path, longAgo, longAgo) != nil {
		t.Fatal(err)
	}
	s.run()
	after, _ := os.ReadFile(path)
	if last, err := LastRun(s.Switcher.State); err != nil || time.Since(last) > 30*time.Minute || string(after) != string(before) {
		t.Errorf("last run %v, %v; it holds\n%s, before\n%s", last, err, after, before)
	}
}
