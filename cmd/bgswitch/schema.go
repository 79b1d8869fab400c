package main

import (
	"bgswitch/switcher"
	"bgswitch/switcher/release"
)

// schema reads where it stands what the database has, and what the colors need.
func (w written) schema() switcher.Schema {
	s := switcher.Schema{Needs: map[switcher.Color]switcher.Need{}, Timeout: switcher.DefaultSchemaTimeout}
	need := func(color switcher.Color) func(written) {
		return func(w written) { s.Needs[color] = w.need() }
	}
	w.has(takes{
		"database": func(w written) { s.Database = w.version() }, "blue": need(switcher.Blue), "green": need(switcher.Green),
		"timeout": duration(&s.Timeout),
	})
	w.judge(s.Validate())
	return s
}

// version reads where one stands.
func (w written) version() (s release.Source) {
	w.has(takes{
		"url": address(&s.URL), "field": plain(&s.Field), "header": plain(&s.Header),
		"file": absolute(&s.File), "command": func(w written) { s.Command = w.command() },
	})
	return s
}

func (w written) need() (n switcher.Need) {
	w.has(takes{
		"url": address(&n.URL), "at_least": plain(&n.AtLeast), "at_most": plain(&n.AtMost),
		"file": absolute(&n.File), "command": func(w written) { n.Command = w.command() },
	})
	return n
}
