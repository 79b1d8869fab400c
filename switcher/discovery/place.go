// Package discovery looks for what decides a color in a whole nginx configuration,
// when nobody has said yet where that is and what the colors are. It reads and
// asks, and changes nothing. What it is sure of stands in the configuration; the
// rest is called a guess, and for others to answer.
package discovery

import (
	"fmt"
	"slices"

	"bgswitch/nginxconf"
)

// Place is where a color is decided, as far as the configuration tells.
type Place struct {
	File     string // as nginx opened it; of whole files: the copy, or the link
	Line     int    // where the word stands; 0: all of the file decides
	Says     string // the statement, or where the link leads
	Selector string // empty: whole files decide
	Upstream string // that it decides, if any

	Live, Idle []string        // the values that are there now, and those of the other copy; no Idle: nothing tells
	LiveIs     nginxconf.Color // the color that is live, as names or comments have it; empty: nothing tells
	Ask        [2][]string     // where each listens, live and idle, where the values are no addresses
	Sure       bool            // the configuration itself names both
	Why        string          // how the idle ones are known

	Pass    string            // the directive that passes to it: proxy_pass, ...
	Servers []*nginxconf.Said // the servers and locations that pass to it, and what passes
}

// Known says that both copies are, if only by a guess.
func (p *Place) Known() bool { return len(p.Idle) > 0 }

// Whole says that whole files decide.
func (p *Place) Whole() bool { return p.Selector == "" }

// At is the place in the words of compilers.
func (p *Place) At() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Of are the values of a color. Where nothing tells which is live, it is blue.
func (p *Place) Of(c nginxconf.Color) []string {
	if c == p.LiveColor() {
		return p.Live
	}
	return p.Idle
}

// AskOf is where a color listens, as far as it is known.
func (p *Place) AskOf(c nginxconf.Color) []string {
	i := 1
	if c == p.LiveColor() {
		i = 0
	}
	if len(p.Ask[i]) > 0 || p.Whole() {
		return p.Ask[i]
	}
	return p.Of(c)
}

// LiveColor is the color that is live: as it is named, else the one whose value
// comes first.
func (p *Place) LiveColor() nginxconf.Color {
	switch {
	case p.LiveIs != "":
		return p.LiveIs
	case p.Known() && slices.Compare(p.Idle, p.Live) < 0:
		return nginxconf.Green
	}
	return nginxconf.Blue
}

// Doubt is something that looks as if it decided a color, and cannot be switched
// as it is.
type Doubt struct {
	File string
	Line int
	What string
	Mend string // what would have to change
}

func (d Doubt) String() string {
	if d.Line == 0 {
		return fmt.Sprintf("%s: %s", d.File, d.What)
	}
	return fmt.Sprintf("%s:%d: %s", d.File, d.Line, d.What)
}

// Found is what a configuration holds.
type Found struct {
	Places []*Place // both copies are known, if only by a guess
	Bare   []*Place // nothing tells of a second copy
	Doubts []Doubt
	Unread []error // of files that are not understood
}
