package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/discovery"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/statedir"

	"go.yaml.in/yaml/v3"
)

// proposal is what the settings will be.
type proposal struct {
	chosen
	name     string
	stateDir string            // empty: the default
	files    map[string]string // where this host has what nginx calls so

	check      health.Check
	live, idle []discovery.Answer
	marks      map[switcher.Color]switcher.Mark
	passing    bool // the marks name a release
	way        discovery.Way
	text       string

	unconfirmed string // why confirm cannot be set
}

// nameOf is what the site is called: as was said, or after the upstream, the server,
// or the file.
func (i *initiation) nameOf(p *proposal) string {
	place := p.places[0]
	names := []string{i.c.String("site"), place.Upstream}
	if len(place.Servers) > 0 {
		names = append(names, p.look.Tree.Names(place.Servers[0])...)
	}
	names = append(names, strings.TrimSuffix(filepath.Base(place.File), filepath.Ext(place.File)))
	for _, name := range names {
		if name, _, _ = strings.Cut(name, "."); name != "" && name != "_" && switcher.ValidateName(name) == nil {
			return name
		}
	}
	return "site"
}

// show tells what was found, and which word would change.
func (p *proposal) show(t *terminal) {
	t.line("nginx", p.look.Where()+", "+switcher.Counted(len(p.look.Tree.Files()), "file"))
	for _, place := range p.places {
		t.line("decides", fmt.Sprintf("%s: %s", place.At(), place.Says))
		if place.Whole() {
			t.line("", fmt.Sprintf("a switch puts %s in the place of %s", place.Idle[0], place.Live[0]))
		} else if strings.HasPrefix(place.Selector, "backup") {
			t.line("", "a switch moves the flag `backup`, and changes nothing else")
		} else {
			t.line("", fmt.Sprintf("a switch writes %s in the place of %s, and changes nothing else", strings.Join(place.Idle, ", "), strings.Join(place.Live, ", ")))
		}
	}
	live := p.places[0].LiveColor()
	for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
		answers, place := p.idle, p.places[0]
		how := "idle, " + place.Why
		if color == live {
			answers, how = p.live, "live"
		}
		said := "not asked"
		if len(answers) > 0 {
			said = answers[len(answers)-1].Said
		}
		t.line(string(color), fmt.Sprintf("%s (%s): %s", strings.Join(place.Of(color), ", "), how, said))
	}
	if p.unconfirmed != "" {
		t.line("confirm", "not set: "+p.unconfirmed)
		return
	}
	t.line("confirm", fmt.Sprintf("%q and %q at %s", string(p.marks[switcher.Blue]), string(p.marks[switcher.Green]), p.shownURL()))
}

func (p *proposal) shownURL() string {
	if u, err := health.ParseURL(p.way.URL); err == nil {
		return u.String()
	}
	return ""
}

// mode is for root alone where the URL holds what is secret.
func (p *proposal) mode() fs.FileMode {
	if u, err := url.Parse(p.way.URL); err == nil && (u.User != nil || u.RawQuery != "") {
		return 0o600
	}
	return 0o644
}

// settingsText is the whole file.
func (p *proposal) settingsText() string {
	var b strings.Builder
	b.WriteString("# Written by `bgswitch init`. `bgswitch settings example` shows every setting there\n# is, `bgswitch settings check` looks for mistakes.\n\n")
	if p.stateDir != "" {
		fmt.Fprintf(&b, "state_dir: %s   # the history, and what verify remembers\n\n", yamlOf(p.stateDir))
	}
	p.writeNginx(&b)
	fmt.Fprintf(&b, "sites:\n  %s:\n", yamlOf(p.name))
	p.writePlaces(&b)
	p.writeCheck(&b)
	p.writeConfirm(&b)
	return b.String()
}

// writeNginx says which nginx is meant, where that is not the system's own.
func (p *proposal) writeNginx(b *strings.Builder) {
	var lines []string
	for _, set := range [][2]string{{"binary", p.look.Binary}, {"conf", p.look.Nginx.Conf}, {"prefix", p.look.Prefix}, {"container", p.look.ContainerName}} {
		if set[1] != "" && (p.look.Within == nil || set[0] == "container") {
			lines = append(lines, fmt.Sprintf("  %s: %s\n", set[0], yamlOf(set[1])))
		}
	}
	if len(lines) > 0 {
		b.WriteString("nginx:\n" + strings.Join(lines, "") + "\n")
	}
}

