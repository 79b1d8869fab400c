package main

import (
	"strings"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/statedir"
)

// showSite tells the verdicts last: what was asked may be long.
func (t *terminal) showSite(c checked) {
	for _, color := range c.colors {
		for _, v := range c.verdicts[color] {
			t.showTranscript(color, v)
		}
	}
	for _, color := range c.colors {
		site := t.painted(sgrBold, c.site)
		switch healthy := healthOf(c.verdicts[color]); {
		case healthy == nil:
			t.result("%s  %s was not asked: %s", site, t.color(color), switcher.NoURL(color))
		case *healthy:
			t.result("%s  %s is healthy", site, t.color(color))
		default:
			t.result("%s  %s is %s: %s", site, t.color(color), t.painted(sgrRed, "UNHEALTHY"), colorObjectOf(c.verdicts[color]).Reason)
		}
	}
}

func (t *terminal) showTranscript(color switcher.Color, v health.Verdict) {
	t.result("%s  %s  %s", t.color(color), v.Backend, v.Asked)
	for _, e := range v.Exchanges {
		word := inked("good")
		if !e.Good {
			word = t.painted(sgrRed, "bad")
		}
		t.result("  attempt %d  %s  %s  %s", e.Number, word, health.Short(e.Took), e.Reason)
		t.showExchange(e)
	}
	if len(v.Exchanges) == 0 {
		t.result("  %s", v.Reason)
	}
}

// showExchange marks the lines as curl does.
func (t *terminal) showExchange(e health.Exchange) {
	peer := "no connection"
	if e.Peer != "" {
		peer = "connected to " + e.Peer
	}
	t.result("    * %s", peer)
	for _, line := range e.Sent {
		t.result("    > %s", line)
	}
	for _, line := range e.Came {
		t.result("    < %s", line)
	}
	for line := range strings.Lines(e.Body) {
		t.result("    | %s", strings.TrimRight(line, "\r\n"))
	}
	switch {
	case e.Bytes > len(e.Body):
		t.result("    * the beginning of %d bytes", e.Bytes)
	case len(e.Sent) > 0 && len(e.Came) == 0 && e.Bytes == 0:
		t.result("    * nothing came")
	}
}

// checkObject is what `check` prints with --json.
type checkObject struct {
	Schema  int             `json:"schema"`
	Healthy *bool           `json:"healthy"`
	Sites   []checkedObject `json:"sites"`
}

type checkedObject struct {
	Site  string       `json:"site"`
	Blue  *askedObject `json:"blue"`
	Green *askedObject `json:"green"`
}

type askedObject struct {
	Healthy  *bool              `json:"healthy"`
	Backends []transcriptObject `json:"backends"`
}

type transcriptObject struct {
	Backend  string           `json:"backend"`
	Healthy  bool             `json:"healthy"`
	Asked    string           `json:"asked"`
	Reason   string           `json:"reason"`
	TookMS   float64          `json:"took_ms"`
	Attempts int              `json:"attempts"`
	Shown    []exchangeObject `json:"exchanges"`
}

type exchangeObject struct {
	Attempt   int           `json:"attempt"`
	Good      bool          `json:"good"`
	Reason    string        `json:"reason"`
	TookMS    float64       `json:"took_ms"`
	Peer      statedir.Text `json:"peer"`
	Sent      []string      `json:"sent"`
	Came      []string      `json:"came"`
	Body      statedir.Text `json:"body"`
	BodyBytes int           `json:"body_bytes"`
}

func checkedObjectOf(c checked) checkedObject {
	o := checkedObject{Site: c.site}
	for color, into := range map[switcher.Color]**askedObject{switcher.Blue: &o.Blue, switcher.Green: &o.Green} {
		if verdicts, asked := c.verdicts[color]; asked {
			*into = askedObjectOf(verdicts)
		}
	}
	return o
}

func askedObjectOf(verdicts []health.Verdict) *askedObject {
	o := &askedObject{Healthy: healthOf(verdicts), Backends: []transcriptObject{}}
	for _, v := range verdicts {
		shown := []exchangeObject{}
		for _, e := range v.Exchanges {
			shown = append(shown, exchangeObject{e.Number, e.Good, e.Reason, milliseconds(e.Took), statedir.Text(e.Peer), e.Sent, e.Came, statedir.Text(e.Body), e.Bytes})
		}
		o.Backends = append(o.Backends, transcriptObject{v.Backend, v.Healthy, v.Asked, v.Reason, milliseconds(v.Took), v.Attempts, shown})
	}
	return o
}
