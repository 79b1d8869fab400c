package switcher

import (
	"testing"
	"time"

	"bgswitch/switcher/accesslog"
)

// A color that was well for long is judged by the last minute all the same.
func TestLately(t *testing.T) {
	t.Parallel()
	var late lately
	now, all := time.Now(), accesslog.Counts{}
	for second := range 600 {
		all.Requests += 10
		if second >= 570 {
			all.Errors += 10
		}
		within := late.add(all, now.Add(time.Duration(second)*time.Second))
		if want := 10 * min(second, 60); within.Requests != want {
			t.Fatalf("after %d s there are %d requests within a minute, want %d", second, within.Requests, want)
		}
		if want := 10 * max(0, second-569); within.Errors != want {
			t.Fatalf("after %d s there are %d errors within a minute, want %d", second, within.Errors, want)
		}
	}
	if len(late) > 62 {
		t.Errorf("%d marks are kept", len(late))
	}
	b := Baker{bake: DefaultBake()}
	if within := late.add(all, now.Add(600*time.Second)); b.tooMany(all) || !b.tooMany(within) {
		t.Errorf("of all, %+v, are too many: %v; of the last minute, %+v, are not: %v", all, b.tooMany(all), within, !b.tooMany(within))
	}
}
