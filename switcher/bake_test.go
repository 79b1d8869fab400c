package switcher_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/release"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"
)

// bakery is a stand whose green color bakes.
type bakery struct {
	*stand
	bake switcher.Bake
	log  string // an access log
}

func newBakery(t *testing.T, site *stand) *bakery {
	t.Helper()
	b := &bakery{stand: site, bake: switcher.DefaultBake(), log: filepath.Join(site.Dir, "site.log")}
	b.bake.For, b.bake.Interval, b.bake.Fall, b.bake.MinRequests = time.Hour, 100*time.Millisecond, 2, 10
	b.Switcher.Site.Hooks.Timeout = time.Minute
	marks := map[switcher.Color]switcher.Mark{switcher.Blue: "X-Color: blue", switcher.Green: "X-Color: green"}
	b.Switcher.Site.Confirm = &switcher.Confirm{URL: health.MustParseURL(site.URL()), Marks: marks}
	return b
}

// begin switches to a color that bakes from then on.
func (b *bakery) begin(color switcher.Color) *switcher.Baker {
	b.t.Helper()
	result, err := b.Switch(b.t.Context(), switcher.Request{To: color, Handover: nginx.HandoverFast, Command: "to", Who: "test", Bake: &b.bake})
	if err != nil || result.Baker == nil {
		b.t.Fatalf("%s does not bake: %+v, %v", color, result, err)
	}
	if is := b.Baking(); is == nil || is.CutOff() || is.To != color || is.Holder.PID != os.Getpid() {
		b.t.Errorf("the state folder tells of %v", is)
	}
	if last := b.newest(); last.Bake == nil || last.Bake.Outcome != statedir.BakeBegun {
		b.t.Errorf("the record is %+v", last.Bake)
	}
	return result.Baker
}

// until bakes; once something was seen, something is done, once.
func (b *bakery) until(baker *switcher.Baker, seen func(switcher.BakeLook) bool, do func(stop func())) switcher.Baked {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.t.Context(), 2*nginxtest.Patience)
	defer stop()
	did := false
	baked := baker.Bake(ctx, func(look switcher.BakeLook) {
		if !did && seen(look) {
			did = true
			do(stop)
		}
	})
	if !did {
		b.t.Errorf("it ended before it was seen: %+v", baked)
	}
	return baked
}

func asked(n int) func(switcher.BakeLook) bool {
	return func(look switcher.BakeLook) bool { return look.Questions >= n }
}

func (b *bakery) newest() statedir.Record {
	b.t.Helper()
	last, err := b.State.Newest()
	if err != nil || last == nil {
		b.t.Fatal(last, err)
	}
	return *last
}

// records are those so far, the newest first, as `command outcome`.
func (b *bakery) records(want ...string) []statedir.Record {
	b.t.Helper()
	records, err := b.State.History(0, nil)
	var got []string
	for _, r := range records {
		bake := ""
		if r.Bake != nil {
			bake = " " + r.Bake.Outcome
		}
		got = append(got, fmt.Sprintf("%s %s %s%s", r.Command, r.To, r.Outcome, bake))
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Fatalf("the records are %q, %v, want %q", got, err, want)
	}
	return records
}

// stands makes sure of the live file's bytes, of the traffic, and that nothing bakes.
func (b *bakery) stands(color switcher.Color) {
	b.t.Helper()
	addr := map[switcher.Color]string{switcher.Blue: b.Blue.Addr, switcher.Green: b.Green.Addr}[color]
	if got := b.live(); got != nginxtest.LiveFile(addr) {
		b.t.Errorf("the live file is\n%s", got)
	}
	if _, err := os.Lstat(filepath.Join(b.State.Path, "bake.lock")); !errors.Is(err, os.ErrNotExist) || b.Baking() != nil {
		b.t.Errorf("something bakes still: %v, %v", b.Baking(), err)
	}
	if beside, _ := filepath.Glob(filepath.Join(filepath.Dir(b.Live), ".*")); len(beside) > 0 {
		b.t.Errorf("beside the live file stand %v", beside)
	}
}

