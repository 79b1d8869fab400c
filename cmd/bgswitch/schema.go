package main

import (
	"bgswitch/switcher"
	"bgswitch/switcher/release"

	"go.yaml.in/yaml/v3"
)

// schema reads where it stands what the database has, and what the colors need.
func (w written) schema(s *switcher.Schema) func() *yaml.Node {
	*s = switcher.Schema{Timeout: switcher.DefaultSchemaTimeout}
	var blue, green switcher.Need
	inForce := w.has(
		setting{"database", optional(&s.Database, written.version)}, setting{"blue", optional(&blue, written.need)}, setting{"green", optional(&green, written.need)},
		setting{"timeout", duration(&s.Timeout)},
	)
	s.Needs = map[switcher.Color]switcher.Need{switcher.Blue: blue, switcher.Green: green}
	w.judge(s.Validate())
	return inForce
}

// version reads where one stands.
func (w written) version(s *release.Source) func() *yaml.Node {
	return w.has(
		setting{"url", address(&s.URL)}, setting{"field", plain(&s.Field)}, setting{"header", plain(&s.Header)},
		setting{"file", absolute(&s.File)}, setting{"command", program(&s.Command)},
	)
}

func (w written) need(n *switcher.Need) func() *yaml.Node {
	return w.has(
		setting{"url", address(&n.URL)}, setting{"at_least", plain(&n.AtLeast)}, setting{"at_most", plain(&n.AtMost)},
		setting{"file", absolute(&n.File)}, setting{"command", program(&n.Command)},
	)
}
