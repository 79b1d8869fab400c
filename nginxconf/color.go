package nginxconf

import (
	"encoding/json"
	"fmt"
)

// Color names one of the two copies of a site. The zero value is neither.
type Color string

// The two colors.
const (
	Blue  Color = "blue"
	Green Color = "green"
)

// MarshalJSON writes null for neither.
func (c Color) MarshalJSON() ([]byte, error) {
	if c == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(c))
}

// Other returns the opposite color.
func (c Color) Other() Color {
	if c == Blue {
		return Green
	}
	return Blue
}

// ParseColor accepts exactly "blue" and "green".
func ParseColor(s string) (Color, error) {
	if c := Color(s); c == Blue || c == Green {
		return c, nil
	}
	return "", fmt.Errorf("cannot read color: %s: expected blue or green", quote(s))
}
