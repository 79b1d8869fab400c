package nginxconf

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixture is one of testdata/cases.json: want or refuse is set.
type fixture struct {
	Name   string
	Site   map[string]map[Color][]string
	To     Color
	In     string
	Want   string
	Refuse string
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	raw, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []fixture
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (f fixture) layout(t testing.TB) Layout {
	t.Helper()
	all := map[string]Colors{}
	for name, colors := range f.Site {
		all[name] = Colors{}
		for color, texts := range colors {
			all[name][color] = addresses(t, texts...)
		}
	}
	return upstreams(all)
}

// upstreams is a layout of server lines, by the names of their upstreams.
func upstreams(all map[string]Colors) Layout {
	var l Layout
	for _, name := range slices.Sorted(maps.Keys(all)) {
		l = append(l, Place{ServerOf(name), all[name]})
	}
	return l
}

func addresses(t testing.TB, all ...string) []Value {
	t.Helper()
	var parsed []Value
	for _, s := range all {
		a, err := ParseAddress(s)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, a)
	}
	return parsed
}

// colors reads "b1 b2 | g1 g2".
func colors(t testing.TB, s string) Colors {
	t.Helper()
	blue, green, _ := strings.Cut(s, "|")
	return Colors{Blue: addresses(t, strings.Fields(blue)...), Green: addresses(t, strings.Fields(green)...)}
}

// edit reads and edits, and fails the test if it changes what it was given.
func edit(t testing.TB, src string, l Layout, to Color) (string, error) {
	t.Helper()
	given := []byte(src)
	defer func() {
		if string(given) != src {
			t.Errorf("the bytes that were read have changed: %q", given)
		}
	}()
	f, err := Read(given, l)
	if err != nil {
		return "", err
	}
	after, err := f.Edit(to)
	return string(after), err
}

func TestCases(t *testing.T) {
	t.Parallel()
	all := fixtures(t)
	if len(all) != 36 {
		t.Errorf("%d cases, want 36", len(all))
	}
	for _, f := range all {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			got, err := edit(t, f.In, f.layout(t), f.To)
			if f.Refuse != "" {
				wantRefusal(t, err, f.Refuse)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f.Want, got); diff != "" {
				t.Errorf("edited file (-want +got):\n%s", diff)
			}
		})
	}
}

func wantRefusal(t testing.TB, err error, text string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("error %v, want a refusal that says %q", err, text)
	}
	if !strings.Contains(r.Error(), text) {
		t.Errorf("refusal %q, want it to say %q", r, text)
	}
}
