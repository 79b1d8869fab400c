package switcher_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
)

// Every connection opened after a switch has returned is answered by the
// target, and no request fails meanwhile, with and without keep-alive.
func TestSwitchesUnderLoad(t *testing.T) {
	switches := 200
	if soaking() {
		switches = 2000
	}
	s := newStand(t, nginxtest.Options{})
	s.switchesUnderLoad(switches)
	s.logIsQuiet()
}

// The same of an nginx in a container.
func TestSwitchesUnderLoadInAContainer(t *testing.T) {
	switches := 40
	if soaking() {
		switches = 1000
	}
	s := containerStand(t, nginxtest.ContainerOptions{})
	s.switchesUnderLoad(switches)
	s.quiet(s.Container.Said())
}

func (s *stand) switchesUnderLoad(switches int) {
	t := s.t
	t.Helper()
	kept := &nginxtest.Load{URL: s.URL(), Clients: 4, KeepAlive: true}
	fresh := &nginxtest.Load{URL: s.URL(), Clients: 4}
	kept.Start()
	fresh.Start()
	slow := 0
	for i := range switches {
		color := bothColors[i%2]
		result, err := s.to(color)
		if err != nil || result.Outcome != switcher.Done {
			t.Fatalf("switch %d: %v, %v", i, result.Outcome, err)
		}
		if g := result.Record.Generation; g.Handover != nginx.HandoverFast {
			slow++
		}
		if got := len(s.Workers()); got != 2 {
			t.Errorf("switch %d: %d workers serve right afterwards, want 2", i, got)
		}
		s.answers(color, 5)
	}
	t.Logf("in %d of %d switches nginx ended the old workers itself", slow, switches)
	if slow > switches/20 { // unless nginx itself does not get that far in time here
		const reloads = 40
		if missed := s.missed(reloads); slow*reloads > (missed+reloads/4)*switches {
			t.Errorf("the hand-over is not fast: new workers served beside all the old ones in %d of %d bare reloads", reloads-missed, reloads)
		}
	}
	for name, counts := range map[string]nginxtest.Counts{"kept": kept.Stop(), "fresh": fresh.Stop()} {
		t.Logf("%s connections: %d requests", name, counts.Requests)
		if counts.Failed != 0 || counts.Requests == 0 {
			t.Errorf("%s connections: %d of %d requests failed: %s", name, counts.Failed, counts.Requests, counts.FirstFailure)
		}
	}
	s.sound(bothColors[(switches+1)%2], 2)
}

// missed says in how many of so many bare reloads the new workers were never seen
// beside all the old ones: a machine that is busy with other things may hold
// them for longer than nginx waits.
func (s *stand) missed(reloads int) (missed int) {
	s.t.Helper()
	for range reloads {
		before, most := s.Workers(), 0
		if err := s.Signal(syscall.SIGHUP); err != nil {
			s.t.Fatal(err)
		}
		s.eventually(func() error {
			most = max(most, len(s.Workers()))
			return s.Reloaded(before)
		})
		if most < 2*len(before) {
			missed++
		}
	}
	return missed
}

// logIsQuiet makes sure that nginx had nothing above notice to say.
func (s *stand) logIsQuiet() {
	s.t.Helper()
	text, err := os.ReadFile(s.ErrorLog)
	if err != nil {
		s.t.Fatal(err)
	}
	s.quiet(string(text))
}

func (s *stand) quiet(log string) {
	s.t.Helper()
	for line := range strings.Lines(log) {
		for _, level := range []string{"[warn]", "[error]", "[crit]", "[alert]", "[emerg]"} {
			if strings.Contains(line, level) {
				s.t.Errorf("nginx's error log: %s", line)
				return
			}
		}
	}
}

// The parts of a switch, as who makes one of several hosts takes them: nothing
// is written before it is prepared, and what is committed can be taken back.
func TestSurveyPrepareCommitUndo(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	old := s.live()
	survey, err := s.Survey(t.Context(), switcher.Request{To: switcher.Green, Handover: nginx.HandoverFast, Command: "to"})
	if err != nil {
		t.Fatal(err)
	}
	defer survey.Close()
	prepared, err := survey.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	if s.live() != old {
		t.Error("preparing changed the live file")
	}
	proof, err := prepared.Commit(t.Context())
	if err != nil || proof.Kind != "generation" {
		t.Fatalf("proof %+v, %v", proof, err)
	}
	s.answers(switcher.Green, 20)
	var failed *switcher.Error
	if err := prepared.Undo(t.Context()); !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack {
		t.Errorf("undone: %v", err)
	}
	if s.live() != old {
		t.Errorf("the live file is not the old one:\n%s", s.live())
	}
	s.answers(switcher.Blue, 20)
}

// A file that is right already, and is edited before it is prepared: the error
// says where that was found, and nothing is prepared.
func TestPrepareOfWhatWasEdited(t *testing.T) {
	t.Parallel()
	s := newStand(t, nginxtest.Options{})
	s.byHand(switcher.Green)
	survey, err := s.Survey(t.Context(), switcher.Request{To: switcher.Green, Handover: nginx.HandoverFast, Command: "to"})
	if err != nil {
		t.Fatal(err)
	}
	defer survey.Close()
	s.byHand(switcher.Blue)
	prepared, err := survey.Prepare()
	var failed *switcher.Error
	if !errors.As(err, &failed) || failed.Step != "read the live file" || prepared != nil {
		t.Errorf("prepared %v: %v", prepared, err)
	}
}
