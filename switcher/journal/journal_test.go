package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/lock"

	"github.com/google/go-cmp/cmp"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// taken is the journal of a live file in a folder of its own, which an earlier
// run has left with some text in it; with none there was no such run.
func taken(t *testing.T, folder, text string) *Journal {
	t.Helper()
	live := filepath.Join(folder, "active.conf")
	if text != "" {
		must(t, errors.Join(os.WriteFile(Place{folder, live}.Path(), []byte(text), 0o600), os.Chmod(Place{folder, live}.Path(), 0o600|os.ModeSticky)))
	}
	j, err := Take(t.Context(), Place{folder, live}, 0, "to green", nil)
	must(t, err)
	return j
}

var entry = Entry{Kept: ".active.conf.bgswitch-ABC", Before: "b4", After: "af", InPlace: true}

func line(kept string) string {
	return `{"journal":1,"kept":"` + kept + `","before":"b4","after":"af","in_place":true}` + "\n"
}

// What a run has noted, and then was killed, is what the next one finds.
func TestLeft(t *testing.T) {
	t.Parallel()
	whole := entry
	link := Entry{Kept: entry.Kept, Before: "b4", After: "af", Link: true, Led: "blue.conf", Leads: "green.conf"}
	whole.Whole = true
	second := entry
	second.Before, second.After = "af", "b4"
	for _, test := range []struct {
		name  string
		noted func(*Journal) error
		want  Entry // Schema apart; the zero value: nothing is left
	}{
		{"nothing", func(*Journal) error { return nil }, Entry{}},
		{"begun", func(j *Journal) error { return errors.Join(j.Begin(entry), j.Sync(), j.SyncNames()) }, entry},
		{"a link", func(j *Journal) error { return j.Begin(link) }, link},
		{"whole", func(j *Journal) error { return errors.Join(j.Begin(entry), j.Whole()) }, whole},
		{"whole, and not any more", func(j *Journal) error { return errors.Join(j.Begin(entry), j.Whole(), j.NotWhole()) }, entry},
		{"not whole, and whole again", func(j *Journal) error {
			return errors.Join(j.Begin(entry), j.Whole(), j.NotWhole(), j.Whole())
		}, whole},
		{"a second one, never whole", func(j *Journal) error {
			return errors.Join(j.Begin(entry), j.Whole(), j.Forget(), j.Begin(second), j.NotWhole())
		}, second},
		{"never whole", func(j *Journal) error { return errors.Join(j.Begin(entry), j.NotWhole()) }, entry},
		{"forgotten", func(j *Journal) error { return errors.Join(j.Begin(entry), j.Whole(), j.Forget()) }, Entry{}},
		{"begun again", func(j *Journal) error {
			return errors.Join(j.Begin(entry), j.Whole(), j.Forget(), j.Begin(entry))
		}, entry},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			killed := taken(t, folder, "")
			must(t, test.noted(killed))
			must(t, killed.Leave())
			j := taken(t, folder, "")
			left, found, err := j.Left()
			must(t, err)
			if found {
				test.want.Schema = left.version()
			}
			if found != (test.want.Kept != "") || !cmp.Equal(left, test.want) {
				t.Errorf("left: %v, %+v; want %+v", found, left, test.want)
			}
			must(t, j.Close())
			if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
				t.Errorf("left in the folder: %v, %v", entries, err)
			}
		})
	}
}

