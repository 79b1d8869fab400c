package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/statedir"
)

// hookedVictim is a site with commands of the operator's, which note in a file
// that they run.
func hookedVictim(t *testing.T) (v *victim, ran string) {
	t.Helper()
	v = newVictim(t)
	ran = filepath.Join(v.Dir, "ran")
	note := fmt.Sprintf("[/bin/sh, -c, 'echo $BGSWITCH_EVENT $BGSWITCH_REASON >>%s']\n", ran)
	v.write(v.Settings, v.SettingsText("    before: "+note+"    after: "+note))
	return v, ran
}

// Whenever a switch is killed, the next one or the history tells of the commands
// that had run: of before where nothing is recorded, and of after in the record.
func TestKilledAroundHooks(t *testing.T) {
	t.Parallel()
	v, ran := hookedVictim(t)
	colors := []string{"green", "blue"}
	round, told, begun := 0, 0, 0
	newest := func() statedir.Record {
		r, err := statedir.Of(v.StateDir, "myapp").Newest()
		if err != nil || r == nil {
			t.Fatal(r, err)
		}
		return *r
	}
	v.everyStep(0, stride(), func(p point) bool {
		round++
		v.agree("before", colors[round%2])
		before := newest()
		reason := fmt.Sprintf("round %d", round)
		r := v.at(p, killed, "to", colors[(round+1)%2], "--reason", reason)
		after, had := newest(), v.read(ran)
		recorded := !after.Time.Equal(before.Time)
		v.whole(p.String())
		_, out := v.bgswitch("to", colors[(round/2)%2], "--wait-lock", "20s")
		said := strings.Contains(out, "an earlier run was killed after its `before` had begun")
		switch {
		case strings.Contains(had, "before "+reason+"\n") && !recorded && !said:
			t.Errorf("killed before %s: before had run, nothing is recorded, and the next says\n%s", p, out)
		case recorded && said && after.After != nil && after.After.Outcome != statedir.HookBegun:
			t.Errorf("killed before %s: the record tells all, and the next says\n%s", p, out)
		case strings.Contains(had, "after "+reason+"\n") && (!recorded || after.Outcome != "done" || after.After == nil):
			t.Errorf("killed before %s: after had run, and the record is %+v", p, after)
		case !r.met && (after.After == nil || after.After.Outcome != statedir.HookDone):
			t.Errorf("nothing was killed, and the record is %+v", after)
		}
		if said {
			told++
		}
		if recorded && after.After != nil && after.After.Outcome == statedir.HookBegun {
			begun++
		}
		if _, out := v.bgswitch("to", colors[(round/2)%2]); strings.Contains(out, "killed") {
			t.Errorf("killed before %s: it is told twice:\n%s", p, out)
		}
		return r.met
	})
	t.Logf("the next told of before %d times, the record of after %d times", told, begun)
	if told == 0 || begun == 0 {
		t.Error("no kill fell where it is told")
	}
	v.nothingLeft("in the end")
}