func (p *proposal) writePlaces(b *strings.Builder) {
	first := p.places[0]
	colors := func(place *discovery.Place, indent string) {
		for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
			fmt.Fprintf(b, "%s%s: %s%s\n", indent, color, yamlOf(place.Of(color)...), p.remark(place, color))
		}
	}
	switch {
	case first.Whole():
		fmt.Fprintf(b, "    file: %s   # all of it decides, or where it leads\n", yamlOf(p.files[first.File]))
		fmt.Fprintf(b, "    blue_file: %s\n    green_file: %s\n", yamlOf(p.files[first.Of(switcher.Blue)[0]]), yamlOf(p.files[first.Of(switcher.Green)[0]]))
	case len(p.places) == 1:
		fmt.Fprintf(b, "    file: %s   # what decides stands here\n", yamlOf(p.files[first.File]))
		fmt.Fprintf(b, "    selector: %s\n", yamlOf(first.Selector))
		colors(first, "    ")
	default:
		b.WriteString("    # These switch together, all or none.\n    places:\n")
		for _, place := range p.places {
			fmt.Fprintf(b, "      - file: %s\n        selector: %s\n", yamlOf(p.files[place.File]), yamlOf(place.Selector))
			colors(place, "        ")
		}
	}
}

// remark is what is worth knowing of a value.
func (p *proposal) remark(place *discovery.Place, color switcher.Color) string {
	if color == place.LiveColor() {
		return "   # live when this was written"
	}
	return "   # " + foreign.Line(place.Why)
}

func (p *proposal) writeCheck(b *strings.Builder) {
	b.WriteString("    check:                # how a color is asked before a switch\n")
	if p.check.Type != health.TypeHTTP {
		fmt.Fprintf(b, "      type: %s\n", p.check.Type)
	} else {
		fmt.Fprintf(b, "      path: %s\n", yamlOf(p.check.Path))
	}
	for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
		place := p.places[0]
		if layout, err := place.Layout(); place.Whole() || err == nil && !layout[0].Selector.Dials(layout[0].Colors[color][0]) {
			fmt.Fprintf(b, "      %s_url: %s\n", color, yamlOf(p.urlOf(place.AskOf(color)[0])))
		}
	}
}

func (p *proposal) urlOf(address string) string {
	if p.check.Type != health.TypeHTTP {
		return "tcp://" + address
	}
	return "http://" + address
}

func (p *proposal) writeConfirm(b *strings.Builder) {
	if p.unconfirmed != "" {
		fmt.Fprintf(b, "    # With `confirm`, a switch is done only when the answers through nginx carry the new\n    # color's mark. It is not set: %s.\n", strings.TrimSuffix(foreign.Line(p.unconfirmed), "."))
		url := p.way.URL
		if url == "" {
			url = "http://127.0.0.1/"
		}
		fmt.Fprintf(b, "    # confirm:\n    #   url: %s\n    #   blue: \"X-Color: blue\"\n    #   green: \"X-Color: green\"\n", yamlOf(url))
		return
	}
	fmt.Fprintf(b, "    confirm:              # who answers through nginx: a header, or a text of the body\n      url: %s\n", yamlOf(p.way.URL))
	if p.way.Host != "" {
		fmt.Fprintf(b, "      host: %s\n", yamlOf(p.way.Host))
	}
	for _, color := range []switcher.Color{switcher.Blue, switcher.Green} {
		fmt.Fprintf(b, "      %s: %s\n", color, yamlOf(string(p.marks[color])))
	}
}

// yamlOf is one value, or a list of several.
func yamlOf(values ...string) string {
	node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, value := range values {
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value})
	}
	if len(values) == 1 {
		node = node.Content[0]
	}
	text, err := textOf(node)
	if strings.HasPrefix(text, "'") {
		node.Style = yaml.DoubleQuotedStyle // as the examples have it
		text, err = textOf(node)
	}
	if err != nil {
		return fmt.Sprintf("%q", values)
	}
	return strings.TrimSpace(text)
}

// initObject is what `init` prints with --json.
type initObject struct {
	Schema   int             `json:"schema"`
	Settings statedir.Text   `json:"settings"`
	Text     statedir.Text   `json:"text"`
	Written  []statedir.Text `json:"written"`
	Places   []placeObject   `json:"places"`
	Confirm  statedir.Text   `json:"unconfirmed"`
	DryRun   any             `json:"dry_run"`
	Next     statedir.Text   `json:"next"`
}

// placeObject is where a color is decided.
type placeObject struct {
	File  string        `json:"file"`
	Line  *int          `json:"line"`
	Says  string        `json:"says"`
	Blue  []string      `json:"blue"`
	Green []string      `json:"green"`
	Live  string        `json:"live"`
	Why   statedir.Text `json:"why"`
}

func (p *proposal) object(path string) initObject {
	o := initObject{Schema: schema, Settings: statedir.Text(path), Written: []statedir.Text{}, Places: []placeObject{}, Confirm: statedir.Text(p.unconfirmed)}
	for _, place := range p.places {
		one := placeObject{File: p.files[place.File], Says: place.Says, Blue: place.Of(switcher.Blue), Green: place.Of(switcher.Green), Live: string(place.LiveColor()), Why: statedir.Text(place.Why)}
		if place.Line > 0 {
			one.Line = &place.Line
		}
		o.Places = append(o.Places, one)
	}
	return o
}
