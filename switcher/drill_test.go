package switcher_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/statedir"
)

func (s *stand) drill(stay time.Duration) (switcher.Drilled, error) {
	return s.Drill(context.Background(), switcher.DrillRequest{Rate: 200, Stay: stay, Started: 3 * time.Millisecond, Who: "test", Handover: nginx.HandoverFast})
}

// A drill goes there and back, and says what it saw: in the end everything is as it
// was, and no later `back` takes it for a flight.
func TestDrill(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.confirmed()
	before := s.live()
	load := &nginxtest.Load{URL: s.URL(), Clients: 2, Pause: time.Millisecond}
	load.Start()
	got, err := s.drill(0)
	if counts := load.Stop(); counts.Failed > 0 || counts.Colors["green"] == 0 {
		t.Errorf("others saw %+v", counts)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.live() != before {
		t.Errorf("the live file was %q, and is %q", before, s.live())
	}
	s.answers(switcher.Blue, 10)
	s.nothingBeside()
	if got.From != switcher.Blue || got.To != switcher.Green || got.Failed > 0 || got.Requests < 10 || got.WayBackMS == nil || *got.WayBackMS <= got.Back.TookMS {
		t.Errorf("reports %+v", got.Drill)
	}
	for _, leg := range []*statedir.Leg{got.There, got.Back} {
		if leg.Outcome != string(switcher.Done) || leg.Proof != switcher.ByIdentity || leg.LastOldMS == nil || *leg.LastOldMS > leg.TookMS || leg.Late > 0 {
			t.Errorf("reports %+v", *leg)
		}
	}
	kept, err := s.State.Drills()
	if err != nil || kept.Begun != nil || kept.Last == nil || kept.Last.Outcome != string(switcher.Done) {
		t.Errorf("kept %+v, %v", kept, err)
	}
	records, err := s.State.History(0, nil)
	if err != nil || len(records) != 2 || records[0].Command != "drill" || records[1].Command != "drill" || records[0].To != switcher.Blue {
		t.Errorf("recorded %+v, %v", records, err)
	}
	if _, _, err := s.goBack(); err != nil {
		t.Errorf("back after a drill: %v", err)
	}
	s.answers(switcher.Green, 10)
}

// A drill that would find no way back does not begin, and one that cannot go there
// is where it was.
func TestDrillIsRefused(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	before, workers := s.live(), s.Workers()
	refused := func(what string, outcome switcher.Outcome) {
		t.Helper()
		_, err := s.drill(0)
		var failed *switcher.Error
		if !errors.As(err, &failed) || failed.Outcome != outcome {
			t.Errorf("%s: %v, want it %s", what, err, outcome)
		}
		if s.live() != before {
			t.Errorf("%s: the live file is %q", what, s.live())
		}
		s.nothingBeside()
		if kept, err := s.State.Drills(); err != nil || kept.Begun != nil || kept.Last != nil {
			t.Errorf("%s: kept %+v, %v", what, kept, err)
		}
	}
	refused("without confirm", switcher.Failed)
	s.confirmed()
	s.Green.Sicken(true)
	refused("green is sick", switcher.Unhealthy)
	s.Green.Sicken(false)
	s.Blue.Sicken(true)
	refused("blue is sick", switcher.Unhealthy)
	s.Blue.Sicken(false)
	for _, color := range bothColors { // the way there, and the way back
		if _, err := s.Block(t.Context(), color, "the column is gone", time.Time{}, statedir.Signature{Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		refused(string(color)+" is blocked", switcher.Blocked)
		if _, err := s.Unblock(t.Context(), color, statedir.Signature{Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	s.Switcher.Site.Schema = schemaOf(s.URL()) // which answers with no JSON
	refused("nobody knows what the database has", switcher.Blocked)
	s.Switcher.Site.Schema = switcher.Schema{}
	s.answers(switcher.Blue, 10)
	if now := s.Workers(); len(now) != len(workers) || now[0] != workers[0] {
		t.Errorf("nginx has loaded: workers %v, before %v", now, workers)
	}
}

// Where the color that it began with cannot be proved to take the traffic back, the
// other one keeps it, and the drill says so.
func TestDrillStuckHalfWay(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.confirmed()
	of := *s.Switcher
	of.Say = func(text string) {
		if text == "drill: going back from green to blue" {
			s.Blue.Sicken(true)
		}
	}
	got, err := of.Drill(t.Context(), switcher.DrillRequest{Rate: 100, Who: "test", Handover: nginx.HandoverFast})
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Outcome != switcher.Stuck || failed.Traffic == "" {
		t.Fatalf("%v", err)
	}
	if got.There.Outcome != string(switcher.Done) || got.Back.Outcome != string(switcher.Unhealthy) || got.WayBackMS != nil {
		t.Errorf("reports %+v", got.Drill)
	}
	s.answers(switcher.Green, 10)
	s.nothingBeside()
	s.Blue.Sicken(false)
	if _, err := s.to(switcher.Blue); err != nil {
		t.Error(err)
	}
}
