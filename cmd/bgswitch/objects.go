package main

import (
	"errors"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/statedir"
)

// schema is the version of every JSON object that is printed. What their fields
// mean stands in examples/json.md.
const schema = 1

// switchObject is what `to` and `back` print with --json: the record, and what
// it does not keep.
type switchObject struct {
	statedir.Record
	Draining *int             `json:"draining"`
	Return   *statedir.Record `json:"return"`
	Drain    *drainedObject   `json:"drain"`
	Would    []string         `json:"would"`
	Diff     statedir.Text    `json:"diff"`
	Target   *colorObject     `json:"target"`
	Notes    []string         `json:"notes"`
	Traffic  statedir.Text    `json:"traffic"`
	Hint     statedir.Text    `json:"hint"`
}

// switchesObject is what they print where they switch several sites.
type switchesObject struct {
	Schema int            `json:"schema"`
	Sites  []switchObject `json:"sites"`
}

func switchesObjectOf(results []switcher.Result, err error) any {
	if len(results) == 1 {
		return switchObjectOf(results[0], err, aftermath{})
	}
	o := switchesObject{Schema: schema}
	for _, r := range results {
		o.Sites = append(o.Sites, switchObjectOf(r, err, aftermath{}))
	}
	return o
}

func switchObjectOf(r switcher.Result, err error, after aftermath) switchObject {
	o := switchObject{Record: r.Record, Would: r.Steps, Notes: append([]string{}, r.Notes...)}
	if r.Record.Generation != nil {
		o.Draining = &r.Draining
	}
	if after.drain != nil {
		drained := drainedObjectOf(*after.drain)
		o.Drain = &drained
	}
	if baked := after.bake; baked != nil {
		err, o.Notes = baked.Err, append(o.Notes, baked.Notes...)
		if baked.Return != nil {
			o.Return = &baked.Return.Record
		}
	}
	if r.Outcome == switcher.Planned {
		o.Diff = statedir.Text(r.Plan.Diff())
	}
	if len(r.Verdicts) > 0 {
		target := colorObjectOf(r.Verdicts)
		o.Target = &target
	}
	var failed *switcher.Error
	if errors.As(err, &failed) {
		if o.Diff == "" {
			o.Diff = statedir.Text(failed.Diff)
		}
		o.Traffic, o.Hint = statedir.Text(failed.Traffic), statedir.Text(failed.Hint)
	}
	return o
}

// colorObject is one color's health.
type colorObject struct {
	Backends []backendObject `json:"backends"`
	Healthy  *bool           `json:"healthy"` // null: nobody was asked
	TookMS   *float64        `json:"took_ms"`
	Reason   statedir.Text   `json:"reason"`
}

type backendObject struct {
	Backend string   `json:"backend"`
	Healthy bool     `json:"healthy"`
	TookMS  *float64 `json:"took_ms"`
	Reason  string   `json:"reason"`
}

func colorObjectOf(verdicts []health.Verdict) colorObject {
	o := colorObject{Backends: []backendObject{}, Healthy: healthOf(verdicts)}
	for _, v := range verdicts {
		var took *float64
		if ms := milliseconds(v.Latency); ms > 0 {
			took = &ms
		}
		if o.TookMS == nil || took != nil && *took > *o.TookMS {
			o.TookMS = took
		}
		o.Backends = append(o.Backends, backendObject{v.Backend, v.Healthy, took, v.Reason})
		if !v.Healthy && o.Reason == "" {
			o.Reason = statedir.Text(v.Backend + ": " + v.Reason)
		}
	}
	return o
}