func outcomeOf(err error) switcher.Outcome {
	var failed *switcher.Error
	if errors.As(err, &failed) {
		return failed.Outcome
	}
	return ""
}

func trafficOf(err error) string {
	var failed *switcher.Error
	if errors.As(err, &failed) {
		return failed.Traffic
	}
	return ""
}

// A color that is well when the time is up has baked.
func TestBakePasses(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	b.bake.For = 300 * time.Millisecond
	b.bake.Command = []string{"/bin/sh", "-c", "echo $BGSWITCH_EVENT $BGSWITCH_LIVE $BGSWITCH_FROM >>" + b.Dir + "/ran"}
	baked := b.until(b.begin(switcher.Green), asked(1), func(func()) {})
	if baked.Err != nil || baked.Return != nil || len(baked.Notes) > 0 {
		t.Errorf("it ends with %+v", baked)
	}
	r := b.records("to green done passed")[0]
	if r.Bake.Questions == 0 || r.Bake.Failed != 0 || r.Bake.Requests != nil || r.Bake.TookMS == nil || *r.Bake.TookMS < 300 || r.Bake.Error != "" {
		t.Errorf("the record is %+v", r.Bake)
	}
	if ran, err := os.ReadFile(b.Dir + "/ran"); err != nil || !strings.HasPrefix(string(ran), "bake green blue\n") {
		t.Errorf("the command was told %q, %v", ran, err)
	}
	b.stands(switcher.Green)
	b.answers(switcher.Green, 5)
}

// A color that fails is left, whatever shows it: the same bytes are back, with the
// same proof, and the records say why.
func TestBakeGoesBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set   func(*bakery)
		fails func(*bakery)
		why   string
	}{
		"asked directly":      {func(*bakery) {}, func(b *bakery) { b.Green.Sicken(true) }, "green failed 2 times in a row: GET http://%s/: status 503: \"db down\""},
		"asked through nginx": {func(b *bakery) { b.Switcher.Site.URLs = healthyURLs(b) }, func(b *bakery) { b.Green.Sicken(true) }, "green failed 2 times in a row: through nginx: status 503"},
		"it hangs":            {func(b *bakery) { b.Switcher.Site.Check.Timeout = 200 * time.Millisecond }, func(b *bakery) { b.Green.Mute(true) }, "green failed 2 times in a row: GET http://%s/: no answer within"},
		"the access log": {func(b *bakery) { b.bake.AccessLog = b.log; b.writeLog(200, 10) },
			func(b *bakery) { b.writeLog(200, 18); b.writeLog(502, 2) }, "2 of 20 requests since the switch were answered with 5xx: 10%%, more than 5%%"},
		"the command": {func(b *bakery) {
			b.bake.Command = []string{"/bin/sh", "-c", "[ ! -e " + b.Dir + "/broken ] || { echo no orders; exit 3; }"}
		}, func(b *bakery) { b.touch("broken") }, "the command of the bake failed: /bin/sh: exit status 3: no orders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBakery(t, newStand(t, nginxtest.Options{}))
			test.set(b)
			baked := b.until(b.begin(switcher.Green), asked(2), func(func()) { test.fails(b) })
			why := test.why
			if strings.Contains(why, "%s") {
				why = fmt.Sprintf(why, b.Green.Addr)
			} else {
				why = strings.ReplaceAll(why, "%%", "%")
			}
			if outcomeOf(baked.Err) != switcher.WentBack || !strings.HasPrefix(baked.Err.Error(), "cannot keep green live: "+why) {
				t.Errorf("it ends with %v, want %s", baked.Err, why)
			}
			if got := trafficOf(baked.Err); got != "went back: blue is live again, proved by identity, and green is idle" {
				t.Errorf("it says of the traffic: %s", got)
			}
			r := b.records("bake blue done went back", "to green done went back")
			for _, one := range r {
				if !strings.HasPrefix(string(one.Bake.Error), why) {
					t.Errorf("a record says %q", one.Bake.Error)
				}
			}
			if string(r[0].Reason) != string(r[0].Bake.Error) || r[0].Proof != "identity" || r[0].Who != "bgswitch bake" || r[0].From != switcher.Green {
				t.Errorf("the record is %+v", r[0])
			}
			b.stands(switcher.Blue)
			b.answers(switcher.Blue, 10)
		})
	}
}

