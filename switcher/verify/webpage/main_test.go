package webpage

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, wherever they run

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// noon is when the pages of the tests are written.
var noon = time.Date(2026, 11, 30, 12, 3, 7, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func record(before time.Duration, from, to switcher.Color, outcome switcher.Outcome) statedir.Record {
	return statedir.Record{Time: ago(before), Site: "shop", Command: "to", From: from, To: to, Who: "alice", Host: "web1", Outcome: string(outcome)}
}

// well is a site that is well, and was switched to and fro.
func well() Site {
	open := true
	green := record(3*time.Hour, switcher.Blue, switcher.Green, switcher.Done)
	green.Reason, green.ToRelease, green.FromRelease = "new checkout", "2026.11.30-1", "2026.11.28-4"
	failed := record(3*time.Hour+20*time.Minute, switcher.Blue, switcher.Green, switcher.RolledBack)
	failed.Error = "green answered with the wrong mark 5 times"
	drill := record(17*time.Hour, switcher.Blue, switcher.Green, switcher.Done)
	drill.Command = statedir.DrillCommand
	drillBack := record(17*time.Hour-4*time.Minute, switcher.Green, switcher.Blue, switcher.Done)
	drillBack.Command = statedir.DrillCommand
	before := record(50*time.Hour, switcher.Green, switcher.Blue, switcher.Done)
	return Site{
		Finding: verify.Finding{
			Site: "shop", Text: "green live", WayOpen: &open, Way: switcher.Way{Tested: true},
			Status: switcher.Status{
				Site: "shop", Server: "nginx", Live: switcher.Green, Answers: switcher.Green, Last: &green,
				Running: switcher.Running{Matters: true, Loaded: switcher.Loaded{Is: &open}},
				Colors: map[switcher.Color][]health.Verdict{
					switcher.Blue:  {{Backend: "127.0.0.1:3001", Healthy: true, Reason: "status 200", Latency: 1300 * time.Microsecond}},
					switcher.Green: {{Backend: "127.0.0.1:3002", Healthy: true, Reason: "status 200", Latency: 900 * time.Microsecond}},
				},
				Releases: map[switcher.Color]switcher.Release{switcher.Blue: {Name: "2026.11.28-4"}, switcher.Green: {Name: "2026.11.30-1"}},
			},
		},
		Day: Day{
			Records: []statedir.Record{green, failed, drillBack, drill, before},
			Past: []verify.Change{
				{Time: ago(60 * time.Hour), Live: switcher.Green, Level: "OK"},
				{Time: ago(11 * time.Hour), Live: switcher.Blue, Level: "WARNING", Why: "no way back: green 127.0.0.1:3002 status 503"},
				{Time: ago(10*time.Hour + 20*time.Minute), Live: switcher.Blue, Level: "OK"},
			},
		},
	}
}

// ill is one with which nothing is well.
func ill() Site {
	s := well()
	f, st, shut := &s.Finding, &s.Finding.Status, false
	f.Site, f.Level, f.WayOpen = "api", verify.Critical, &shut
	f.Problems = []verify.Problem{
		{Key: "blue", Level: verify.Critical, Text: `blue is live by the file and UNHEALTHY: 10.0.0.7:8080 status 503: "db down"`},
		{Key: "blocked", Level: verify.Warning, Text: "no way back: green is blocked by bob on web1: broken migrations"},
	}
	st.Live, st.Answers, st.Answered = switcher.Blue, "", "status 502"
	st.Colors[switcher.Blue] = []health.Verdict{{Backend: "10.0.0.7:8080", Reason: `status 503: "db down"`, Latency: 2 * time.Second}, {Backend: "10.0.0.8:8080", Healthy: true, Reason: "status 200", Latency: time.Millisecond}}
	st.Drift = []switcher.Drift{{Key: switcher.DriftAnswers, What: "the file says blue, but neither color answers: status 502", Mend: "bgswitch to green --site api"}}
	st.Drain = &switcher.Drain{Color: switcher.Green, Workers: []switcher.OldWorker{{Worker: nginx.Worker{PID: 812}, Color: switcher.Green, Connections: 3}}, Backends: []switcher.Backend{{Name: "10.0.0.9:8080", Connections: 3}}}
	st.Baking = &switcher.Baking{From: switcher.Green, To: switcher.Blue, Began: ago(4 * time.Minute), Until: noon.Add(6 * time.Minute), Holder: &lock.Holder{PID: 4711}}
	st.Blocks = []statedir.Block{{Color: switcher.Green, Reason: "broken migrations", Signature: statedir.Signature{Who: "bob", Host: "web1", Time: ago(time.Hour)}}}
	st.Releases[switcher.Green] = switcher.Release{Err: errors.New("open /srv/api/green/VERSION: no such file or directory")}
	st.Holder = &lock.Holder{PID: 4712}
	back := record(4*time.Minute, switcher.Green, switcher.Blue, switcher.Done)
	back.Forced = true
	st.Last = &back
	s.Day.Records = append([]statedir.Record{back}, s.Day.Records...)
	s.Day.Past = append(s.Day.Past, verify.Change{Time: ago(90 * time.Minute), Live: switcher.Green, Level: "CRITICAL", Why: "green is live and UNHEALTHY: 10.0.0.9:8080 status 500"},
		verify.Change{Time: ago(3 * time.Minute), Live: switcher.Blue, Level: "CRITICAL"})
	return s
}

// strange is one of which nothing could be found out.
func strange() Site {
	failed := errors.New("open /var/lib/bgswitch/wiki/history.jsonl: permission denied")
	return Site{
		Finding: verify.Finding{
			Site: "wiki", Level: verify.Unknown,
			Problems: []verify.Problem{{Key: "file", Level: verify.Unknown, Text: "the live color is unknown: /etc/nginx/conf.d/wiki.conf:3: expected blue or green"}},
			Status:   switcher.Status{Server: "nginx", FileErr: failed, LastErr: failed, Unread: failed, BakingErr: failed, Running: switcher.Running{Err: failed}},
		},
		Day: Day{Err: failed},
	}
}

func htmlOf(t testing.TB, at time.Time, sites ...Site) string {
	t.Helper()
	text, err := HTML("web1", at, sites)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
