package main

import (
	"time"

	"bgswitch/switcher/verify"
)

// findingsObject is what `verify` prints with --json.
type findingsObject struct {
	Schema int             `json:"schema"`
	Level  string          `json:"level"`
	Exit   int             `json:"exit"`
	Sites  []findingObject `json:"sites"`
}

type findingObject struct {
	Site     string           `json:"site"`
	Level    string           `json:"level"`
	Text     string           `json:"text"`
	Event    string           `json:"event,omitempty"`
	LastedS  float64          `json:"lasted_s,omitempty"`
	Since    *time.Time       `json:"since"` // when this level began; null: it is not remembered
	Problems []problemObject  `json:"problems"`
	WayBack  wayBackObject    `json:"way_back"`
	Failover *verify.Failover `json:"failover"`
	Totals   verify.Totals    `json:"totals"`
	Notes    []string         `json:"notes"`
	Status   siteObject       `json:"status"`
}

type problemObject struct {
	Key   string `json:"key"`
	Level string `json:"level"`
	Text  string `json:"text"`
}

type wayBackObject struct {
	Open   *bool  `json:"open"`
	Tested bool   `json:"tested"`
	Error  string `json:"error,omitempty"`
}

// ackObject is what `verify --ack` prints with --json.
type ackObject struct {
	Schema int           `json:"schema"`
	Sites  []ackedObject `json:"sites"`
}

type ackedObject struct {
	Site         string `json:"site"`
	Acknowledged bool   `json:"acknowledged"` // false: there was nothing to acknowledge
}

func findingsObjectOf(findings []verify.Finding) findingsObject {
	level := verify.LevelOf(findings)
	o := findingsObject{Schema: schema, Level: level.String(), Exit: int(level), Sites: []findingObject{}}
	for _, f := range findings {
		o.Sites = append(o.Sites, findingObjectOf(f))
	}
	return o
}

func findingObjectOf(f verify.Finding) findingObject {
	o := findingObject{
		Site: f.Site, Level: f.Level.String(), Text: f.Text, Event: f.Event, LastedS: f.Lasted.Seconds(),
		Problems: []problemObject{}, Notes: append([]string{}, f.Notes...), Failover: f.Memory.Failover, Totals: f.Memory.Totals,
		WayBack: wayBackObject{Open: f.WayOpen, Tested: f.Way.Tested, Error: errorText(f.Way.Err)},
		Status:  siteObjectOf(f.Status),
	}
	if !f.Memory.Since.IsZero() {
		o.Since = &f.Memory.Since
	}
	for _, p := range f.Problems {
		o.Problems = append(o.Problems, problemObject{p.Key, p.Level.String(), p.Text})
	}
	return o
}

// unknownObject is what `verify --json` prints where it could not begin.
type unknownObject struct {
	Schema int             `json:"schema"`
	Level  string          `json:"level"`
	Exit   int             `json:"exit"`
	Error  string          `json:"error"`
	Hint   string          `json:"hint,omitempty"`
	Sites  []findingObject `json:"sites"`
}

func unknownObjectOf(err error) unknownObject {
	return unknownObject{
		Schema: schema, Level: verify.Unknown.String(), Exit: int(verify.Unknown),
		Error: err.Error(), Hint: hintOf(err), Sites: []findingObject{},
	}
}