// A journal that says nothing certain is never acted on.
func TestNotUnderstood(t *testing.T) {
	t.Parallel()
	good := line(entry.Kept)
	for name, text := range map[string]string{
		"no JSON":               "what is this\n",
		"cut off":               good[:len(good)-9],
		"NUL bytes":             strings.Repeat("\x00", 100),
		"another type":          `{"journal":"1"}` + "\n",
		"a list":                "[1]\n",
		"a later version":       strings.Replace(good, `"journal":1`, `"journal":4`, 1),
		"a later one, twice":    good + `{"journal":4}` + "\n",
		"a link's version":      strings.Replace(good, `"journal":1`, `"journal":2`, 1),
		"a link for a file":     strings.Replace(good, `"in_place":true`, `"link":true`, 1),
		"several's version":     strings.Replace(good, `"journal":1`, `"journal":3`, 1),
		"several in an old one": strings.Replace(good, `"in_place":true`, `"with":[{"folder":"/a","live":"/a/b"},{"folder":"/c","live":"/c/d"}]`, 1),
		"several without it":    strings.NewReplacer(`"journal":1`, `"journal":3`, `"in_place":true`, `"with":[{"folder":"/a","live":"/a/b"},{"folder":"/c","live":"/c/d"}]`).Replace(good),
		"no kept name":          line(""),
		"a slash":               line(".active.conf.bgswitch-A/../../etc/passwd"),
		"a slash at first":      line("/etc/passwd"),
		"the folder above":      line(".."),
		"the folder itself":     line("."),
		"somebody's hidden":     line(".htpasswd"),
		"the live file":         line("active.conf"),
		"another live file's":   line(".other.conf.bgswitch-ABC"),
		"no hash":               strings.Replace(good, `"af"`, `""`, 1),
		"far too much":          good + strings.Repeat("#", 100<<10),
		"a name in the middle":  `{"pid":1,"command":"to"}` + "\n" + line("..") + `{"pid":2,"command":"to"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := taken(t, t.TempDir(), text)
			defer j.Close()
			if left, found, err := j.Left(); found || !errors.Is(err, ErrNotUnderstood) {
				t.Errorf("left: %v, %+v, %v", found, left, err)
			}
		})
	}
}

// What comes after a line that was cut off counts, and so does what stands
// before one.
func TestCutOffLines(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"before": `{"journal":1,"ke` + "\n" + line(entry.Kept),
		"after":  line(entry.Kept) + `{"whole":tr`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := taken(t, t.TempDir(), text)
			defer j.Close()
			if left, found, err := j.Left(); !found || err != nil || left.Kept != entry.Kept || left.Whole {
				t.Errorf("left: %v, %+v, %v", found, left, err)
			}
		})
	}
}

// Several journals are found again as one, whoever of them is asked; in another
// order, or with one of them twice, they are not understood.
func TestSeveral(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var places []Place
	for _, name := range []string{"c.conf", "a.conf", "b.conf"} {
		places = append(places, Place{folder, filepath.Join(folder, name)})
	}
	take := func() Set {
		t.Helper()
		all, err := TakeAll(t.Context(), places, 0, "to green", nil)
		must(t, err)
		return all
	}
	all := take()
	var in []Place
	for _, j := range all {
		in = append(in, j.Place)
	}
	if want := []Place{places[1], places[2], places[0]}; !cmp.Equal(in, want) {
		t.Fatalf("taken in the order %v", in)
	}
	if _, err := TakeAll(t.Context(), []Place{{folder, filepath.Join(folder, "0.conf")}, places[0]}, 0, "to blue", nil); !lock.IsBusy(err) {
		t.Fatalf("taken twice: %v", err)
	}
	if _, held, err := Held(Place{folder, filepath.Join(folder, "0.conf")}); held || err != nil {
		t.Errorf("a lock was kept by who did not get all: %v", err)
	}
	for n, with := range [][]Place{in, {in[1], in[0], in[2]}, {in[0], in[0], in[1]}, {in[0]}} {
		for _, j := range all {
			must(t, j.Begin(Entry{Kept: "." + filepath.Base(j.Live) + ".bgswitch-A", Before: "b4", After: "af", With: with}))
		}
		must(t, all.Leave())
		for _, p := range places {
			if _, cut := p.CutOff(); cut != (n == 0) {
				t.Errorf("%v: something was cut off: %v", with, cut)
			}
		}
		all = take()
		for _, j := range all {
			left, found, err := j.Left()
			if n == 0 && (!found || err != nil || !cmp.Equal(left.With, in)) || n > 0 && !errors.Is(err, ErrNotUnderstood) {
				t.Errorf("%v: left %v, %+v, %v", with, found, left, err)
			}
		}
	}
	must(t, all.Close())
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}
