package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestStreaks(t *testing.T) {
	t.Parallel()
	o := Options{Rise: 2, Fall: 3}
	for _, c := range []struct{ answers, up string }{ // + good, - bad; # up, . down
		{"+", "#"}, {"-", "."}, // the first is believed
		{"+--+--+", "#######"},
		{"+---", "###."},
		{"+---+-+-++", "###......#"},
		{"-+", ".."}, {"-++", "..#"},
		{"++++---", "######."},
	} {
		var s Streak
		var got strings.Builder
		for i, answer := range c.answers {
			s = s.next(answer == '+', i > 0, o)
			got.WriteString(map[bool]string{true: "#", false: "."}[s.Up])
		}
		if got.String() != c.up {
			t.Errorf("%s: %s, want %s", c.answers, &got, c.up)
		}
	}
	s := Streak{}
	for range 100 {
		s = s.next(true, true, o)
	}
	if s.Good != o.Fall {
		t.Errorf("the count is %d, want it to end at %d", s.Good, o.Fall)
	}
}

// Each record is counted once, in the order of the file.
func TestTotals(t *testing.T) {
	t.Parallel()
	folder := statedir.Of(t.TempDir(), "myapp")
	v := &Verifier{Switcher: &switcher.Switcher{State: folder}, Options: Defaults()}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	add := func(minutes int, command string, outcome switcher.Outcome) {
		t.Helper()
		r := statedir.Record{Time: at.Add(time.Duration(minutes) * time.Minute), Command: command, Outcome: string(outcome), From: "blue", To: "green"}
		if err := folder.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	f := Finding{}
	counted := func(want Totals) {
		t.Helper()
		records, err := folder.History(1, nil)
		if err != nil {
			t.Fatal(err)
		}
		v.countHistory(&f, &records[0])
		v.countHistory(&f, &records[0])
		if diff := cmp.Diff(want, f.Memory.Totals, cmpopts.EquateApproxTime(0)); diff != "" || len(f.Notes) > 0 {
			t.Errorf("(-want +got):\n%s %v", diff, f.Notes)
		}
	}
	add(1, "to", switcher.Done)
	add(2, "to", switcher.RolledBack)
	add(3, "to", switcher.Unhealthy)
	after := func(d time.Duration) statedir.Moment { return statedir.Moment{Time: at.Add(d)} }
	counted(Totals{Switches: 1, RollBacks: 1, Switched: after(time.Minute), Until: after(3 * time.Minute)})
	add(-60, command, switcher.Done) // the clock was set back
	counted(Totals{Switches: 2, RollBacks: 1, Failovers: 1, Switched: after(-time.Hour), Until: after(-time.Hour)})
	for i := range 100 {
		add(10+i, "to", switcher.Done)
	}
	counted(Totals{Switches: 102, RollBacks: 1, Failovers: 1, Switched: after(109 * time.Minute), Until: after(109 * time.Minute)})
}

// Where nothing is remembered, the last failover is found again. A switch by
// hand acknowledges what came before it.
func TestFailoverIsFoundAgain(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		commands, want string // h: by hand, f: by verify; what becomes of the last f
	}{{"h", ""}, {"f", "f1"}, {"fh", "f1 acknowledged"}, {"hf", "f2"}, {"fhf", "f3"}, {"ffh", "f2 acknowledged"}, {"fhh", "f1 acknowledged"}} {
		folder := statedir.Of(t.TempDir(), "myapp")
		for i, who := range c.commands {
			r := statedir.Record{Time: at.Add(time.Duration(i+1) * time.Minute), Command: map[rune]string{'h': "to", 'f': command}[who], Outcome: string(switcher.Done)}
			if err := folder.Append(r); err != nil {
				t.Fatal(err)
			}
		}
		f, got := Finding{}, ""
		v := &Verifier{Switcher: &switcher.Switcher{State: folder}, Options: Defaults()}
		v.countHistory(&f, &statedir.Record{Time: at.Add(time.Hour)})
		if last := f.Memory.Failover; last != nil {
			got = fmt.Sprintf("f%d", int(last.Time.Sub(at).Minutes()))
			if last.Acknowledged {
				got += " acknowledged"
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.commands, got, c.want)
		}
	}
}

// A history that was never cut is counted in little memory.
func TestLongHistoryIsCountedInLittleMemory(t *testing.T) {
	t.Parallel()
	if os.Getenv(historyVariable) == "" {
		countInChild(t)
		return
	}
	before := peak(t)
	f := Finding{}
	v := &Verifier{Switcher: &switcher.Switcher{State: statedir.Folder{Path: os.Getenv(historyVariable)}}, Options: Defaults()}
	v.countHistory(&f, &statedir.Record{Time: time.Now()})
	if f.Memory.Totals.Switches != longHistory || len(f.Notes) > 0 {
		t.Errorf("%d switches counted, want %d; %v", f.Memory.Totals.Switches, longHistory, f.Notes)
	}
	if took := peak(t) - before; took > 24<<10 {
		t.Errorf("counting took %d KiB", took)
	}
}

const (
	historyVariable = "BGSWITCH_TEST_HISTORY"
	longHistory     = 40_000 // records of a kilobyte
)

// countInChild counts in a process of its own, where nobody else takes memory.
func countInChild(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	var text bytes.Buffer
	records := json.NewEncoder(&text)
	for i := range longHistory { // those of one time would be one
		if err := records.Encode(statedir.Record{Schema: 1, Time: time.Unix(int64(i), 0), Outcome: string(switcher.Done), Reason: statedir.Text(strings.Repeat("r", 800))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "history.jsonl"), text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), historyVariable+"="+folder)
	if said, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// peak is the most memory that this process has had, in KiB.
func peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

func TestLevels(t *testing.T) {
	t.Parallel()
	levels := []Level{Critical, OK, Unknown, Warning}
	slices.SortFunc(levels, Level.Compare)
	if diff := cmp.Diff([]Level{OK, Warning, Unknown, Critical}, levels); diff != "" {
		t.Error(diff)
	}
	for _, l := range levels {
		if levelOf(l.String()) != l {
			t.Errorf("%s is read as %s", l, levelOf(l.String()))
		}
	}
}

func TestShortSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 42*time.Second + 3: "42s", 90 * time.Second: "2m", time.Hour: "1h", 6*time.Hour + 5*time.Minute: "6h5m", 10 * time.Minute: "10m", 51 * time.Hour: "2d3h",
	} {
		if got := shortSpan(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
