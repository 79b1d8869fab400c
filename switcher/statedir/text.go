package statedir

import (
	"encoding/json"
	"time"
)

// Text is null in JSON where there is none.
type Text string

// MarshalJSON writes null for an empty one.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Moment is null in JSON where it is not known.
type Moment struct{ time.Time }

// MarshalJSON writes null for the zero time.
func (m Moment) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte("null"), nil
	}
	return m.Time.MarshalJSON()
}
