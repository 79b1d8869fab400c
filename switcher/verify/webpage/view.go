package webpage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/verify"
)

// text is what may stand on a page: one line that is bounded and turns no
// direction of writing. Whatever is not ours becomes one by fit.
type text string

func fit(foreigners string) text { return text(foreign.Excerpt(foreigners)) }

func fitf(format string, args ...any) text { return fit(fmt.Sprintf(format, args...)) }

// view is the page as its template reads it.
type view struct {
	Title, Summary, Host text
	Level                level
	Written              stamp
	Sites                []site
}

// stamp is a time for people, with its zone, and for programs.
type stamp struct{ Words, ISO text }

func stampOf(t time.Time) stamp {
	return stamp{text(t.Format(moment.Layout)), text(t.Format(time.RFC3339))}
}

// level is one of verify's; its class says how it looks.
type level struct{ Word, Class text }

func levelOf(l verify.Level) level {
	return level{text(l.String()), text(strings.ToLower(l.String()))}
}

// site is one site of the page.
type site struct {
	ID       text // of its heading
	Name     text
	Level    level
	Live     text // a color, or unknown
	Is       text // what that is
	Release  text
	Problems []text
	Colors   []color
	Facts    []fact
	Day      day
}

// color is how one of them stands.
type color struct {
	Name, Role, Release text
	Health, Class       text
	Backends            []text
}

// fact is one thing that is known of a site, in words.
type fact struct {
	Name  text
	Words []text
	Mend  []text // the commands that mend it
	Bad   bool
}

func viewOf(host string, now time.Time, sites []Site) view {
	v := view{Host: fit(host), Written: stampOf(now)}
	var findings []verify.Finding
	for i, s := range sites {
		findings = append(findings, s.Finding)
		v.Sites = append(v.Sites, siteOf(fmt.Sprintf("site-%d", i+1), s, now))
	}
	v.Level = levelOf(verify.LevelOf(findings))
	v.Summary = text(summary(findings))
	v.Title = fitf("%s: %s", v.Level.Word, v.Summary)
	return v
}

// summary says of how many sites what was found, the worst first.
func summary(findings []verify.Finding) string {
	counts := map[verify.Level]int{}
	for _, f := range findings {
		counts[f.Level]++
	}
	var words []string
	for _, l := range []verify.Level{verify.Critical, verify.Unknown, verify.Warning, verify.OK} {
		if counts[l] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[l], l))
		}
	}
	return switcher.Counted(len(findings), "site") + ": " + strings.Join(words, ", ")
}

func siteOf(id string, s Site, now time.Time) site {
	f := s.Finding
	v := site{
		ID: text(id), Name: fit(f.Site), Level: levelOf(f.Level), Live: "unknown", Is: text(isLive(f.Status)),
		Facts: facts(f), Day: dayOf(id, s, now),
	}
	if live := f.Status.Live; live != "" {
		v.Live, v.Release = fit(string(live)), releaseOf(f.Status.Releases[live])
	}
	for _, p := range f.Problems {
		v.Problems = append(v.Problems, fitf("%s: %s", p.Level, p.Text))
	}
	for _, c := range []switcher.Color{switcher.Blue, switcher.Green} {
		v.Colors = append(v.Colors, colorOf(f, c))
	}
	return v
}

// isLive says how much is known of the live color.
func isLive(st switcher.Status) string {
	switch {
	case st.Live == "":
		return "is all that can be said of the live color"
	case st.Serves():
		return "is live"
	case len(st.Drift) > 0:
		return "is live by the file, with DRIFT"
	}
	return "is live by the file; whether " + st.Server + " has loaded it is unknown"
}

// releaseOf is empty where nobody says what a color carries.
func releaseOf(r switcher.Release) text {
	if r.Name == "" && r.Err == nil && r.Fled == nil {
		return ""
	}
	return fit(r.String())
}

// backendsShown is how many of a color are listed.
const backendsShown = 8

// rank puts those first that are not healthy.
func rank(v health.Verdict) int {
	if v.Healthy {
		return 1
	}
	return 0
}

func colorOf(f verify.Finding, c switcher.Color) color {
	v := color{Name: text(c), Role: "idle", Release: releaseOf(f.Status.Releases[c]), Health: "healthy", Class: "good"}
	if c == f.Status.Live {
		v.Role = "live"
	} else if f.Status.Live == "" {
		v.Role = ""
	}
	verdicts := slices.Clone(f.Status.Colors[c])
	slices.SortStableFunc(verdicts, func(a, b health.Verdict) int { return rank(a) - rank(b) })
	if !f.Asked(c) {
		v.Health, v.Class = "not asked", "unasked"
	}
	for _, verdict := range verdicts[:min(len(verdicts), backendsShown)] {
		if !verdict.Healthy && f.Asked(c) {
			v.Health, v.Class = "UNHEALTHY", "bad"
		}
		v.Backends = append(v.Backends, fitf("%s: %s in %s", verdict.Backend, verdict.Reason, health.Short(verdict.Latency)))
	}
	if more := len(verdicts) - backendsShown; more > 0 {
		v.Backends = append(v.Backends, fitf("and %d more", more))
	}
	return v
}
