package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/doctor"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
)

func doctorCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:     "doctor",
			Category: kindSetUp,
			Usage:    "what is set up in a way that will go wrong one day, each with its remedy",
			Description: "Looks at nginx as it runs and at all of its configuration, at the rights of the\n" +
				"files and the folders on the way to them, at what the colors answer, at what runs\n" +
				"`bgswitch verify`, at sudo's rules and the clock. It changes nothing.\n\n" +
				"A problem keeps a switch from being done or from being believed, or lets somebody\n" +
				"else decide: with one, the exit code is 1. Advice is what works, and could work\n" +
				"better. What may not be looked at is called unknown: root sees all of it. The most\n" +
				"important comes first; where all is well, that is one line.",
			Action: examine,
		},
		several: true,
		examples: []example{
			{"is everything set up well?", "sudo bgswitch doctor"},
			{"one site, for a program", "sudo bgswitch doctor --site myapp --json"},
		},
		exits: saying(saying(exitsOf(exitDone, exitFailed, exitInterrupted),
			exitDone, "no problem was found; there may be advice, and what is unknown"),
			exitFailed, "a problem was found; wrong usage; unreadable settings"),
	}
}

func examine(c *cli.Context) error {
	t := terminalOf(c)
	if c.Args().Len() != 0 {
		return usage("`"+typedOf(c).Command("doctor")+"` takes only flags", "doctor takes no argument")
	}
	s, err := setup(c, t)
	if err != nil {
		return err
	}
	sites, err := s.chosen(c.String("site"))
	if err != nil {
		return err
	}
	found := doctor.Look(c.Context, s.host(), s.switchersFor(sites, t), s.switchersFor(s.sites, t))
	if c.Context.Err() != nil {
		return &switcher.Error{Outcome: switcher.Interrupted, Step: "look at everything", Err: errors.New("interrupted")}
	}
	if err := t.showExamined(sites, found); err != nil {
		return err
	}
	if doctor.Problems(found) > 0 {
		return exitCode(exitFailed)
	}
	return nil
}

func (s settings) switchersFor(sites []switcher.Site, t *terminal) (list []*switcher.Switcher) {
	for _, site := range sites {
		list = append(list, s.switcherFor(site, t))
	}
	return list
}

// host is the one that we run on.
func (s settings) host() doctor.Host {
	program, err := os.Executable()
	if err != nil {
		program = "/usr/local/bin/bgswitch"
	}
	return doctor.Host{Program: program, StateDir: s.stateDir, Now: time.Now()}
}

func (t *terminal) showExamined(sites []switcher.Site, found []doctor.Finding) error {
	if t.json {
		return t.object(examinedObjectOf(found))
	}
	var names []string
	for _, site := range sites {
		names = append(names, site.Name)
	}
	if len(found) == 0 {
		t.result("%s: %s", strings.Join(names, ", "), doctor.AllWell())
		return nil
	}
	counts := map[doctor.Level]int{}
	for _, f := range found {
		counts[f.Level]++
		about := ""
		if len(sites) > 1 && len(f.Sites) > 0 {
			about = strings.Join(f.Sites, ", ") + ": "
		}
		t.result("%s  %s%s", t.leveled(f.Level), about, f.What)
		if f.Remedy != "" {
			t.result("         remedy: %s", f.Remedy)
		}
	}
	t.result("%s: %s", strings.Join(names, ", "), counted(counts))
	return nil
}

// leveled is a level, as wide as the longest.
func (t *terminal) leveled(l doctor.Level) ink {
	text := fmt.Sprintf("%-7s", l)
	switch l {
	case doctor.Problem:
		return t.painted(sgrRed, strings.ToUpper(text))
	case doctor.Advice:
		return t.painted(sgrDim, text)
	}
	return t.painted(sgrBold, text)
}

func counted(counts map[doctor.Level]int) string {
	var parts []string
	for _, part := range []struct {
		level        doctor.Level
		one, several string
	}{{doctor.Problem, "problem", "problems"}, {doctor.Unknown, "unknown", "unknown"}, {doctor.Advice, "piece of advice", "pieces of advice"}} {
		switch n := counts[part.level]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+part.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, part.several))
		}
	}
	return strings.Join(parts, ", ")
}

// examinedObject is what `doctor` prints with --json.
type examinedObject struct {
	Schema   int                     `json:"schema"`
	Problems int                     `json:"problems"`
	Findings []examinedFindingObject `json:"findings"`
}

type examinedFindingObject struct {
	Key    string        `json:"key"`
	Level  doctor.Level  `json:"level"`
	Sites  []string      `json:"sites"`
	What   string        `json:"what"`
	Remedy statedir.Text `json:"remedy"`
}

func examinedObjectOf(found []doctor.Finding) examinedObject {
	o := examinedObject{Schema: schema, Problems: doctor.Problems(found), Findings: []examinedFindingObject{}}
	for _, f := range found {
		o.Findings = append(o.Findings, examinedFindingObject{f.Key, f.Level, append([]string{}, f.Sites...), f.What, statedir.Text(f.Remedy)})
	}
	return o
}