// What the color carried that was left is marked as bad: nobody goes to it again.
func TestBakeMarksTheRelease(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	version := filepath.Join(b.Dir, "version")
	if err := os.WriteFile(version, []byte("v43\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Switcher.Site.Releases = switcher.Releases{Timeout: time.Minute, Of: map[switcher.Color]release.Source{switcher.Green: {File: version}}}
	baked := b.until(b.begin(switcher.Green), asked(1), func(func()) { b.Green.Sicken(true) })
	if outcomeOf(baked.Err) != switcher.WentBack {
		t.Errorf("it ends with %v", baked.Err)
	}
	b.stands(switcher.Blue)
	b.Green.Sicken(false)
	_, err := b.to(switcher.Green)
	if outcomeOf(err) != switcher.Blocked || !strings.Contains(err.Error(), "green carries v43, which was marked as bad by bgswitch bake at ") || !strings.Contains(err.Error(), "green failed 2 times in a row: ") {
		t.Errorf("to what was fled: %v", err)
	}
	b.stands(switcher.Blue)
	b.answers(switcher.Blue, 5)
}

func healthyURLs(b *bakery) map[switcher.Color]health.URL {
	url := health.MustParseURL("http://" + b.Blue.Addr + "/")
	return map[switcher.Color]health.URL{switcher.Green: url}
}

func (b *bakery) touch(name string) {
	if err := os.WriteFile(filepath.Join(b.Dir, name), nil, 0o600); err != nil {
		b.t.Error(err)
	}
}

func (b *bakery) writeLog(status, n int) {
	file, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(strings.Repeat(fmt.Sprintf("127.0.0.1 - - [x] \"GET / HTTP/1.1\" %d 1 \"-\" \"-\"\n", status), n))
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		b.t.Error(err)
	}
}

// Neither color is healthy: nothing is changed, and it says so.
func TestBakeCannotGoBack(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	workers := []int{}
	baked := b.until(b.begin(switcher.Green), asked(2), func(func()) {
		workers = b.Workers()
		b.Blue.Sicken(true)
		b.Green.Sicken(true)
	})
	if outcomeOf(baked.Err) != switcher.Stuck || !strings.HasPrefix(baked.Err.Error(), "cannot go back to blue: cannot find the target healthy: blue: unhealthy after 3 attempts") {
		t.Errorf("it ends with %v", baked.Err)
	}
	if got := trafficOf(baked.Err); !strings.HasPrefix(got, "stuck: neither color is healthy, and nothing was changed; green is live and failed: green failed 2 times in a row: ") {
		t.Errorf("it says of the traffic: %s", got)
	}
	if fmt.Sprint(b.Workers()) != fmt.Sprint(workers) {
		t.Error("nginx was reloaded")
	}
	r := b.records("bake blue unhealthy stuck", "to green done stuck")
	if !strings.HasPrefix(string(r[1].Bake.Error), "green failed 2 times in a row: ") {
		t.Errorf("the record says %q", r[1].Bake.Error)
	}
	b.stands(switcher.Green)
	b.Green.Sicken(false)
	b.answers(switcher.Green, 5)
}

// A color that is blocked cannot be gone back to either, nor one that nginx refuses:
// the exit code is the same, and it says why.
func TestBakeIsShutIn(t *testing.T) {
	t.Parallel()
	refused, untouched := "not accepted", "nothing was changed"
	if !rightstest.Mounts.Had() { // it is tested in its place
		refused, untouched = "rolled back", "rolled back: the file is as it was, .*"
	}
	for name, test := range map[string]struct {
		shut                   func(*bakery)
		says, traffic, outcome string
	}{
		"blocked": {func(b *bakery) {
			if _, err := b.Block(b.t.Context(), switcher.Blue, "v43 dropped a column", time.Time{}, statedir.Signature{Who: "bob", Host: "h", Time: time.Now()}); err != nil {
				b.t.Error(err)
			}
		}, "cannot go back to blue: cannot go to blue: .*v43 dropped a column", "stuck: green is live and failed: .*; nothing was changed", "blocked"},
		"refused by nginx": {func(b *bakery) {
			text, err := os.ReadFile(b.Conf)
			if err == nil {
				err = os.WriteFile(b.Conf, append(text, "nonsense;"...), 0o600)
			}
			if err != nil {
				b.t.Error(err)
			}
		}, "cannot go back to blue: cannot test the .*nonsense", "stuck: green is live and failed: .*; " + untouched, refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBakery(t, newStand(t, nginxtest.Options{}))
			var workers []int
			baked := b.until(b.begin(switcher.Green), asked(2), func(func()) {
				workers = b.Workers()
				test.shut(b)
				b.Green.Sicken(true)
			})
			if outcomeOf(baked.Err) != switcher.Stuck || !regexp.MustCompile("^"+test.says).MatchString(baked.Err.Error()) {
				t.Errorf("it ends with %v", baked.Err)
			}
			if got := trafficOf(baked.Err); !regexp.MustCompile("^" + test.traffic + "$").MatchString(got) {
				t.Errorf("it says of the traffic: %s", got)
			}
			if fmt.Sprint(b.Workers()) != fmt.Sprint(workers) {
				t.Error("nginx was reloaded")
			}
			b.records("bake blue "+test.outcome+" stuck", "to green done stuck")
			b.stands(switcher.Green)
			b.Green.Sicken(false)
			b.answers(switcher.Green, 5)
		})
	}
}

