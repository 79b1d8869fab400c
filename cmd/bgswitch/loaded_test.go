package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
)

// A switch that is killed when its file stands in place, before nginx was told,
// leaves workers that come back with the old file if they crash: neither status
// nor the next switch may take them for new ones.
func TestKilledBeforeTheSignalAndCrashed(t *testing.T) {
	t.Parallel()
	for name, confirm := range map[string]bool{"by generation": false, "by identity": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := victimIn(t, t.TempDir(), nginxtest.Options{Workers: 2})
			if confirm {
				v.confirms()
			}
			v.agree("before", "blue")
			r := v.at(v.signal(), killed, "to", "green")
			if got := v.whole("killed"); !r.met || got != "green" {
				t.Fatalf("killed: %v, and the file names %s", r.met, got)
			}
			v.crashed()
			if got := nginxtest.Answers(v.URL(), 5); got["blue"] != 5 {
				t.Fatalf("nginx has loaded the new file: %v", got)
			}
			if code, out := v.bgswitch("status"); !strings.Contains(out, "loaded: unknown") || confirm != (code == exitDrift) {
				t.Errorf("status exits %d:\n%s", code, out)
			}
			v.agree("afterwards", "green")
			if code, out := v.bgswitch("to", "green"); code != exitDone || !strings.Contains(out, "already") {
				t.Errorf("once more: exits %d: %s", code, out)
			}
		})
	}
}

// signal is the step of a switch to green that tells nginx: the first signal
// that is sent when the file stands in place. The ones before only ask whether
// one might be sent.
func (v *victim) signal() point {
	v.t.Helper()
	before := v.read(v.Live)
	for n := 1; ; n++ {
		inPlace := false
		p := point{"pidfd_send_signal", n}
		if r := v.at(p, func(int) { inPlace = v.read(v.Live) != before }, "to", "green"); !r.met {
			v.t.Fatalf("no signal is sent with the new file in place: %s", r.out)
		}
		v.agree("before", "blue")
		if inPlace {
			return p
		}
	}
}

func (v *victim) confirms() {
	v.t.Helper()
	if err := os.WriteFile(v.Settings, []byte(v.SettingsText(v.ConfirmText())), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

// crashed kills the workers and waits for those that come back, younger than
// the file.
func (v *victim) crashed() {
	v.t.Helper()
	if err := nginxtest.Eventually(patience, func() error { return nginxtest.Old(v.Live) }); err != nil {
		v.t.Fatal(err)
	}
	before := v.Workers()
	for _, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			v.t.Fatal(err)
		}
	}
	if err := nginxtest.Eventually(patience, func() error {
		now := v.Workers()
		if len(now) != len(before) || slices.Equal(now, before) {
			return fmt.Errorf("workers %v", now)
		}
		return nil
	}); err != nil {
		v.t.Fatal(err)
	}
}
