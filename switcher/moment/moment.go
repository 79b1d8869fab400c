// Package moment writes times as people read them: where they are, with the zone.
package moment

import "time"

// Layout is how a time is written that names its zone.
const Layout = "2006-01-02 15:04:05 MST"

// Text is the day and the time of day, where it is read.
func Text(t time.Time) string { return t.Local().Format(Layout) }

// Clock is the time of day, of a moment that is near.
func Clock(t time.Time) string { return t.Local().Format("15:04:05 MST") }