// One bad answer is none, and a share below the limit, or of too few, neither.
func TestBakeForgives(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	b.bake.AccessLog = b.log
	b.writeLog(500, 100)
	baker := b.begin(switcher.Green)
	b.writeLog(500, 9)
	sickened := false
	baked := b.until(baker, func(look switcher.BakeLook) bool {
		if !sickened || look.InRow == 1 { // once, for one question
			b.Green.Sicken(!sickened)
			sickened = true
		}
		return look.Failed > 0 && look.InRow == 0 && look.Log.Requests == 9
	}, func(stop func()) { stop() })
	if baked.Err != nil || len(baked.Notes) != 1 || baked.Notes[0] != "the bake was ended by hand: green stays live, and nobody watches it any more" {
		t.Errorf("it ends with %+v", baked)
	}
	r := b.records("to green done ended")[0]
	if r.Bake.Failed != 1 || *r.Bake.Requests != 9 || *r.Bake.Errors != 9 || *r.Bake.Judged {
		t.Errorf("the record is %+v", r.Bake)
	}
	b.stands(switcher.Green)
	b.answers(switcher.Green, 5)
}

// What bgswitch asks itself through nginx is no visitor's request, whether the log
// shows who asked or not: it neither fills min_requests nor thins out the errors.
func TestBakeCountsVisitorsAlone(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{
		"combined":      "combined",
		"JSON":          `own; log_format own escape=json '{"status":$status,"agent":"$http_user_agent"}';`,
		"no user agent": `own; log_format own '$remote_addr "$request" $status';`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			use, define, _ := strings.Cut(format, ";")
			b := newBakery(t, newStand(t, nginxtest.Options{HTTP: define, Server: "access_log site.log " + use +
				"; location / { proxy_pass http://myapp; } location /broken { return 503; }"}))
			b.bake.AccessLog = b.log
			visit := func(path string, n int) {
				for range n {
					if response, err := http.Get(b.URL() + path); err != nil {
						t.Error(err)
					} else {
						_ = response.Body.Close()
					}
				}
			}
			fewest, most := 0, 0 // a last answer of the switch's proof may be logged late
			if name == "no user agent" {
				most = 1
			}
			baked := b.until(b.begin(switcher.Green), func(look switcher.BakeLook) bool {
				fewest = max(fewest, look.Log.Requests)
				return look.Questions > 12
			}, func(func()) {
				visit("", 9)
				visit("broken", 3)
			})
			if fewest > most {
				t.Errorf("with no visitor at all there are %d requests", fewest)
			}
			if outcomeOf(baked.Err) != switcher.WentBack || !regexp.MustCompile("^cannot keep green live: [123] of 1[0-3] requests since the switch were answered with 5xx").MatchString(baked.Err.Error()) {
				t.Errorf("it ends with %v; %+v", baked.Err, baked.Look.Log)
			}
			if is := baked.Look.Unmarked; (is > 0) != (name == "no user agent") {
				t.Errorf("%d lines could not be told from those of visitors", is)
			}
			if r := b.records("bake blue done went back", "to green done went back")[0]; r.Bake.Judged == nil || !*r.Bake.Judged || *r.Bake.Requests < 10 {
				t.Errorf("the record is %+v", r.Bake)
			}
			b.stands(switcher.Blue)
		})
	}
}