// healthOf says whether all that was asked is healthy; nil: nobody was.
func healthOf(verdicts []health.Verdict) *bool {
	if len(verdicts) == 0 {
		return nil
	}
	healthy := health.Healthy(verdicts)
	return &healthy
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// statusObject is what `status` prints with --json.
type statusObject struct {
	Schema int          `json:"schema"`
	Time   time.Time    `json:"time"`
	Sites  []siteObject `json:"sites"`
}

func statusObjectOf(statuses []switcher.Status, at time.Time) statusObject {
	o := statusObject{Schema: schema, Time: at.UTC(), Sites: []siteObject{}}
	for _, st := range statuses {
		o.Sites = append(o.Sites, siteObjectOf(st))
	}
	return o
}

type siteObject struct {
	Site       string           `json:"site"`
	Live       switcher.Color   `json:"live"`
	File       fileObject       `json:"file"`
	Files      []fileObject     `json:"files"`
	Running    runningObject    `json:"running"`
	Answers    switcher.Color   `json:"answers"`
	Drift      []switcher.Drift `json:"drift"`
	Blue       colorObject      `json:"blue"`
	Green      colorObject      `json:"green"`
	LastSwitch *statedir.Record `json:"last_switch"`
	Switching  *lock.Holder     `json:"switching"`
	Hooked     bool             `json:"hooked"`
	Bake       *bakingObject    `json:"bake"`
	BakeError  statedir.Text    `json:"bake_error"`
	Drain      *drainedObject   `json:"drain"`
	Releases   []releaseObject  `json:"releases"`
	Blocks     []statedir.Block `json:"blocks"`
	Drills     *drillsObject    `json:"drills"`
}

type fileObject struct {
	Path  string         `json:"path"`
	Color switcher.Color `json:"color"`
	Error statedir.Text  `json:"error"`
}

type runningObject struct {
	PID       *int             `json:"pid"`
	Container *containerObject `json:"container"`
	Workers   *int             `json:"workers"`
	Draining  *int             `json:"draining"`
	Loaded    *bool            `json:"loaded"`
	Why       statedir.Text    `json:"why"`
}

func siteObjectOf(st switcher.Status) siteObject {
	return siteObject{
		Site: st.Site, Live: st.Live, Answers: st.Answers, Drift: append([]switcher.Drift{}, st.Drift...),
		File:    fileObject{Path: st.Path, Color: st.Live, Error: errorText(st.FileErr)},
		Files:   filesOf(st),
		Running: runningObjectOf(st.Running),
		Blue:    colorObjectOf(st.Colors[switcher.Blue]), Green: colorObjectOf(st.Colors[switcher.Green]),
		LastSwitch: st.Last, Switching: st.Holder, Hooked: st.Hooked, Bake: bakingOf(st.Baking), BakeError: errorText(st.BakingErr), Drain: drainOfStatus(st), Releases: releasesOf(st.Releases), Blocks: blocksOf(st), Drills: drillsObjectOf(st.Drills),
	}
}

// blocksOf is nil where they are unknown.
func blocksOf(st switcher.Status) []statedir.Block {
	if st.Unread != nil {
		return nil
	}
	return append([]statedir.Block{}, st.Blocks...)
}

// bakingObject is a bake that has not ended.
type bakingObject struct {
	From   switcher.Color `json:"from"`
	To     switcher.Color `json:"to"`
	Began  time.Time      `json:"began"`
	Until  time.Time      `json:"until"`
	CutOff bool           `json:"cut_off"`
	By     *lock.Holder   `json:"watched_by"`
}

func bakingOf(b *switcher.Baking) *bakingObject {
	if b == nil {
		return nil
	}
	return &bakingObject{b.From, b.To, b.Began, b.Until, b.CutOff(), b.Holder}
}

func drainOfStatus(st switcher.Status) *drainedObject {
	if st.Drain == nil {
		return nil
	}
	o := drainedObjectOf(drained{Drain: *st.Drain})
	return &o
}

// filesOf are the files one by one, where they could be read.
func filesOf(st switcher.Status) []fileObject {
	list := []fileObject{}
	for _, f := range st.Files {
		list = append(list, fileObject{Path: f.Path, Color: f.Live, Error: errorText(f.Err)})
	}
	return list
}

// containerObject is where nginx runs that does not run on the host itself.
type containerObject struct {
	Name statedir.Text `json:"name"`
	File statedir.Text `json:"file"`
}

func runningObjectOf(r switcher.Running) runningObject {
	o := runningObject{Loaded: r.Is, Why: statedir.Text(r.Why)}
	if r.Err == nil {
		serving, draining := len(r.Workers.Serving), len(r.Workers.Draining)
		o.PID, o.Workers, o.Draining = &r.Workers.Master, &serving, &draining
		if in := r.Container; in != nil {
			o.Container = &containerObject{statedir.Text(in.Name), statedir.Text(in.At)}
		}
	}
	return o
}

func errorText(err error) statedir.Text {
	if err == nil {
		return ""
	}
	return statedir.Text(err.Error())
}
