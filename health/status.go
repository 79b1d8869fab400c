package health

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A backend's last answer is never 1xx (net/http reads on), and nothing above 599 has a meaning (RFC 9110, section 15).
const (
	lowestStatus  = 200
	highestStatus = 599
)

// StatusRange is From to To, both included.
type StatusRange struct{ From, To int }

func (r StatusRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// StatusRanges are the good answers: those inside any of them.
type StatusRanges []StatusRange

// Has tells whether status is inside one of the ranges.
func (rs StatusRanges) Has(status int) bool {
	return slices.ContainsFunc(rs, func(r StatusRange) bool { return r.From <= status && status <= r.To })
}

func (rs StatusRanges) validate() error {
	if len(rs) == 0 {
		return fmt.Errorf("none given; use at least one, such as 200 or 200-299")
	}
	for _, r := range rs {
		if err := r.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (r StatusRange) validate() error {
	if r.From < lowestStatus || r.To > highestStatus || r.From > r.To {
		return errStatus(r.String())
	}
	return nil
}

// ParseStatusRange reads "200" or "200-299". Its error names the text.
func ParseStatusRange(text string) (StatusRange, error) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	low, errLow := strconv.ParseUint(from, 10, 16)
	high, errHigh := strconv.ParseUint(to, 10, 16)
	if errLow != nil || errHigh != nil {
		return StatusRange{}, errStatus(text)
	}
	r := StatusRange{int(low), int(high)}
	return r, r.validate()
}

func errStatus(text string) error {
	return fmt.Errorf("%q is not allowed; use %d to %d or a range such as 200-299", text, lowestStatus, highestStatus)
}