// Whoever switches by hand is not kept from it, and the bake ends without touching
// anything; it says so where another color is live then.
func TestBakeIsOvertaken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do      func(*bakery)
		live    switcher.Color
		says    string // as an error; or else
		notes   string
		records []string
	}{
		"back": {func(b *bakery) { b.switches(switcher.Request{Command: "back", Who: "bob"}) }, switcher.Blue,
			"cannot let green bake to the end: in the meantime, `bgswitch back` by bob: done", "", []string{"back blue done", "to green done begun"}},
		"forth and back": {func(b *bakery) {
			b.switches(switcher.Request{To: switcher.Blue, Command: "to", Who: "bob"})
			b.switches(switcher.Request{To: switcher.Green, Command: "to", Who: "bob"})
		}, switcher.Green, "", "the bake has ended: in the meantime, `bgswitch to` by bob: done; green is still live", []string{"to green done", "to blue done", "to green done begun"}},
		"by an editor": {func(b *bakery) { b.byHand(switcher.Blue) }, switcher.Blue,
			"cannot let green bake to the end: the file names blue now", "", []string{"to green done begun"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBakery(t, newStand(t, nginxtest.Options{}))
			baked := b.until(b.begin(switcher.Green), asked(2), func(func()) {
				test.do(b)
				b.Green.Sicken(test.live == switcher.Blue) // it is nothing to the bake any more
			})
			switch {
			case test.says != "" && (outcomeOf(baked.Err) != switcher.WentBack || baked.Err.Error() != test.says):
				t.Errorf("it ends with %v", baked.Err)
			case test.says == "" && (baked.Err != nil || fmt.Sprint(baked.Notes) != "["+test.notes+"]"):
				t.Errorf("it ends with %v, %q", baked.Err, baked.Notes)
			}
			b.records(test.records...)
			b.stands(test.live)
		})
	}
}

func (b *bakery) switches(r switcher.Request) switcher.Result {
	b.t.Helper()
	r.Handover = nginx.HandoverFast
	result, err := b.Switch(b.t.Context(), r)
	if err != nil {
		b.t.Errorf("the switch by hand: %v", err)
	}
	return result
}

// A switch that is refused ends nothing, nor one that has nothing to do.
func TestBakeGoesOn(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	b.Blue.Sicken(true)
	n := 0
	baked := b.until(b.begin(switcher.Green), func(look switcher.BakeLook) bool {
		if n++; n == 3 {
			if _, err := b.to(switcher.Blue); outcomeOf(err) != switcher.Unhealthy {
				t.Errorf("to blue: %v", err)
			}
			if result, err := b.to(switcher.Green); err != nil || result.Outcome != switcher.Already {
				t.Errorf("to green: %v, %v", result.Outcome, err)
			}
			b.Blue.Sicken(false)
			b.Green.Sicken(true)
		}
		return look.Failed > 0
	}, func(func()) {})
	if outcomeOf(baked.Err) != switcher.WentBack {
		t.Errorf("it ends with %v", baked.Err)
	}
	b.records("bake blue done went back", "to blue unhealthy", "to green done begun")
	b.stands(switcher.Blue)
	b.answers(switcher.Blue, 5)
}

