package statedir

import (
	"fmt"
	"time"

	"bgswitch/nginxconf"
)

// Drill is a switch there and back that was made to practice both. What its fields
// mean stands in examples/json.md.
type Drill struct {
	Time         time.Time       `json:"time"`
	From         nginxconf.Color `json:"from"`
	To           nginxconf.Color `json:"to"`
	Who          Text            `json:"who"`
	Host         Text            `json:"host"`
	Reason       Text            `json:"reason"`
	Live         bool            `json:"live"`
	Outcome      string          `json:"outcome"`
	Error        Text            `json:"error"`
	Rate         int             `json:"rate"`
	Requests     int             `json:"requests"`
	Failed       int             `json:"failed"`
	FirstFailure Text            `json:"first_failure"`
	There        *Leg            `json:"there"`
	Back         *Leg            `json:"back"`
	WayBackMS    *float64        `json:"way_back_ms"`
}

// Leg is one way of a drill.
type Leg struct {
	Outcome   string   `json:"outcome"`
	Proof     Text     `json:"proof"`
	TookMS    float64  `json:"took_ms"`
	CutOverMS *float64 `json:"cut_over_ms"`
	LastOldMS *float64 `json:"last_old_ms"`
	Late      int      `json:"late"`
}

// Drills are the one that has begun and is not over, or was killed, and the last
// that was: nil where there is none.
type Drills struct {
	Schema int    `json:"schema"`
	Begun  *Drill `json:"begun"`
	Last   *Drill `json:"last"`
}

// DrillBegun is the outcome of a drill that is not over.
const DrillBegun = "begun"

const (
	drillFile   = "drill.json"
	drillSchema = 1
)

// KeepDrills returns when that is on the disk. Only the holder of the lock may call
// it.
func (f Folder) KeepDrills(d Drills) error {
	d.Schema = drillSchema
	return f.Store(drillFile, d)
}

// Drills are what is kept of them.
func (f Folder) Drills() (d Drills, err error) {
	found, err := f.Load(drillFile, &d)
	if err == nil && found && d.Schema != drillSchema {
		return Drills{}, fmt.Errorf("%s: version %d is unknown", drillFile, d.Schema)
	}
	return d, err
}
