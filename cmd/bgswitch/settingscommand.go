package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bgswitch/examples"
	"bgswitch/switcher"
	"bgswitch/switcher/statedir"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

// withoutFlags: what is written in the settings is looked at, and no flag stands in its place.
var withoutFlags = []string{"file", "selector", "blue", "green", "verbose"}

func settingsCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:        "settings",
			Category:    kindSetUp,
			Usage:       "look for mistakes in the settings, or show what is in force",
			ArgsUsage:   "check|show|example",
			Description: "The settings are looked for in `--config FILE`, in $BGSWITCH_CONFIG, and in\n" + defaultSettings + ".",
			Action:      settingsLook,
		},
		examples: []example{{"is there a mistake?", "sudo bgswitch settings check"}},
		exits:    settingsExits(),
		without:  withoutFlags,
		under:    []*command{settingsCheckCommand(), settingsShowCommand(), settingsExampleCommand()},
	}
}

func settingsCheckCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:  "check",
			Usage: "every mistake in one run, each with its line",
			Description: "Looks for mistakes in the settings: unknown keys, wrong types, values that cannot be,\n" +
				"each with its line, with what was read and what was meant. Without one it says of each\n" +
				"site what decides. It needs no nginx, and touches nothing.",
		},
		examples: []example{{"before the settings are installed", "bgswitch settings check --config new.yaml"}},
		exits:    settingsExits(),
		without:  withoutFlags,
	}
}

func settingsExits() []exit {
	return saying(saying(exitsOf(exitDone, exitFailed), exitDone, "there is no mistake"), exitFailed, "there are mistakes, or no settings that can be read; wrong usage")
}

func settingsShowCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:  "show",
			Usage: "what is in force, with the defaults",
			Description: "Prints what is in force, with the defaults, as YAML that can be read again. Headers, and\n" +
				"of URLs the user, the query and the paths of `notify`, are shown as xxxxx; commands are\n" +
				"shown as they are. It needs no nginx, and touches nothing.",
		},
		examples: []example{{"of one site", "sudo bgswitch settings show --site myapp"}},
		exits:    settingsExits(),
		without:  withoutFlags,
	}
}

func settingsExampleCommand() *command {
	return &command{
		Command: &cli.Command{
			Name:        "example",
			Usage:       "every setting there is, with comments",
			Description: "Prints settings to begin with: all that there are, with their defaults.",
		},
		examples: []example{{"settings to begin with", "bgswitch settings example >bgswitch.yaml"}},
		exits:    exitsOf(exitDone, exitFailed),
		without:  slices.DeleteFunc(allCommon(), func(name string) bool { return name == "json" }),
	}
}

func settingsLook(c *cli.Context) error {
	t := terminalOf(c)
	look := map[string]func(*cli.Context, *terminal) error{"check": settingsCheck, "show": settingsShow, "example": settingsExample}[c.Args().First()]
	hint := "`" + typedOf(c).Command("settings", "check") + "` looks for mistakes"
	if look == nil || c.Args().Len() != 1 {
		return usage(hint, "settings takes check, show or example, not %q", strings.Join(c.Args().Slice(), " "))
	}
	return look(c, t)
}

// checkedSettings is what `settings check` prints with --json.
type checkedSettings struct {
	Schema   int             `json:"schema"`
	File     statedir.Text   `json:"file"`
	Sites    []string        `json:"sites"`
	Mistakes []mistakeObject `json:"mistakes"`
	Error    statedir.Text   `json:"error"`
	Hint     statedir.Text   `json:"hint"`
}

type mistakeObject struct {
	Line  int           `json:"line"`
	Error statedir.Text `json:"error"`
}