// A second bake ends the first.
func TestSecondBake(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	var second *switcher.Baker
	baked := b.until(b.begin(switcher.Green), asked(1), func(func()) { second = b.begin(switcher.Blue) })
	if outcomeOf(baked.Err) != switcher.WentBack || !strings.Contains(baked.Err.Error(), "in the meantime, `bgswitch to` by test: done") {
		t.Errorf("the first ends with %v", baked.Err)
	}
	if is := b.Baking(); is.CutOff() || is == nil || is.To != switcher.Blue {
		t.Errorf("the second is %v", is)
	}
	baked = b.until(second, asked(1), func(stop func()) { stop() })
	if baked.Err != nil {
		t.Errorf("the second ends with %v", baked.Err)
	}
	b.records("to blue done ended", "to green done begun")
	b.stands(switcher.Blue)
}

// Where the file named the color before, there is nothing to go back to: nothing
// bakes, and it says so.
func TestBakeOntoItself(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	b.byHand(switcher.Green)
	request := switcher.Request{To: switcher.Green, Handover: nginx.HandoverFast, Command: "to", Who: "test", Bake: &b.bake, DryRun: true}
	result, err := b.Switch(t.Context(), request)
	if err != nil || strings.Contains(fmt.Sprint(result.Steps), "bake") {
		t.Errorf("a dry run says %q, %v", result.Steps, err)
	}
	request.DryRun = false
	result, err = b.Switch(t.Context(), request)
	if err != nil || result.Outcome != switcher.Done || result.Baker != nil {
		t.Errorf("it bakes: %+v, %v", result, err)
	}
	want := "the file named green before: no color to go back to is known, so nothing bakes"
	if len(result.Notes) != 1 || result.Notes[0] != want {
		t.Errorf("the notes are %q, want %q", result.Notes, want)
	}
	b.records("to green done")
	b.stands(switcher.Green)
}

// Somebody who is at work for long keeps the color from being left, and not for ever.
func TestBakeIsKeptFromGoingBack(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	b.bake.Command = []string{"/bin/sh", "-c", "[ ! -e " + b.Dir + "/broken ]"}
	baker := b.begin(switcher.Green)
	baker.WaitToReturn(300 * time.Millisecond)
	var held journal.Set
	baked := b.until(baker, asked(1), func(func()) {
		var err error
		if held, err = b.Lock(t.Context(), 0, "to"); err != nil {
			t.Fatal(err)
		}
		b.touch("broken")
	})
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	if outcomeOf(baked.Err) != switcher.Stuck || !strings.HasPrefix(baked.Err.Error(), "cannot go back to blue: cannot take the lock: another bgswitch is at work: ") {
		t.Errorf("it ends with %v", baked.Err)
	}
	if got := trafficOf(baked.Err); !strings.HasPrefix(got, "stuck: green is live and failed: the command of the bake failed: ") || !strings.HasSuffix(got, "; nothing was changed") {
		t.Errorf("it says of the traffic: %s", got)
	}
	if len(baked.Notes) != 1 || !strings.HasPrefix(baked.Notes[0], "cannot record how the bake ended: ") {
		t.Errorf("the notes are %q", baked.Notes)
	}
	b.records("to green done begun")
	b.stands(switcher.Green)
}

