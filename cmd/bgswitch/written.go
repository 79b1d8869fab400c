package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bgswitch/health"

	"go.yaml.in/yaml/v3"
)

// mistake is one mistake in the settings, in the operator's words.
type mistake struct {
	line int
	text string
}

// reader reads the settings by their keys, and notes every mistake.
type reader struct {
	mistakes []mistake
	noSites  bool                // why there is none is told by another mistake
	bad      map[*yaml.Node]bool // the values with a mistake: nothing more is said of them
	known    map[string][]string // the keys that were looked for, and below which
	inForce  func() *yaml.Node   // what all of it comes to, once it was read
	mappings map[*yaml.Node]map[string]written

	wanted bool                                           // it has to name a site
	read   func(path string, limit int64) ([]byte, error) // the files that the settings name; nil: they are not read
}

// written is what is written for a key of the settings.
type written struct {
	*reader
	key  string
	line int        // of its key, or of itself in a list
	node *yaml.Node // nil: nothing is
}

func newReader() *reader {
	return &reader{bad: map[*yaml.Node]bool{}, known: map[string][]string{}, mappings: map[*yaml.Node]map[string]written{}}
}

// topLabel is what the whole is called.
const topLabel = "the settings"

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (?s:(.*))$`)

// document reads one YAML document.
func (r *reader) document(text []byte) written {
	top := written{reader: r, key: topLabel, line: 1}
	var root, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return top
	} else if err != nil {
		r.noYAML(err, text)
		return top
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		r.mistakes = append(r.mistakes, mistake{max(second.Line, 1), "the settings must be one YAML document, but a second one begins here"})
		return top
	}
	top.node, top.line = resolved(root.Content[0]), root.Content[0].Line
	return top
}

// noYAML tells what the parser says, and what it mostly means.
func (r *reader) noYAML(err error, source []byte) {
	line, text := 1, err.Error()
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		line, _ = strconv.Atoi(match[1])
		text = match[2]
	}
	lines := strings.Split(string(source), "\n")
	switch {
	case strings.Contains(text, "tab character"), strings.Contains(text, "cannot start any token"):
		for i := line - 1; i < len(lines); i++ { // it names the line before
			if indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]; strings.Contains(indent, "\t") {
				line, text = i+1, "it is indented with a tab; use spaces"
				break
			}
		}
	case strings.HasPrefix(text, "did not find expected"): // the parser counts lines from 0, and the scanner from 1
		line++
		text += ": a bracket or a quote is not closed, a text that contains `: ` is not quoted, or a line is indented differently from its neighbors"
	case strings.Contains(text, "could not find expected ':'"):
		text = "a setting is written `name: value`, with a space after the colon"
	case strings.HasPrefix(text, "mapping values"):
		text += ": it is indented differently from the line before, or a text that contains `: ` needs quotes"
	case strings.Contains(text, "unexpected end of stream"):
		text += ": a quote is not closed"
	}
	r.noSites = true
	r.mistakes = append(r.mistakes, mistake{line, "cannot be read: " + text})
}

// resolved is what a node stands for; nil where it says null.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.ShortTag() == "!!null" {
		return nil
	}
	return node
}

// mistakes is an error of several lines.
type mistakes struct {
	path string
	list []mistake
}

func (m mistakes) Error() string { return strings.Join(m.lines(), "\n") }

// lines begin with the first mistake.
func (m mistakes) lines() (lines []string) {
	begin := "cannot read the settings: "
	for _, mistake := range m.list {
		lines = append(lines, fmt.Sprintf("%s%s:%d: %s", begin, m.path, mistake.line, mistake.text))
		begin = "  "
	}
	return lines
}

// found are the mistakes from top to bottom.
func (r *reader) found(path string) mistakes {
	slices.SortFunc(r.mistakes, func(a, b mistake) int { return cmp.Or(a.line-b.line, cmp.Compare(a.text, b.text)) })
	return mistakes{path, slices.Compact(r.mistakes)} // an anchor is read wherever it is used
}

// wrong notes a mistake of this value.
func (w written) wrong(err error) {
	if err == nil {
		return
	}
	w.mistakes = append(w.mistakes, mistake{w.line, err.Error()})
	if w.node != nil {
		w.bad[w.node] = true
	}
}

func (w written) wrongf(format string, args ...any) {
	w.wrong(fmt.Errorf("%s: %w", w.label(), fmt.Errorf(format, args...)))
}

var plainKey = regexp.MustCompile(`^[\w. -]+$`)

// label is the key as it is shown.
func (w written) label() string {
	if plainKey.MatchString(w.key) {
		return w.key
	}
	return strconv.Quote(w.key)
}

// kind is what is written, in the operator's words.
func (w written) kind() string {
	switch {
	case w.node.Kind == yaml.MappingNode:
		return "settings below it"
	case w.node.Kind == yaml.SequenceNode:
		return "a list"
	case w.node.ShortTag() == "!!null":
		return "nothing"
	}
	return "text"
}

// has takes the settings below this one, in their order; another one is a mistake.
// What it returns shows all that is in force then.
func (w written) has(settings ...setting) (inForce func() *yaml.Node) {
	found, ours := w.below(), map[string]bool{}
	for _, s := range settings {
		ours[s.key] = true
		w.known[s.key] = append(w.known[s.key], w.key)
		if below, set := found[s.key]; set && below.node != nil {
			s.take(below)
		} else if s.always {
			s.take(written{w.reader, s.key, w.line, nil})
		}
	}
	for key, below := range found {
		if !ours[key] {
			below.wrong(fmt.Errorf("there is no setting %q here%s", key, meantBy(key, settings)))
		}
	}
	return func() *yaml.Node { return mappingOf(settings) }
}

// below is what a mapping holds, by key; with `<<: *other` also what that one
// holds, where it is not set here (yaml.org/type/merge.html).
func (w written) below() map[string]written {
	switch {
	case w.node == nil:
		return nil
	case w.node.Kind != yaml.MappingNode:
		w.wrongf("expected settings below it, found %s", w.kind())
		return nil
	case w.mappings[w.node] != nil: // read before, or just now: it may be merged into itself
		return w.mappings[w.node]
	}
	found := map[string]written{}
	w.mappings[w.node] = found
	for _, other := range w.pairs(found) {
		for key, below := range other.below() {
			if _, set := found[key]; !set {
				found[key] = below
			}
		}
	}
	return found
}

// pairs finds what stands in a mapping itself, and returns what is merged into it.
func (w written) pairs(found map[string]written) (others []written) {
	for i := 0; i+1 < len(w.node.Content); i += 2 {
		key := w.node.Content[i]
		below := written{w.reader, key.Value, key.Line, resolved(w.node.Content[i+1])}
		first, twice := found[key.Value]
		switch {
		case key.ShortTag() == "!!merge" && below.node != nil && below.node.Kind == yaml.SequenceNode:
			others = append(others, below.items()...)
		case key.ShortTag() == "!!merge":
			others = append(others, below)
		case key.Kind != yaml.ScalarNode:
			below.wrong(errors.New("the name of a setting must be a text"))
		case twice:
			below.wrong(fmt.Errorf("%q is set twice, first on line %d", key.Value, first.line))
		default:
			found[key.Value] = below
		}
	}
	return others
}

// each are the settings below this one whose names the operator gives.
func (w written) each(take func(name string, below written)) {
	below := w.below()
	for _, name := range slices.Sorted(maps.Keys(below)) {
		take(name, below[name])
	}
}

// items is a list.
func (w written) items() []written {
	switch {
	case w.node == nil:
		return nil
	case w.node.Kind != yaml.SequenceNode:
		w.wrongf("expected a list, found %s", w.kind())
		return nil
	}
	var list []written
	for _, item := range w.node.Content {
		list = append(list, written{w.reader, w.key, item.Line, cmp.Or(resolved(item), item)})
	}
	return list
}

// oneOrMore is written as one value or as a list.
func (w written) oneOrMore() []written {
	if w.node != nil && w.node.Kind == yaml.ScalarNode {
		return []written{w}
	}
	return w.items()
}

// at is what is written for a setting below, or this where it is not.
func (w written) at(keys []string) written {
	if len(keys) == 0 || w.node == nil || w.node.Kind != yaml.MappingNode {
		return w
	}
	if below, ok := w.below()[keys[0]]; ok {
		return below.at(keys[1:])
	}
	return w
}

// judge notes what a Validate found of the settings below this one, but for
// those that could not be read in the first place.
func (w written) judge(err error) {
	var found health.Mistakes
	if w.bad[w.node] || !errors.As(err, &found) {
		return
	}
	for _, m := range found {
		if at := w.at(m.At); at.node == w.node || !at.bad[at.node] {
			at.wrong(m.Err)
		}
	}
}
