package main

import (
	"errors"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/statedir"
)

// schema is the version of every JSON object that is printed.
const schema = 1

// switchObject is what `to` and `back` print with --json.
type switchObject struct {
	Schema   int                   `json:"schema"`
	Site     string                `json:"site"`
	Outcome  switcher.Outcome      `json:"outcome"`
	From     switcher.Color        `json:"from"`
	To       switcher.Color        `json:"to"`
	Proof    string                `json:"proof"`
	TookMS   float64               `json:"took_ms"`
	CutOver  float64               `json:"cut_over_ms"`
	Handover string                `json:"handover"`
	Draining int                   `json:"draining"`
	Steps    []statedir.StepRecord `json:"steps"`
	Would    []string              `json:"would,omitempty"`
	Diff     string                `json:"diff,omitempty"`
	Target   *colorObject          `json:"target,omitempty"`
	Notes    []string              `json:"notes"`
	Error    string                `json:"error,omitempty"`
	Traffic  string                `json:"traffic,omitempty"`
	Hint     string                `json:"hint,omitempty"`
}

func switchObjectOf(r switcher.Result, err error) switchObject {
	o := switchObject{
		Schema: schema, Site: r.Record.Site, Outcome: r.Outcome, From: r.Plan.From, To: r.Plan.To,
		Proof: r.Record.Proof, TookMS: r.Record.TookMS, CutOver: r.Record.CutOverMS,
		Steps: r.Record.Steps, Would: r.Steps, Notes: r.Notes, Draining: r.Draining,
	}
	if o.Notes == nil {
		o.Notes = []string{}
	}
	if g := r.Record.Generation; g != nil {
		o.Handover = string(g.Handover)
	}
	if r.Outcome == switcher.Planned {
		o.Diff = r.Plan.Diff()
	}
	if len(r.Verdicts) > 0 {
		target := colorObjectOf(r.Verdicts)
		o.Target = &target
	}
	var failed *switcher.Error
	if errors.As(err, &failed) {
		o.Error, o.Traffic, o.Hint = failed.Error(), failed.Traffic, failed.Hint
	}
	return o
}

// colorObject is one color's health.
type colorObject struct {
	Backends []backendObject `json:"backends"`
	Healthy  bool            `json:"healthy"`
	TookMS   float64         `json:"took_ms"`
	Reason   string          `json:"reason"`
}

type backendObject struct {
	Backend string  `json:"backend"`
	Healthy bool    `json:"healthy"`
	TookMS  float64 `json:"took_ms"`
	Reason  string  `json:"reason"`
}

func colorObjectOf(verdicts []health.Verdict) colorObject {
	o := colorObject{Healthy: health.Healthy(verdicts), Backends: []backendObject{}}
	for _, v := range verdicts {
		took := float64(v.Latency.Microseconds()) / 1000
		o.Backends = append(o.Backends, backendObject{v.Backend, v.Healthy, took, v.Reason})
		o.TookMS = max(o.TookMS, took)
		if !v.Healthy && o.Reason == "" {
			o.Reason = v.Backend + ": " + v.Reason
		}
	}
	return o
}

// statusObject is what `status` prints with --json.
type statusObject struct {
	Schema int          `json:"schema"`
	Sites  []siteObject `json:"sites"`
}

type siteObject struct {
	Site       string           `json:"site"`
	Live       *switcher.Color  `json:"live"`
	File       fileObject       `json:"file"`
	Running    runningObject    `json:"running"`
	Answers    *switcher.Color  `json:"answers"`
	Drift      []switcher.Drift `json:"drift"`
	Blue       colorObject      `json:"blue"`
	Green      colorObject      `json:"green"`
	LastSwitch *statedir.Record `json:"last_switch"`
	Switching  *lock.Holder     `json:"switching,omitempty"`
}

type fileObject struct {
	Path  string          `json:"path"`
	Color *switcher.Color `json:"color"`
	Error string          `json:"error,omitempty"`
}

type runningObject struct {
	PID      *int   `json:"pid"`
	Workers  int    `json:"workers"`
	Draining int    `json:"draining"`
	Loaded   *bool  `json:"loaded"`
	Why      string `json:"why"`
}

func siteObjectOf(st switcher.Status) siteObject {
	o := siteObject{
		Site: st.Site, Live: known(st.Live), Answers: known(st.Answers), Drift: st.Drift,
		File: fileObject{Path: st.Path, Color: known(st.Live), Error: errorText(st.FileErr)},
		Running: runningObject{
			Workers: len(st.Running.Workers.Serving), Draining: len(st.Running.Workers.Draining),
			Loaded: st.Running.Is, Why: st.Running.Why,
		},
		Blue: colorObjectOf(st.Colors[switcher.Blue]), Green: colorObjectOf(st.Colors[switcher.Green]),
		LastSwitch: st.Last, Switching: st.Holder,
	}
	if o.Drift == nil {
		o.Drift = []switcher.Drift{}
	}
	if st.Running.Err == nil {
		o.Running.PID = &st.Running.Workers.Master
	}
	return o
}

func known(c switcher.Color) *switcher.Color {
	if c == "" {
		return nil
	}
	return &c
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
