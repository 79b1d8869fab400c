package main

import (
	"regexp"
	"slices"
	"strings"

	"bgswitch/examples"
)

// settingsPage is bgswitch.yaml(5): the settings are those of the example, each
// with its comment there.
func settingsPage() page {
	p := page{
		{title: "NAME", passages: []passage{{text: settingsManual + " - the settings of bgswitch"}}},
		{title: "SYNOPSIS", passages: []passage{{shown: []string{defaultSettings}}}},
	}
	p = append(p, exampleOf(examples.Settings)...)
	p = append(p, manualOf(settingsManual)...)
	return append(p, chapter{title: "SEE ALSO", passages: []passage{{text: "`bgswitch`(1), `nginx`(8)"}}})
}

// exampleOf are the chapters that an example makes, one for each setting at its
// top. A comment behind a setting tells of it; one that stands alone is a
// paragraph; and all sites but the first stay as they are.
func exampleOf(text string) page {
	e := &exampleText{page: page{{title: "DESCRIPTION"}}}
	for stanza := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		for line := range strings.SplitSeq(stanza, "\n") {
			e.read(line)
		}
		e.endProse()
		e.sites, e.whole = e.in("sites"), false
	}
	return e.page
}

type exampleText struct {
	page
	prose []string // of the paragraph that has begun
	path  []keyAt  // of the setting that was read last
	sites bool     // what comes is about one more site, if it is no setting at the top
	whole bool     // what comes stays as it is
}

type keyAt struct {
	indent int
	key    string
}

// settingLine is a setting, commented out or not, or what may stand in its place.
var settingLine = regexp.MustCompile(`^( *(?:# )? *(?:# )?(?:- )?)(?:([a-z0-9_]+):( .*?)?|(\{.*\}|\[.*\]))(?: +# (.*))?$`)

func (e *exampleText) read(line string) {
	found := settingLine.FindStringSubmatch(line)
	if found == nil && !e.whole {
		e.prose = append(e.prose, strings.TrimLeft(line, " #"))
		return
	}
	indent := 1 // below something
	if found != nil {
		indent = len(strings.Replace(found[1], "# ", "", 1))
	}
	if e.whole = indent > 0 && (e.whole || e.sites); e.whole {
		e.endProse()
		e.show(strings.TrimPrefix(strings.Replace(line, "# ", "", 1), "  "))
		return
	}
	if e.sites = e.sites && indent > 0; indent == 0 {
		e.page = append(e.page, chapter{title: strings.ToUpper(found[2])})
	}
	e.endProse()
	e.set(indent, found[2], strings.TrimSpace(found[3]+found[4]), found[5])
}

// set tells of a setting; where key is empty, of what may stand in its place.
func (e *exampleText) set(indent int, key, value, comment string) {
	name := value
	if key != "" {
		e.path = append(slices.DeleteFunc(e.path, func(k keyAt) bool { return k.indent >= indent }), keyAt{indent, key})
		name = strings.TrimSuffix(e.name()+": "+value, " ")
	}
	if value == "" && comment == "" {
		return // a mapping, of which its settings tell
	}
	last := e.last()
	if n := len(last.passages); n == 0 || last.passages[n-1].terms == nil {
		last.passages = append(last.passages, passage{})
	}
	at := &last.passages[len(last.passages)-1]
	at.terms = append(at.terms, term{name, comment})
}

// name is that of the setting: below a site without the site's.
func (e *exampleText) name() string {
	var keys []string
	for _, at := range e.path {
		keys = append(keys, at.key)
	}
	if len(keys) > 2 && keys[0] == "sites" {
		keys = keys[2:]
	}
	return strings.Join(keys, ".")
}

func (e *exampleText) in(key string) bool { return len(e.path) > 0 && e.path[0].key == key }

func (e *exampleText) last() *chapter { return &e.page[len(e.page)-1] }

func (e *exampleText) show(line string) {
	last := e.last()
	if n := len(last.passages); n == 0 || last.passages[n-1].shown == nil {
		last.passages = append(last.passages, passage{})
	}
	at := &last.passages[len(last.passages)-1]
	at.shown = append(at.shown, line)
}

func (e *exampleText) endProse() {
	if len(e.prose) > 0 {
		last := e.last()
		last.passages = append(last.passages, passage{text: strings.Join(strings.Fields(strings.Join(e.prose, " ")), " ")})
	}
	e.prose = nil
}
