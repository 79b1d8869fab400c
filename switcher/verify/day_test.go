package verify

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/lock"
	"bgswitch/switcher/nginxtest"

	"github.com/google/go-cmp/cmp"
)

// A day of cron: 1,440 runs with faults at set times say exactly what is to be
// said, and fail over once.
func TestDay(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.Options.Failover = true
	var lock journal.Set
	happens := map[int]func(*stand){
		100:  sick(blue), // two lost packets
		102:  well(blue),
		200:  sick(green), // no way back for an hour
		260:  well(green),
		390:  func(s *stand) { s.byHand(switcher.Blue) },
		395:  func(s *stand) { s.edit(s.liveFile()) }, // the same, written by hand
		400:  func(s *stand) { s.edit(nginxtest.LiveFile(s.Green.Addr)) },
		430:  func(s *stand) { s.edit(nginxtest.LiveFile(s.Blue.Addr)) },
		600:  sick(blue), // the outage
		660:  well(blue),
		1100: ack(true),
		1200: func(s *stand) { lock = s.lockNow() }, // somebody waits for green
		1205: func(*stand) { _ = lock.Close() },
		1300: sick(blue),
		1302: well(blue),
		1400: both(sick(blue), sick(green)),
	}
	want := []string{
		"202 change WARNING", "261 over OK 59m",
		"400 change WARNING", "430 over OK 30m",
		"602 failover WARNING", "661 change WARNING", "1021 reminder WARNING 6h59m", "1100 over OK 8h18m",
		"1402 change CRITICAL",
	}
	var got []string
	for minute := range 24 * 60 {
		if do := happens[minute]; do != nil {
			do(s)
		}
		f := s.run()
		if f.Event == "" {
			continue
		}
		message := fmt.Sprintf("%d %s %s", minute, f.Event, f.Level)
		if f.Lasted > 0 {
			message += " " + shortSpan(f.Lasted)
		}
		got = append(got, message)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	isLive(switcher.Green, 1)(s)
}

// lockNow takes the lock, at the time of the moved clock.
func (s *stand) lockNow() journal.Set {
	s.t.Helper()
	held, err := s.Switcher.Lock(s.t.Context(), 0, "to")
	if err != nil {
		s.t.Fatal(err)
	}
	note, err := json.Marshal(lock.Holder{PID: os.Getpid(), Command: "to", Since: s.clock})
	if err == nil {
		live := s.Switcher.Site.Files[0].Path
		err = os.WriteFile(journal.Place{Folder: filepath.Dir(live), Live: live}.Path(), note, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return held
}

// Runs leave nothing growing but the history of what changed.
func TestNothingGrows(t *testing.T) {
	s := newStand(t)
	runs := 300
	if os.Getenv("BGSWITCH_SOAK") != "" {
		runs = 10000
	}
	for range 5 { // until the counts have ended
		s.run()
	}
	before := s.owned()
	if len(before) < 6 {
		t.Fatalf("only %v is looked at", before)
	}
	for i := range runs {
		if i%100 == 50 { // flapping that changes nothing, and clears again
			s.Green.Sicken(true)
		} else {
			s.Green.Sicken(false)
		}
		s.run()
	}
	for range 5 {
		s.run()
	}
	err := nginxtest.Eventually(nginxtest.Patience, func() error { // threads and connections end a little later
		if diff := cmp.Diff(before, s.owned()); diff != "" {
			return fmt.Errorf("after %d runs (-before +after):\n%s", runs, diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// owned is what this process and the state folder hold.
func (s *stand) owned() map[string]int64 {
	s.t.Helper()
	runtime.GC()
	counts := map[string]int64{}
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		s.t.Fatal(err)
	}
	counts["descriptors"] = int64(len(descriptors))
	counts["goroutines"] = int64(runtime.NumGoroutine())
	for _, folder := range []string{s.StateDir, s.Dir} {
		err = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path == s.ErrorLog {
				return err
			}
			info, err := entry.Info()
			if err == nil {
				counts[path] = info.Size()
			}
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return counts
}
