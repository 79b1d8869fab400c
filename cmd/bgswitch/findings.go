package main

import (
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// findingsObject is what `verify` prints with --json.
type findingsObject struct {
	Schema int             `json:"schema"`
	Level  verify.Level    `json:"level"`
	Exit   int             `json:"exit"`
	Error  statedir.Text   `json:"error"`
	Hint   statedir.Text   `json:"hint"`
	Sites  []findingObject `json:"sites"`
}

type findingObject struct {
	Site     string           `json:"site"`
	Level    verify.Level     `json:"level"`
	Text     string           `json:"text"`
	Event    statedir.Text    `json:"event"`
	LastedS  *float64         `json:"lasted_s"`
	Since    statedir.Moment  `json:"since"`
	Problems []verify.Problem `json:"problems"`
	WayBack  wayBackObject    `json:"way_back"`
	Failover *verify.Failover `json:"failover"`
	Totals   verify.Totals    `json:"totals"`
	Notes    []string         `json:"notes"`
	Status   *siteObject      `json:"status"`
}

type wayBackObject struct {
	Open   *bool         `json:"open"`
	Tested bool          `json:"tested"`
	Error  statedir.Text `json:"error"`
}

// ackObject is what `verify --ack` prints with --json.
type ackObject struct {
	Schema int           `json:"schema"`
	Sites  []ackedObject `json:"sites"`
}

type ackedObject struct {
	Site         string `json:"site"`
	Acknowledged bool   `json:"acknowledged"`
}

func findingsObjectOf(findings []verify.Finding) findingsObject {
	level := verify.LevelOf(findings)
	o := findingsObject{Schema: schema, Level: level, Exit: int(level), Sites: []findingObject{}}
	for _, f := range findings {
		o.Sites = append(o.Sites, findingObjectOf(f))
	}
	return o
}

func findingObjectOf(f verify.Finding) findingObject {
	o := findingObject{
		Site: f.Site, Level: f.Level, Text: f.Text, Event: statedir.Text(f.Event), Since: statedir.Moment{Time: f.Memory.Since},
		Problems: append([]verify.Problem{}, f.Problems...), Notes: append([]string{}, f.Notes...),
		Failover: f.Memory.Failover, Totals: f.Memory.Totals,
		WayBack: wayBackObject{Open: f.WayOpen, Tested: f.Way.Tested, Error: errorText(f.Way.Err)},
	}
	if lasted := f.Lasted.Seconds(); lasted > 0 {
		o.LastedS = &lasted
	}
	if !f.Overlaps {
		status := siteObjectOf(f.Status)
		o.Status = &status
	}
	return o
}

// unknownObjectOf is what `verify --json` prints where it could not begin.
func unknownObjectOf(err error) findingsObject {
	o := findingsObjectOf(nil)
	o.Level, o.Exit, o.Error, o.Hint = verify.Unknown, int(verify.Unknown), errorText(err), statedir.Text(hintOf(err))
	return o
}
