package main

import (
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"
)

// setting is one that a mapping may hold.
type setting struct {
	key string
	value
}

// value is how a setting is read, and what is in force once it was. The one
// description serves both, so that nothing can be set that is not shown.
type value struct {
	take   func(written)
	show   func() any // without what is secret; nil, or empty: nothing is in force
	always bool       // it is taken, too, where nothing is written
}

// section has defaults, which hold where none is written.
func section[T any](into *T, read func(w written, into *T) (inForce func() *yaml.Node)) value {
	v := optional(into, read)
	v.always = true
	return v
}

// optional is a section that may be left out.
func optional[T any](into *T, read func(w written, into *T) (inForce func() *yaml.Node)) value {
	var inForce func() *yaml.Node
	return value{
		take: func(w written) { inForce = read(w, into) },
		show: func() any {
			if inForce == nil {
				return nil
			}
			return inForce()
		},
	}
}

// keep is for what needs more than its own value; it is in force as it is written.
func keep(into *written) value {
	return value{take: func(w written) { *into = w }, show: func() any { return into.plain() }}
}

// plain is what is written, without comments, and with what is merged into it.
func (w written) plain() *yaml.Node {
	switch {
	case w.node == nil:
		return nil
	case w.node.Kind == yaml.ScalarNode:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: w.node.Tag, Value: w.node.Value, Style: w.node.Style}
	case w.node.Kind == yaml.SequenceNode:
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: w.node.Style}
		for _, item := range w.items() {
			list.Content = append(list.Content, item.plain())
		}
		return list
	}
	m := &yaml.Node{Kind: yaml.MappingNode, Style: w.node.Style}
	w.each(func(name string, below written) { put(m, name, below.plain()) })
	return m
}

// mappingOf shows settings; nil where none is in force.
func mappingOf(settings []setting) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range settings {
		put(m, s.key, nodeOf(s.show()))
	}
	if len(m.Content) == 0 {
		return nil
	}
	return m
}

func put(m *yaml.Node, key string, shown *yaml.Node) {
	if shown != nil {
		m.Content = append(m.Content, nodeOf(key), shown)
	}
}

// nodeOf is a value as YAML has it; nil where it is empty.
func nodeOf(v any) *yaml.Node {
	if node, ok := v.(*yaml.Node); ok {
		return node
	}
	var node yaml.Node
	if err := node.Encode(v); v == nil || err != nil || node.Value == "" && len(node.Content) == 0 {
		return nil
	}
	if node.Kind == yaml.SequenceNode {
		node.Style = yaml.FlowStyle
	}
	return &node
}

// everySection has each that there is, so that a key can be told where it belongs.
const everySection = `
sites: {a site: {confirm: {}, release: {blue: {}}, schema: {database: {}, blue: {}}, upstreams: {an upstream: {}}, places: [{}]}}
notify: {webhooks: [{}]}
`

// everyKey is below which each setting stands.
var everyKey func() map[string][]string

func init() { // what it reads them with asks it, too
	everyKey = sync.OnceValue(func() map[string][]string {
		r := newReader()
		_ = r.document([]byte(everySection)).settings()
		return r.known
	})
}

// meantBy guesses what an unknown key was to be: one of the settings in another
// spelling, one that stands elsewhere, or one that is nearly the same.
func meantBy(key string, settings []setting) string {
	key = spelled(key)
	var keys []string
	for _, s := range settings {
		keys = append(keys, s.key)
	}
	near, away := nearest(key, keys)
	if near != "" && away == 0 {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	if places := everyKey()[key]; len(places) > 0 {
		at := "below " + places[0]
		if at == "below "+topLabel {
			at = "at the top"
		}
		return fmt.Sprintf("; %q belongs %s", key, at)
	}
	if near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
