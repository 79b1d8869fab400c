package nginxconf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Colors holds the servers of each color of one upstream, as many of one as of
// the other. Server i of one color takes the place of server i of the other.
type Colors map[Color][]Address

// Layout says by upstream name which servers decide. The empty name is a bare
// fragment: `server …;` lines at the top level of a file that an upstream
// includes. Sole is whatever one of the two the file holds.
type Layout map[string]Colors

// Sole stands for the only upstream of the file, or the fragment.
const Sole = "*"

// Validate tells what in the layout no file can fit.
func (l Layout) Validate() error {
	if err := l.checkNames(); err != nil {
		return fmt.Errorf("cannot use layout: %w", err)
	}
	for _, name := range l.names() {
		if err := l[name].Validate(); err != nil {
			return fmt.Errorf("cannot use layout: %s: %w", title(name), err)
		}
	}
	return nil
}

func (l Layout) names() []string {
	return slices.Sorted(maps.Keys(l))
}

func (l Layout) checkNames() error {
	if len(l) == 0 {
		return errors.New("it names no upstream")
	}
	_, sole := l[Sole]
	_, fragment := l[""]
	if len(l) > 1 && (sole || fragment) {
		return errors.New("several upstreams each need their name")
	}
	return nil
}

// ColorError is about one color of an upstream.
type ColorError struct {
	Color  Color
	Server int // its place in the color; -1: the color as a whole
	Err    error
}

func (e *ColorError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ColorError) Unwrap() error { return e.Err }

// Validate tells what in the colors no file can fit. What is about one of them
// is a *ColorError.
func (c Colors) Validate() error {
	for color := range c {
		if _, err := ParseColor(string(color)); err != nil {
			return err
		}
	}
	blue, green := len(c[Blue]), len(c[Green])
	if blue != green || blue == 0 {
		short := Green
		if blue < green {
			short = Blue
		}
		return &ColorError{short, -1, fmt.Errorf("blue has %s and green has %s, expected equally many, and at least one", servers(blue), servers(green))}
	}
	return c.checkDistinct()
}

func servers(n int) string {
	if n == 1 {
		return "1 server"
	}
	return fmt.Sprintf("%d servers", n)
}

// checkDistinct refuses an address that stands for both colors, or twice.
func (c Colors) checkDistinct() error {
	var seen []Address
	for _, color := range []Color{Blue, Green} {
		for i, a := range c[color] {
			if a == (Address{}) {
				return &ColorError{color, i, errors.New("an address is empty")}
			}
			if slices.ContainsFunc(seen, a.Equal) {
				return &ColorError{color, i, fmt.Errorf("%s is named twice", a)}
			}
			seen = append(seen, a)
		}
	}
	return nil
}

// find returns the color of the address and its place in it.
func (c Colors) find(a Address) (color Color, i int, ok bool) {
	for _, color := range []Color{Blue, Green} {
		if i := slices.IndexFunc(c[color], a.Equal); i >= 0 {
			return color, i, true
		}
	}
	return "", 0, false
}

// String lists what a server may be, for messages.
func (c Colors) String() string {
	var all []string
	for _, color := range []Color{Blue, Green} {
		for _, a := range c[color] {
			all = append(all, fmt.Sprintf("%s (%s)", a, color))
		}
	}
	return strings.Join(all, ", ")
}

// title is how messages call an upstream.
func title(name string) string {
	switch name {
	case "":
		return "the file"
	case Sole:
		return "the upstream"
	}
	return "upstream " + name
}
