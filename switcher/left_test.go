package switcher

import (
	"sync"
	"testing"

	"bgswitch/health"
	"bgswitch/switcher/release"
	"bgswitch/switcher/statedir"
)

// A switch that is refused before the link of the color that it would leave was read
// waits for that; an app, which may hang, is not waited for.
func TestLinkIsReadForTheRecord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source release.Source
		want   statedir.ReleaseRecord
	}{
		"link": {release.Source{Link: "/srv/green"}, statedir.ReleaseRecord{FromRelease: "v43"}},
		"app":  {release.Source{URL: health.MustParseURL("http://127.0.0.1:1/")}, statedir.ReleaseRecord{FromRelease: "v42", FromSaid: true}},
	} {
		came := make(chan struct{})
		waited := func() Release {
			close(came)
			return Release{Name: "v43"}
		}
		p := &part{
			Switcher: &Switcher{Site: Site{Releases: Releases{Of: map[Color]release.Source{Green: test.source}}}},
			survey:   &Survey{}, plan: Plan{From: Green, To: Blue},
			readings: readings{Green: {came: came, wait: sync.OnceValue(waited)}},
			said:     func() Release { return Release{Name: "v42", Said: true} },
		}
		var r Result
		r.Outcome = Unexpected
		p.addRelease(&r)
		if r.Record.ReleaseRecord != test.want {
			t.Errorf("%s: recorded %+v, want %+v", name, r.Record.ReleaseRecord, test.want)
		}
	}
}
