package webpage

import (
	"fmt"

	"bgswitch/switcher"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"
)

// facts are what else is known, each always in its place.
func facts(f verify.Finding) []fact {
	st := f.Status
	list := []fact{wayBack(f), drift(st), drain(st), bake(st), blocks(st), {Name: "last switch", Words: []text{lastSwitch(st)}}}
	if st.Holder != nil {
		list = append(list, fact{Name: "now", Words: []text{fitf("another bgswitch is at work: %s", st.Holder)}})
	}
	return list
}

func wayBack(f verify.Finding) fact {
	way := fact{Name: "way back"}
	switch {
	case f.WayOpen == nil:
		way.Words = []text{"unknown whether it is open"}
	case !*f.WayOpen:
		way.Words, way.Bad = []text{"not open"}, true
	case f.Way.Tested:
		way.Words = []text{"open, and nginx accepts the file"}
	default:
		way.Words = []text{"open, untested by nginx"}
	}
	return way
}

func drift(st switcher.Status) fact {
	v := fact{Name: "drift", Bad: len(st.Drift) > 0}
	for _, d := range st.Drift {
		v.Words, v.Mend = append(v.Words, fit(d.What)), append(v.Mend, fit(d.Mend))
	}
	switch {
	case v.Bad:
	case st.Live == "":
		v.Words = []text{"unknown"}
	default:
		v.Words = []text{"none"}
	}
	return v
}

func drain(st switcher.Status) fact {
	v := fact{Name: "drain"}
	switch d := st.Drain; {
	case d == nil && st.Running.Err != nil:
		v.Words = []text{"unknown"}
	case d == nil:
		v.Words = []text{"no old worker of nginx is left"}
	case d.Drained():
		v.Words = []text{fitf("nothing keeps %s", d.Color)}
	default:
		v.Words = []text{fitf("%s: do not stop %s yet", d, d.Color)}
	}
	return v
}

func bake(st switcher.Status) fact {
	switch {
	case st.BakingErr != nil:
		return fact{Name: "bake", Words: []text{fitf("unknown: %v", st.BakingErr)}}
	case st.Baking == nil:
		return fact{Name: "bake", Words: []text{"none"}}
	}
	return fact{Name: "bake", Words: []text{fit(st.Baking.String())}, Bad: st.Baking.CutOff()}
}

func blocks(st switcher.Status) fact {
	v := fact{Name: "blocks"}
	for _, b := range st.Blocks {
		v.Words = append(v.Words, fit(switcher.BlockWords(b)))
	}
	switch {
	case st.Unread != nil:
		v.Words = []text{fitf("unknown: %v", st.Unread)}
	case len(v.Words) == 0:
		v.Words = []text{"none"}
	}
	return v
}

func lastSwitch(st switcher.Status) text {
	switch {
	case st.LastErr != nil:
		return fitf("unknown: %v", st.LastErr)
	case st.Last == nil:
		return "none is recorded"
	}
	return fitf("%s: %s, %s", moment.Text(st.Last.Time), whatOf(*st.Last), detailsOf(*st.Last))
}

// whatOf says what a switch has come to.
func whatOf(r statedir.Record) string {
	if switcher.Outcome(r.Outcome) != switcher.Done {
		return fmt.Sprintf("switch to %s: %s", r.To, r.Outcome)
	}
	if r.From == r.To {
		return fmt.Sprintf("%s was loaded once more", r.To)
	}
	return fmt.Sprintf("%s became live", r.To)
}

// detailsOf are who did it and why, and what came of it.
func detailsOf(r statedir.Record) string {
	words := "by " + string(r.Who)
	if carries := r.ToRelease; carries != "" {
		words += ", release " + string(carries)
	}
	if r.Drill() {
		words += ", a drill"
	}
	if r.Forced {
		words += ", forced"
	}
	if r.Reason != "" {
		words += fmt.Sprintf(", %q", r.Reason)
	}
	if r.Error != "" {
		words += ": " + string(r.Error)
	}
	if r.Bake != nil && r.Bake.Outcome == statedir.BakeWentBack {
		words += "; its bake went back"
	}
	return words
}