// The color that is left is asked nothing once it has failed, and the other one has
// to answer well once: as with `back`.
func TestBakeGoesBackAtOnce(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	b.Switcher.Site.Check.Passes = 3
	b.bake.AccessLog = b.log
	b.writeLog(200, 1)
	b.bake.Interval = 30 * time.Minute // so that nobody asks but the switch back
	baked := b.until(b.begin(switcher.Green), asked(1), func(func()) {
		b.Green.Mute(true)
		b.Blue.Sicken(false) // counts anew
		b.writeLog(502, 30)
	})
	if outcomeOf(baked.Err) != switcher.WentBack || strings.Contains(fmt.Sprint(baked.Notes), "confirm") {
		t.Errorf("it ends with %v, %q", baked.Err, baked.Notes)
	}
	if green, blue := b.Green.Asked(), b.Blue.Asked(); green > 0 || blue > 6 { // five of them through nginx
		t.Errorf("green was asked %d times, blue %d", green, blue)
	}
	b.stands(switcher.Blue)
}

// What is under way when the time is up is waited for, and a color that fails then is
// asked until it is decided.
func TestBakeIsDecidedAtTheEnd(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	b.bake.For = time.Second
	b.Switcher.Site.Check.Timeout = 2 * time.Second
	baked := b.until(b.begin(switcher.Green), asked(1), func(func()) { b.Green.Mute(true) })
	if outcomeOf(baked.Err) != switcher.WentBack || !strings.HasPrefix(baked.Err.Error(), "cannot keep green live: green failed 2 times in a row: ") {
		t.Errorf("it ends with %v", baked.Err)
	}
	b.stands(switcher.Blue)
	b.answers(switcher.Blue, 5)
}

// The color is watched while what follows the switch runs, however long that takes.
func TestBakeWatchesDuringHooks(t *testing.T) {
	t.Parallel()
	for name, sick := range map[string]bool{"well": false, "sick": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBakery(t, newStand(t, nginxtest.Options{}))
			b.bake.For = 200 * time.Millisecond
			over := filepath.Join(b.Dir, "over")
			b.Switcher.Site.Hooks.After = [][]string{{"/bin/sh", "-c", "until [ -e " + over + " ]; do sleep 0.02; done"}}
			go func() {
				defer b.touch("over")
				asked := func(n int64) {
					if err := nginxtest.Eventually(nginxtest.Patience, func() error {
						if got := b.Green.Asked(); got < n {
							return fmt.Errorf("green was asked %d times", got)
						}
						return nil
					}); err != nil {
						t.Error(err)
					}
				}
				asked(20)
				b.Green.Sicken(sick)
				asked(4)
			}()
			began := time.Now()
			baked := b.begin(switcher.Green).Bake(t.Context(), func(switcher.BakeLook) {})
			if took := *baked.Record.Bake.TookMS; took < 500 || took > float64(time.Since(began).Milliseconds()) || baked.Look.Questions < 5 {
				t.Errorf("it took %g ms, for %d questions", took, baked.Look.Questions)
			}
			if sick != (outcomeOf(baked.Err) == switcher.WentBack) || !sick && baked.Record.Bake.Outcome != statedir.BakePassed {
				t.Errorf("it ends with %v, %+v", baked.Err, baked.Record.Bake)
			}
			if sick {
				b.stands(switcher.Blue)
			} else {
				b.stands(switcher.Green)
			}
		})
	}
}

// Under load, no request is lost that the sick color had not lost: of those after
// the switch back, none.
func TestBakeGoesBackUnderLoad(t *testing.T) {
	t.Parallel()
	b := newBakery(t, newStand(t, nginxtest.Options{}))
	flag := filepath.Join(b.Dir, "broken")
	b.bake.Command = []string{"/bin/sh", "-c", "[ ! -e " + flag + " ]"} // so that green itself loses nothing
	baker := b.begin(switcher.Green)
	load := &nginxtest.Load{URL: b.URL(), Clients: 4, Pause: time.Millisecond}
	load.Start()
	baked := b.until(baker, asked(2), func(func()) { b.touch("broken") })
	b.answers(switcher.Blue, 20)
	counts := load.Stop()
	if outcomeOf(baked.Err) != switcher.WentBack || counts.Failed > 0 || counts.Colors["green"] == 0 || counts.Colors["blue"] == 0 {
		t.Errorf("it ends with %v; of %d requests %d failed: %s; %v", baked.Err, counts.Requests, counts.Failed, counts.FirstFailure, counts.Colors)
	}
}
