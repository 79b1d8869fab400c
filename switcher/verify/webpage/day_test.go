package webpage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"

	"github.com/google/go-cmp/cmp"
)

// shown is a day in few words: B, G or ? for each hour and its color, and what
// happened.
func shown(t tale) string {
	var words strings.Builder
	for hour := range 24 {
		at := t.start.Add(time.Duration(hour)*time.Hour + time.Minute)
		for _, s := range t.live {
			if !at.Before(s.from) && at.Before(s.to) {
				words.WriteString(map[string]string{"blue": "B", "green": "G", "": "?"}[s.is])
			}
		}
	}
	for _, e := range t.events {
		fmt.Fprintf(&words, " %s@%s", e.kind, t.now.Sub(e.at))
	}
	return words.String()
}

func TestDay(t *testing.T) {
	t.Parallel()
	const b, g = switcher.Blue, switcher.Green
	hours := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	saw := func(n int, live switcher.Color) verify.Change {
		return verify.Change{Time: ago(hours(n)), Live: live, Level: "OK"}
	}
	did := func(n int, from, to switcher.Color) statedir.Record { return record(hours(n), from, to, switcher.Done) }
	for name, c := range map[string]struct {
		records []statedir.Record // newest first
		past    []verify.Change
		live    switcher.Color
		want    string
	}{
		"nothing is known":               {want: "????????????????????????"},
		"no history, and a color now":    {live: b, want: "????????????????????????"},
		"watched from some time on":      {past: []verify.Change{saw(6, b)}, live: b, want: "??????????????????BBBBBB"},
		"long ago":                       {records: []statedir.Record{did(100, b, g)}, live: g, want: "GGGGGGGGGGGGGGGGGGGGGGGG"},
		"to and back":                    {records: []statedir.Record{did(8, g, b), did(12, b, g), did(30, g, b)}, live: b, want: "BBBBBBBBBBBBGGGGBBBBBBBB switch@12h0m0s switch@8h0m0s"},
		"by hand, and verify saw it":     {records: []statedir.Record{did(30, b, g)}, past: []verify.Change{saw(40, b), saw(29, g), saw(10, b)}, live: b, want: "GGGGGGGGGGGGGGBBBBBBBBBB switch@10h0m0s"},
		"by hand, and nobody saw it":     {records: []statedir.Record{did(20, b, g)}, live: b, want: "????" + "????????????????????" + " switch@20h0m0s"},
		"by hand before a switch":        {records: []statedir.Record{did(4, b, g), did(20, b, g)}, live: g, want: "????" + "????????????????" + "GGGG switch@20h0m0s switch@4h0m0s"},
		"rolled back":                    {records: []statedir.Record{record(hours(5), b, g, switcher.RolledBack), did(30, g, b)}, live: b, want: "BBBBBBBBBBBBBBBBBBBBBBBB failed@5h0m0s"},
		"refused, and no color known":    {records: []statedir.Record{record(hours(5), "", g, switcher.Failed)}, past: []verify.Change{saw(30, b)}, live: b, want: "BBBBBBBBBBBBBBBBBBBBBBBB failed@5h0m0s"},
		"a file that was not understood": {past: []verify.Change{saw(30, b), saw(10, ""), saw(8, b)}, live: b, want: "BBBBBBBBBBBBBB??BBBBBBBB"},
		"still to come":                  {records: []statedir.Record{did(-5, b, g)}, past: []verify.Change{saw(30, b), saw(-3, g)}, live: b, want: "BBBBBBBBBBBBBBBBBBBBBBBB"},
		"the clock was set back":         {records: []statedir.Record{did(12, b, g), did(8, g, b), did(30, g, b)}, live: b, want: "BBBBBBBBBBBBGGGGBBBBBBBB switch@12h0m0s switch@8h0m0s"},
		"loaded once more":               {records: []statedir.Record{did(4, g, g), did(30, b, g)}, live: g, want: "GGGGGGGGGGGGGGGGGGGGGGGG switch@4h0m0s"},
	} {
		if got := shown(Day{Records: c.records, Past: c.past}.tell(noon, c.live)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// A switch that verify notices, too, is told once; what it noticed is told with
// why.
func TestDayInWords(t *testing.T) {
	t.Parallel()
	v := dayOf("site-1", ill(), noon)
	var got []string
	for _, r := range v.Rows {
		got = append(got, fmt.Sprintf("%s %s: %s", r.At.Words[5:16], r.What, r.Details))
	}
	want := []string{
		"11-30 11:59 blue became live: by alice, forced",
		"11-30 10:33 CRITICAL: green is live and UNHEALTHY: 10.0.0.9:8080 status 500",
		"11-30 09:03 green became live: by alice, release 2026.11.30-1, \"new checkout\"",
		"11-30 08:43 switch to green: rolled back: by alice: green answered with the wrong mark 5 times",
		"11-30 01:43 OK: all is well again",
		"11-30 01:03 WARNING: no way back: green 127.0.0.1:3002 status 503",
		"11-29 19:07 blue became live: by alice, a drill",
		"11-29 19:03 green became live: by alice, a drill",
		"11-29 12:03 blue was live, OK: where this picture begins",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := text("blue was live for 21h; green was live for 3h; 2 switches; 1 failed or refused; 2 switches in drills; CRITICAL for 1h30m; WARNING for 40m"); v.Summary != want {
		t.Errorf("%q, want %q", v.Summary, want)
	}
}

// Laws: a day is told without a gap, whatever happened, and nothing stands
// outside of the picture.
func TestDayIsWhole(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	at := func() time.Time { return ago(time.Duration(random.Int64N(int64(30*time.Hour))) - time.Hour) }
	for range 2000 {
		var s Site
		s.Finding.Status.Live = switcher.Color(pick("", "blue", "green"))
		for range random.IntN(8) {
			r := record(0, switcher.Color(pick("", "blue", "green")), switcher.Color(pick("blue", "green")), switcher.Outcome(pick("done", "rolled back", "stuck")))
			r.Time = at()
			s.Day.Records = append(s.Day.Records, r)
			s.Day.Past = append(s.Day.Past, verify.Change{Time: at(), Live: switcher.Color(pick("", "blue", "green")), Level: pick("", "OK", "WARNING", "CRITICAL")})
		}
		slices.SortFunc(s.Day.Past, func(a, b verify.Change) int { return a.Time.Compare(b.Time) })
		tale := s.Day.tell(noon, s.Finding.Status.Live)
		for _, list := range [][]stretch{tale.live, tale.level} {
			until := tale.start
			for _, stretch := range list {
				if !stretch.from.Equal(until) || !stretch.to.After(stretch.from) {
					t.Fatalf("a gap at %s: %v of %+v", until, list, s.Day)
				}
				until = stretch.to
			}
			if !until.Equal(noon) {
				t.Fatalf("it ends at %s", until)
			}
		}
		for _, m := range dayOf("s", s, noon).Marks {
			if strings.HasPrefix(string(m.X), "-") || len(m.X) > len("99.99%") && m.X != "100.00%" {
				t.Fatalf("a mark at %s", m.X)
			}
		}
	}
}

// However much has happened, little of it is shown, and that there is more is said.
func TestDayIsBounded(t *testing.T) {
	t.Parallel()
	state := statedir.Of(t.TempDir(), "shop")
	for i := range 2 * recordsLimit {
		r := record(time.Duration(2*recordsLimit-i)*time.Minute, switcher.Blue, switcher.Green, switcher.RolledBack)
		if err := state.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	s := well()
	s.Day = Read(state, nil, noon)
	v := dayOf("site-1", s, noon)
	if len(s.Day.Records) != recordsLimit || !s.Day.Cut || len(v.Rows) != rowsLimit+1 || v.More == "" || len(v.Marks) != recordsLimit {
		t.Errorf("%d records, %d rows, %d marks, %q", len(s.Day.Records), len(v.Rows), len(v.Marks), v.More)
	}
	if v.Rows[0].At.Words != "2026-11-30 12:02:07 UTC" {
		t.Errorf("the first row is of %s", v.Rows[0].At.Words)
	}
}

// What is read of a history is what the day needs: the switches of the day, and
// the last one before it that was done.
func TestReadDay(t *testing.T) {
	t.Parallel()
	state := statedir.Of(t.TempDir(), "shop")
	if d := Read(state, nil, noon); len(d.Records) > 0 || d.Err != nil || d.Cut {
		t.Errorf("without a history: %+v", d)
	}
	for _, r := range []statedir.Record{
		record(72*time.Hour, switcher.Blue, switcher.Green, switcher.Done), record(48*time.Hour, switcher.Green, switcher.Blue, switcher.Done),
		record(30*time.Hour, switcher.Blue, switcher.Green, switcher.RolledBack), record(time.Hour, switcher.Blue, switcher.Green, switcher.Done),
	} {
		if err := state.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	d := Read(state, nil, noon)
	var got []string
	for _, r := range d.Records {
		got = append(got, noon.Sub(r.Time).String())
	}
	if diff := cmp.Diff([]string{"1h0m0s", "30h0m0s", "48h0m0s"}, got); diff != "" || d.Cut || d.Err != nil {
		t.Error(diff, d.Cut, d.Err)
	}
	astray := record(0, switcher.Blue, switcher.Green, switcher.Done)
	astray.Time = time.Unix(60, 0)
	if err := state.Append(astray); err != nil {
		t.Fatal(err)
	}
	if d := Read(state, nil, noon); len(d.Records) != 4 {
		t.Errorf("beside one of 1970, %d records are read", len(d.Records))
	}
}

// What a clock that was ahead has recorded is not called somebody else's; less than a
// second is not told; and a part of the day is not called the whole.
func TestDayIsNotOvertold(t *testing.T) {
	t.Parallel()
	ahead := Day{Records: []statedir.Record{record(-5*time.Hour, switcher.Blue, switcher.Green, switcher.Done)},
		Past: []verify.Change{{Time: noon.Add(-2 * time.Hour), Live: switcher.Blue, Level: "OK"}, {Time: noon.Add(-time.Millisecond), Live: switcher.Green, Level: "OK"}}, Cut: true}
	told := ahead.tell(noon, switcher.Green)
	if n := len(told.events); n != 1 || !strings.Contains(told.events[0].details, "a time that is still to come") {
		t.Errorf("%+v", told.events)
	}
	if words := told.summary(ahead); strings.Contains(words, "green was live") || !strings.Contains(words, "the history has more") {
		t.Error(words)
	}
}

// The hours are those of the place, also on the days when its clocks change.
func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, now, want string }{
		{"UTC", "2026-11-30T12:03:07Z", "18:00@6 00:00@12 06:00@18 @24"},
		{"Asia/Kolkata", "2026-11-30T12:03:07+05:30", "18:00@6 00:00@12 06:00@18 @24"},
		{"Europe/Berlin", "2026-10-25T15:10:00+01:00", "18:00@2 00:00@8 06:00@15 12:00@21"},  // it has 25 hours
		{"Europe/Berlin", "2026-03-29T15:10:00+02:00", "18:00@4 00:00@10 06:00@15 12:00@21"}, // 23
		{"America/Havana", "2026-03-08T13:00:00-04:00", "18:00@6 06:00@17 12:00@23"},         // no midnight
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tick := range (Day{}.tell(now.In(zone), "")).ticks() {
			var share float64
			if _, err := fmt.Sscanf(string(tick.X), "%f%%", &share); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s@%d", tick.Words, int(share*24/100+.5)))
		}
		if words := strings.Join(got, " "); words != c.want {
			t.Errorf("%s %s: %s, want %s", c.zone, c.now, words, c.want)
		}
	}
}
