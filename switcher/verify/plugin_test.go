package verify

import (
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
)

func TestLine(t *testing.T) {
	t.Parallel()
	healthy := health.Verdict{Backend: "127.0.0.1:3001", Healthy: true, Latency: 1234 * time.Microsecond}
	slower := health.Verdict{Healthy: true, Latency: 2 * time.Second}
	sick := health.Verdict{Reason: "connection refused"}
	one := Finding{Site: "a", Text: "fine | so far", Status: switcher.Status{Colors: map[switcher.Color][]health.Verdict{
		switcher.Blue: {healthy, slower}, switcher.Green: {healthy, sick},
	}}}
	two := Finding{Site: "b", Text: "bad", Level: Critical}
	for _, c := range []struct {
		findings []Finding
		want     string
	}{
		{[]Finding{one}, "BGSWITCH OK - a: fine / so far | blue=2.0000s green=U"},
		{[]Finding{one, two}, "BGSWITCH CRITICAL - b: bad; a: fine / so far | a.blue=2.0000s a.green=U b.blue=U b.green=U"},
	} {
		if got := Line(c.findings); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}
