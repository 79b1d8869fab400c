package switcher

import (
	"fmt"
	"slices"
	"time"

	"bgswitch/switcher/statedir"

	"github.com/rs/zerolog"
)

// story is what a switch did, step by step, and what the operator has to know
// besides. A step's name is its log line, its line in a dry run, the opening of
// its error, and its entry in the record.
type story struct {
	began time.Time
	steps []statedir.StepRecord
	notes []string
	log   zerolog.Logger
}

// take takes a step. Its error is an *Error that names it.
func (s *story) take(name string, do func() error) error {
	began := time.Now()
	err := do()
	taken := statedir.StepRecord{Step: name, TookMS: milliseconds(time.Since(began))}
	if err != nil {
		failed := asError(name, err)
		taken.Error, err = statedir.Text(failed.Error()), failed
	}
	s.steps = append(s.steps, taken)
	s.log.Debug().Float64("ms", taken.TookMS).Err(err).Msg(name)
	return err
}

// note notes something, once.
func (s *story) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
