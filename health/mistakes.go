package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one setting that cannot be used.
type Mistake struct {
	At  []string // its key as it is written, and what it is of below that: a header's name, a place in a list
	Err error    // in words that name the setting: what is wrong with it, and what is allowed
}

// Mistakes are all that a Validate found. As an error they are one line.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	var texts []string
	for _, mistake := range m {
		texts = append(texts, mistake.Err.Error())
	}
	return strings.Join(texts, "; ")
}

// Add notes what is wrong with the setting at a key, or with all of them; a nil
// error is nothing.
// What is Mistakes already is about settings below that key.
func (m *Mistakes) Add(err error, at ...string) {
	var below Mistakes
	switch {
	case errors.As(err, &below):
		for _, mistake := range below {
			*m = append(*m, Mistake{slices.Concat(at, mistake.At), mistake.Err})
		}
	case err != nil && len(at) == 0:
		*m = append(*m, Mistake{nil, err})
	case err != nil:
		*m = append(*m, Mistake{at, fmt.Errorf("%s: %w", at[len(at)-1], err)})
	}
}

// Found is the mistakes as an error, or nil where there are none.
func (m Mistakes) Found() error {
	if len(m) == 0 {
		return nil
	}
	return m
}
