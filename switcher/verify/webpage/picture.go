package webpage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/verify"
)

// day is the picture of a site's last hours, and the same in words.
type day struct {
	ID       text
	Summary  text
	From, To stamp
	Bars     []bar
	Marks    []mark
	Ticks    []tick
	Rows     []row // newest first
	More     text  // of what is not in the rows
}

// bar is a stretch of time in one of the picture's lanes. Its height says as much
// as its class.
type bar struct {
	X, W, Class text
	Y, H        int
}

// mark is a moment in the picture.
type mark struct{ X, Class, Words text }

// tick is a full hour on the picture's axis.
type tick struct{ X, Anchor, Words text }

// row is a moment in words.
type row struct {
	At            stamp
	What, Details text
}

// rowsLimit is how many moments are told in words.
const rowsLimit = 20

func dayOf(id string, s Site, now time.Time) day {
	t := s.Day.tell(now, s.Finding.Status.Live)
	v := day{ID: text(id), From: stampOf(t.start), To: stampOf(now), Summary: fit(t.summary(s.Day))}
	for _, lived := range t.live {
		v.Bars = append(v.Bars, t.lanes(lived)...)
	}
	for _, was := range t.level {
		v.Bars = append(v.Bars, t.levelBar(was))
	}
	v.Ticks = t.ticks()
	for _, e := range slices.Backward(t.events) {
		at := stampOf(e.at.In(now.Location()))
		if e.kind != "" {
			v.Marks = append(v.Marks, mark{t.x(e.at), text(e.kind), fitf("%s: %s", at.Words, e.what)})
		}
		if len(v.Rows) < rowsLimit {
			v.Rows = append(v.Rows, row{at, fit(e.what), fit(e.details)})
		}
	}
	v.Rows = append(v.Rows, row{v.From, fit(t.beginning()), "where this picture begins"})
	if len(t.events) > rowsLimit || s.Day.Cut {
		v.More = "there is more than is shown: the history has all switches"
	}
	return v
}

// beginning is how the day began.
func (t tale) beginning() string {
	words := "which color was live is unknown"
	if first := t.live[0].is; first != "" {
		words = first + " was live"
	}
	if first := t.level[0].is; first != "" {
		words += ", " + first
	}
	return words
}

// x is where a time is, from the left.
func (t tale) x(at time.Time) text {
	return text(fmt.Sprintf("%.2f%%", 100*t.share(at.Sub(t.start))))
}

func (t tale) share(d time.Duration) float64 { return float64(d) / float64(span) }

// The lanes of the picture, in pixels from its top: y and height of a bar.
var (
	lanesOf = map[string][2]int{
		string(switcher.Blue):  {4, 20},
		string(switcher.Green): {30, 20},
	}
	levelLane = map[string][2]int{
		verify.OK.String():       {98, 3},
		verify.Warning.String():  {92, 9},
		verify.Critical.String(): {84, 17},
		verify.Unknown.String():  {92, 9},
	}
)

// lanes are the bar of a live color; where it is unknown, one in each lane.
func (t tale) lanes(s stretch) []bar {
	if at, known := lanesOf[s.is]; known {
		return []bar{t.bar(s, s.is, at)}
	}
	return []bar{t.bar(s, "nobody", lanesOf[string(switcher.Blue)]), t.bar(s, "nobody", lanesOf[string(switcher.Green)])}
}

func (t tale) levelBar(s stretch) bar {
	if at, known := levelLane[s.is]; known {
		return t.bar(s, "was "+strings.ToLower(s.is), at)
	}
	return t.bar(s, "nobody", levelLane[verify.Unknown.String()])
}

func (t tale) bar(s stretch, class string, at [2]int) bar {
	return bar{X: t.x(s.from), W: text(fmt.Sprintf("%.2f%%", 100*t.share(s.to.Sub(s.from)))), Class: text(class), Y: at[0], H: at[1]}
}

// tickHours is how far the hours are apart that are named.
const tickHours = 6

// ticks are full hours of the day where it is read: none that a change of its time
// leaves out, and none twice.
func (t tale) ticks() (list []tick) {
	year, month, today := t.start.Date()
	for hour := 0; ; hour += tickHours {
		at := time.Date(year, month, today, hour, 0, 0, 0, t.now.Location())
		if !at.Before(t.now) {
			return list
		}
		if at.After(t.start) && at.Hour() == hour%24 {
			list = append(list, t.tick(at))
		}
	}
}

// tick keeps the words within the picture, and leaves them out where they would
// come too near to the next.
func (t tale) tick(at time.Time) tick {
	v := tick{X: t.x(at), Anchor: "middle", Words: text(at.Format("15:04"))}
	share := t.share(at.Sub(t.start))
	if share < 0.08 {
		v.Anchor = "start"
	} else if share > 0.92 {
		v.Anchor = "end"
	}
	if share < 0.04 || share > 0.96 {
		v.Words = ""
	}
	return v
}

// summary is the whole picture in a sentence.
func (t tale) summary(d Day) string {
	var words []string
	for _, c := range []switcher.Color{switcher.Blue, switcher.Green} {
		if time := lasted(t.live, string(c)); time > 0 {
			words = append(words, fmt.Sprintf("%s was live for %s", c, hours(time)))
		}
	}
	if time := lasted(t.live, ""); time > 0 {
		words = append(words, fmt.Sprintf("which color was live is unknown for %s", hours(time)))
	}
	done, failed := t.count("switch"), t.count("failed")
	words = append(words, times(done, "switch", "switches"))
	if failed > 0 {
		words = append(words, fmt.Sprintf("%d failed or refused", failed))
	}
	if drills := t.count("drill"); drills > 0 {
		words = append(words, times(drills, "switch in a drill", "switches in drills"))
	}
	for _, level := range []verify.Level{verify.Critical, verify.Warning, verify.Unknown} {
		if time := lasted(t.level, level.String()); time > 0 {
			words = append(words, fmt.Sprintf("%s for %s", level, hours(time)))
		}
	}
	if d.Cut {
		words = append(words, fmt.Sprintf("all of this by the last %d records alone: the history has more", recordsLimit))
	}
	if d.Err != nil {
		words = append(words, fmt.Sprintf("the history cannot be read: %v", d.Err))
	}
	return strings.Join(words, "; ")
}

func times(n int, one, several string) string {
	switch n {
	case 0:
		return "no " + one
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

func (t tale) count(kind string) (n int) {
	for _, e := range t.events {
		if e.kind == kind {
			n++
		}
	}
	return n
}

// hours is a time of at most a day, to the minute; a shorter one to the second.
func hours(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	words := strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	if whole, found := strings.CutSuffix(words, "h0m"); found {
		return whole + "h"
	}
	return words
}
