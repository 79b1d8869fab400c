package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/statedir"
)

// Wherever a flight is killed, no mark that was there is lost, and the release is
// marked that is not live any more.
func TestKilledAroundMarks(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	version := filepath.Join(v.Dir, "VERSION")
	v.write(version, "v0")
	v.write(v.Settings, v.SettingsText("    release: {blue: {file: "+version+"}}\n    after: [/bin/sh, -c, 'date +v%N >"+version+"']\n")) // each deployed anew
	fled := func() (list []string) {
		marks, err := (&switcher.Switcher{State: statedir.Of(v.StateDir, "myapp")}).Fled()
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range marks {
			list = append(list, string(mark.Release))
		}
		slices.Reverse(list)
		return list
	}
	round, kept, lost := 0, 0, 0
	v.everyStepOf(exitDone, []string{"back", "--bad", "it loses carts", "--override", "again"}, 0, stride(), func(p point) bool {
		round++
		v.write(version, fmt.Sprintf("round%d", round))
		v.agree("before", "blue")
		release := strings.TrimSpace(v.read(version))
		marked := fled()
		r := v.at(p, killed, "back", "--bad", "it loses carts", "--override", "again")
		now := fled()
		switch {
		case slices.Equal(now, append(slices.Clone(marked), release)):
			kept++
		case !slices.Equal(now, marked):
			t.Errorf("killed before %s: %v are marked, and before %v", p, now, marked)
		case v.whole(p.String()) == "green":
			t.Errorf("killed before %s: %s was left, and is not marked", p, release)
		default:
			lost++
		}
		return r.met
	})
	t.Logf("%d were marked, %d not", kept, lost)
	if kept == 0 || lost == 0 {
		t.Error("no kill fell on either side of the mark")
	}
	v.agree("in the end", "green")
}
