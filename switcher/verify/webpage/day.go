package webpage

import (
	"cmp"
	"slices"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// span is how much of the past is shown.
const span = verify.PastKept

// recordsLimit is how many switches of it.
const recordsLimit = 200

// Day is what is known of the last hours of a site.
type Day struct {
	Records []statedir.Record // newest first; one of before says how it began
	Past    []verify.Change   // oldest first
	Err     error             // why there are no records
	Cut     bool              // there are more records than are shown
}

// Read reads a site's day from its history: up to the last switch before it. A host
// that started without its clock writes one of 1970 among those of today, which is
// found out by the next older record: that is a later one.
func Read(state statedir.Folder, past []verify.Change, now time.Time) Day {
	d := Day{Past: past}
	var earlier time.Time
	for r, err := range state.Records(nil) {
		if err == nil && !earlier.IsZero() && !r.Time.After(earlier) {
			break
		}
		if d.Cut = len(d.Records) == recordsLimit; err != nil || d.Cut {
			d.Err = err
			break
		}
		r.Steps, r.Old, r.Elsewhere, r.Others = nil, nil, nil, nil // which take most of the memory
		d.Records = append(d.Records, r)
		if earlier = (time.Time{}); done(r) && now.Sub(r.Time) >= span {
			earlier = r.Time
		}
	}
	return d
}

func done(r statedir.Record) bool { return switcher.Outcome(r.Outcome) == switcher.Done }

// stretch is a time through which something stayed as it was.
type stretch struct {
	from, to time.Time
	is       string // a color or a level; empty: unknown
}

// event is something that happened, in words.
type event struct {
	at            time.Time
	what, details string
	kind          string // of its mark; empty: it has none
}

// tale is a day put in order.
type tale struct {
	start, now    time.Time
	live, level   []stretch
	events        []event // oldest first
	isLive, isAt  string  // as far as it has been told
	liveAt, levAt time.Time
	ahead         bool // a record carries a time that is still to come
}

// tell goes through the day. That is the order of the clock, which may have been
// set back between two records.
func (d Day) tell(now time.Time, live switcher.Color) tale {
	t := tale{start: now.Add(-span), now: now}
	records, past := slices.Clone(d.Records), d.Past
	t.ahead = slices.ContainsFunc(records, func(r statedir.Record) bool { return r.Time.After(now) })
	slices.SortStableFunc(records, func(a, b statedir.Record) int { return b.Time.Compare(a.Time) })
	for n := len(records); n > 0 || len(past) > 0; {
		if n > 0 && (len(past) == 0 || !records[n-1].Time.After(past[0].Time)) {
			n--
			t.record(records[n])
		} else {
			t.change(past[0])
			past = past[1:]
		}
	}
	t.sees(string(live))
	t.turn(now, "")
	t.turnLevel(now, "")
	return t
}

// record tells of a switch.
func (t *tale) record(r statedir.Record) {
	if r.Time.After(t.now) {
		return // see ahead
	}
	e := event{at: r.Time, what: whatOf(r), details: detailsOf(r), kind: "failed"}
	if t.sees(string(r.From)); r.From != "" {
		t.turn(r.Time, string(r.From))
	}
	if done(r) {
		e.kind = "switch"
		t.turn(r.Time, string(r.To))
	}
	if r.Drill() {
		e.kind = "drill"
	}
	t.add(e)
}

// sees: a color that is live, and was not to anybody's knowledge, became so at a
// time that nobody knows.
func (t *tale) sees(live string) {
	if live != "" && live != t.isLive {
		t.isLive = ""
	}
}

// change tells of what verify noticed.
func (t *tale) change(c verify.Change) {
	if c.Time.After(t.now) {
		return
	}
	if live := string(c.Live); live != t.isLive {
		if live != "" && t.isLive != "" {
			t.add(event{c.Time, live + " became live", t.noticed(), "switch"})
		}
		t.turn(c.Time, live)
	}
	if c.Level != t.isAt {
		if t.isAt != "" || c.Level != verify.OK.String() && c.Level != "" {
			t.add(event{at: c.Time, what: c.Level, details: cmp.Or(c.Why, "all is well again")})
		}
		t.turnLevel(c.Time, c.Level)
	}
}

// noticed says who made a color live, where no record of that time does.
func (t *tale) noticed() string {
	if t.ahead {
		return "verify noticed it then; a switch is recorded for a time that is still to come"
	}
	return "not by bgswitch: verify noticed it then"
}

func (t *tale) add(e event) {
	if e.at.After(t.start) {
		t.events = append(t.events, e)
	}
}

func (t *tale) turn(at time.Time, live string) {
	t.live = t.stretch(t.live, t.liveAt, at, t.isLive)
	t.isLive, t.liveAt = live, at
}

func (t *tale) turnLevel(at time.Time, level string) {
	t.level = t.stretch(t.level, t.levAt, at, t.isAt)
	t.isAt, t.levAt = level, at
}

// stretch adds what of a time is within the day.
func (t *tale) stretch(list []stretch, from, to time.Time, is string) []stretch {
	if from.Before(t.start) {
		from = t.start
	}
	if !from.Before(to) {
		return list
	}
	if n := len(list); n > 0 && list[n-1].is == is {
		list[n-1].to = to
		return list
	}
	return append(list, stretch{from, to, is})
}

// lasted is for how long something was so, in whole seconds.
func lasted(list []stretch, is ...string) (d time.Duration) {
	for _, s := range list {
		if slices.Contains(is, s.is) {
			d += s.to.Sub(s.from)
		}
	}
	return d.Truncate(time.Second)
}
