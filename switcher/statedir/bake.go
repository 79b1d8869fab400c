package statedir

import "time"

// Bake is what came of watching a color after a switch.
type Bake struct {
	Outcome   string    `json:"outcome"`
	Until     time.Time `json:"until"` // when it was to end
	TookMS    *float64  `json:"took_ms"`
	Questions int       `json:"questions"` // that were asked of the color
	Failed    int       `json:"failed"`    // of them
	Requests  *int      `json:"requests"`  // that the access log told of; nil: it was not read
	Errors    *int      `json:"errors"`    // of them, those answered 5xx
	Judged    *bool     `json:"judged"`    // whether that was judged: not where too few came; nil: it was not read
	Error     Text      `json:"error"`     // why the color was left, or should have been
}

// How a Bake ended. The record says that it has begun before it has ended, and goes
// on to say so where another switch ended it, or nobody did.
const (
	BakeBegun    = "begun"
	BakePassed   = "passed"
	BakeEnded    = "ended" // by hand: the color stays
	BakeWentBack = "went back"
	BakeStuck    = "stuck" // it could not go back
)
