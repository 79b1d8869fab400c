package nginxconf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Colors holds the values of each color in one place, as many of one as of the
// other. Value i of one color takes the place of value i of the other.
type Colors map[Color][]Value

// Place is where a color is decided in a file: how the words are found, and
// what they are in each color.
type Place struct {
	Selector Selector
	Colors   Colors
}

// Layout is all the places of a file. They change together.
type Layout []Place

// Validate tells what in the layout no file can fit.
func (l Layout) Validate() error {
	if len(l) == 0 {
		return errors.New("cannot use layout: it names no place")
	}
	var seen []string
	for _, p := range l {
		name := p.Selector.String()
		if err := p.Colors.Validate(); err != nil {
			return fmt.Errorf("cannot use layout: %s%w", prefixed(name), err)
		}
		if len(l) > 1 && (name == "" || name == ServerOf(Sole).String()) {
			return errors.New("cannot use layout: each of several places needs its own selector")
		}
		if slices.Contains(seen, name) {
			return fmt.Errorf("cannot use layout: `%s` is named twice", name)
		}
		seen = append(seen, name)
	}
	return nil
}

// Values are those of one color in all places.
func (l Layout) Values(c Color) []Value {
	var all []Value
	for _, p := range l {
		all = append(all, p.Colors[c]...)
	}
	return all
}

func prefixed(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

// ColorError is about one color of a place.
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
		return &ColorError{short, -1, c.unequal()}
	}
	return c.checkDistinct()
}

// unequal says how many values each color has.
func (c Colors) unequal() error {
	one, several := "address", "addresses"
	for _, v := range slices.Concat(c[Blue], c[Green]) {
		if _, is := v.(Address); !is {
			one, several = "value", "values"
		}
	}
	blue, green := len(c[Blue]), len(c[Green])
	if blue == green {
		return fmt.Errorf("blue and green have no %s; give each at least one", one)
	}
	return fmt.Errorf("blue has %s, green has %d; give both the same number", counted(blue, one, several), green)
}

func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

func servers(n int) string { return counted(n, "server", "servers") }

// checkDistinct refuses a value that stands for both colors, or twice.
func (c Colors) checkDistinct() error {
	var seen []Value
	for _, color := range []Color{Blue, Green} {
		for i, v := range c[color] {
			if v == nil || v.String() == "" {
				return &ColorError{color, i, errors.New("it has an empty value")}
			}
			if slices.ContainsFunc(seen, func(before Value) bool { return before.Is(v.String()) }) {
				return &ColorError{color, i, fmt.Errorf("%s is given twice", v)}
			}
			seen = append(seen, v)
		}
	}
	return nil
}

// find returns the color of a word of the file, and its place in it.
func (c Colors) find(word string) (color Color, i int, ok bool) {
	return c.findBy(func(v Value) bool { return v.Is(word) })
}

// findExactly is find where another way to write a name is another name.
func (c Colors) findExactly(word string) (color Color, i int, ok bool) {
	return c.findBy(func(v Value) bool { return exactly(v, word) })
}

func (c Colors) findBy(is func(Value) bool) (color Color, i int, ok bool) {
	for _, color := range []Color{Blue, Green} {
		if i := slices.IndexFunc(c[color], is); i >= 0 {
			return color, i, true
		}
	}
	return "", 0, false
}

// findTarget finds what a word says of where to pass to, and where that part
// of it stands.
func (c Colors) findTarget(w word) (Span, Color, bool) {
	span, target, plain := targetIn(w)
	if color, _, ok := c.findExactly(w.value); ok {
		return w.Span, color, true
	}
	color, _, ok := c.findExactly(target)
	return span, color, plain && ok
}

// texts are what value i of each color is written as.
func (c Colors) texts(i int) map[Color]string {
	return map[Color]string{Blue: c[Blue][i].String(), Green: c[Green][i].String()}
}

// String lists what a word may be, for messages.
func (c Colors) String() string {
	var all []string
	for _, color := range []Color{Blue, Green} {
		for _, v := range c[color] {
			all = append(all, fmt.Sprintf("%s (%s)", v, color))
		}
	}
	if last := len(all) - 1; last > 0 {
		all = append(all[:last-1], all[last-1]+" or "+all[last])
	}
	return strings.Join(all, ", ")
}