func settingsCheck(c *cli.Context, t *terminal) error {
	o := checkedSettings{Schema: schema, File: statedir.Text(settingsPath(c)), Sites: []string{}, Mistakes: []mistakeObject{}}
	sites, err := sitesSet(c, t)
	if err != nil {
		o.Error, o.Hint = errorText(err), statedir.Text(hintOf(err))
		if found := (mistakes{}); errors.As(err, &found) {
			for _, m := range found.list {
				o.Mistakes = append(o.Mistakes, mistakeObject{m.line, statedir.Text(m.text)})
			}
		}
		if !t.json {
			return err
		}
		t.showObject(o)
		t.failed(err)
		return exitCode(exitFailed)
	}
	for _, site := range sites {
		o.Sites = append(o.Sites, site.Name)
		t.result("%s: no mistakes; %s", t.painted(sgrBold, site.Name), decidesIn(site))
	}
	if t.json {
		t.showObject(o)
	}
	return nil
}

// sitesSet are those that the command is about.
func sitesSet(c *cli.Context, t *terminal) ([]switcher.Site, error) {
	s, err := settingsOf(c, t)
	if err != nil {
		return nil, err
	}
	s.takeBuiltIn(t)
	return s.chosen(c.String("site"))
}

func decidesIn(site switcher.Site) string {
	var paths []string
	for _, file := range site.Files {
		paths = append(paths, file.Path)
	}
	proof := "the proof is by generation"
	if site.Confirm != nil {
		proof = "the proof is by identity"
	}
	return strings.Join(paths, ", ") + " decides, and " + proof
}

// takeBuiltIn takes the one site that there is where none is set.
func (s *settings) takeBuiltIn(t *terminal) {
	if len(s.sites) > 0 {
		return
	}
	t.say(s.path + " does not exist, or has no site; using the built-in site")
	text := fmt.Sprintf("sites: {%s: {file: %s, blue: %s, green: %s}}", siteOfFile(defaultFile), defaultFile, defaultBlue, defaultGreen)
	built, err := newReader().parse("the built-in site", []byte(text))
	if err != nil {
		panic(err)
	}
	inForce := s.inForce
	s.sites, s.inForce = built.sites, func() *yaml.Node {
		m := inForce()
		put(m, "sites", under(built.inForce(), "sites"))
		return m
	}
}

// shownSettings is what `settings show` prints with --json.
type shownSettings struct {
	Schema   int           `json:"schema"`
	File     statedir.Text `json:"file"`
	Settings any           `json:"settings"`
}

func settingsShow(c *cli.Context, t *terminal) error {
	s, err := settingsOf(c, t)
	if err != nil {
		return err
	}
	s.takeBuiltIn(t)
	chosen, err := s.chosen(c.String("site"))
	if err != nil {
		return err
	}
	shown := s.inForce()
	sites := &yaml.Node{Kind: yaml.MappingNode}
	for _, site := range chosen {
		put(sites, site.Name, under(under(shown, "sites"), site.Name))
	}
	under(shown, "sites").Content = sites.Content
	if t.json {
		o := shownSettings{Schema: schema, File: statedir.Text(s.path)}
		if err := shown.Decode(&o.Settings); err != nil {
			return err
		}
		return t.object(o)
	}
	text, err := textOf(shown)
	if err != nil {
		return err
	}
	t.result("# %s, with the defaults and without secrets", s.path)
	for line := range strings.Lines(text) {
		t.result("%s", strings.TrimSuffix(line, "\n"))
	}
	return nil
}

// under is what a mapping holds for a key; nil where that is not there.
func under(m *yaml.Node, key string) *yaml.Node {
	for i := 0; m != nil && i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func textOf(node *yaml.Node) (string, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err := encoder.Encode(node)
	return text.String(), err
}

// exampleSettings is what `settings example` prints with --json.
type exampleSettings struct {
	Schema  int    `json:"schema"`
	Example string `json:"example"`
}

func settingsExample(_ *cli.Context, t *terminal) error {
	if t.json {
		return t.object(exampleSettings{schema, examples.Settings})
	}
	_, err := io.WriteString(t.stdout, examples.Settings)
	return err
}
