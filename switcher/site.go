package switcher

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"bgswitch/health"
	"bgswitch/nginxconf"
)

// Color is one of the two copies of a site.
type Color = nginxconf.Color

// The two colors.
const (
	Blue  = nginxconf.Blue
	Green = nginxconf.Green
)

// Site is one thing that is switched: its files, its two colors, its checks.
type Site struct {
	Name    string
	Files   []LiveFile // at least one
	Check   health.Check
	URLs    map[Color]health.URL // where to ask instead of the backends' own addresses
	Confirm *Confirm             // how to ask through nginx; nil: the proof is by generation
	Restart []string             // argv that starts an app anew, which no nginx switches; empty: nginx does
	Hooks   Hooks
	Schema  Schema // of the database
	Bake    Bake   // for a switch by `to`

	Releases Releases // what its colors carry; the zero value: nobody says
}

// siteNameLimit is how long a site's name may be: it names a folder.
const siteNameLimit = 64

var siteName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// Validate finds what cannot work, as health.Mistakes at their settings.
func (s Site) Validate() error {
	var m health.Mistakes
	m.Add(ValidateName(s.Name))
	for _, f := range s.Files {
		m.Add(f.Validate())
	}
	m.Add(s.ValidateAsking())
	m.Add(s.Check.Validate(), "check")
	if s.Confirm != nil {
		m.Add(s.Confirm.Validate(), "confirm")
	}
	if !s.Schema.IsZero() {
		m.Add(s.Schema.Validate(), "schema")
	}
	if len(s.Hooks.Before)+len(s.Hooks.After) > 0 {
		m.Add(s.Hooks.Validate())
	}
	if len(s.Releases.Of) > 0 {
		m.Add(s.Releases.Validate(), "release")
	}
	if s.Bake.For > 0 {
		m.Add(s.Bake.Validate(), "bake")
	}
	return m.Found()
}

// ValidateName tells whether a site may have a name: it names a folder, too, beside
// files of ours.
func ValidateName(name string) error {
	if len(name) > siteNameLimit || !siteName.MatchString(name) {
		return fmt.Errorf("site name %q: use only letters, digits, dots, dashes and underscores, at most 64", name)
	}
	if ext := filepath.Ext(name); ext == ".json" || ext == ".lock" {
		return fmt.Errorf("site name %q: names that end in .json or .lock are reserved for bgswitch's own files", name)
	}
	return nil
}

// Backends are the servers of one color, as the check asks them: each of them
// once, or the one URL that stands for the color.
func (s Site) Backends(c Color) []health.Backend {
	if url := s.URLs[c]; !url.IsZero() {
		return []health.Backend{{Name: url.String(), URL: url}}
	}
	var backends []health.Backend
	seen := map[string]bool{}
	for _, value := range s.values(c) {
		address, is := value.(nginxconf.Address)
		if !is || seen[address.String()] {
			continue
		}
		seen[address.String()] = true
		network, dial := address.Dial()
		backends = append(backends, health.Backend{Name: address.String(), Network: network, Address: dial})
	}
	return backends
}

// values are those of one color in all files.
func (s Site) values(c Color) []nginxconf.Value {
	var all []nginxconf.Value
	for _, f := range s.Files {
		all = append(all, f.Layout.Values(c)...)
	}
	return all
}

// ValidateAsking finds values that do not say where to ask a color, as
// health.Mistakes at their settings.
func (s Site) ValidateAsking() error {
	var m health.Mistakes
	for _, f := range s.Files {
		for _, color := range []Color{Blue, Green} {
			m.Add(s.askable(color, f.Layout), "check")
			m.Add(s.askableWhole(color, f), "check")
		}
	}
	m.Add(s.validateRestart(), "restart")
	return m.Found()
}

// askableWhole: a file says nothing of where to ask its color. One that runs only
// once it is live cannot be asked before.
func (s Site) askableWhole(color Color, f LiveFile) error {
	if f.Whole == nil || len(s.Restart) > 0 || !s.URLs[color].IsZero() {
		return nil
	}
	return fmt.Errorf("%s_file does not say where to ask %s; set `%s_url:` below `check:`", color, color, color)
}

// validateRestart: where no nginx is seen, nothing but the answers proves
// anything.
func (s Site) validateRestart() error {
	switch {
	case len(s.Restart) == 0:
		return nil
	case slices.ContainsFunc(s.Files, func(f LiveFile) bool { return f.Whole == nil }):
		return errors.New("it works only with blue_file and green_file, in place of a reload of nginx")
	case s.Confirm == nil:
		return errors.New("`confirm:` is needed, because nothing else could prove a switch")
	}
	return nil
}

// askable says whether a color can be asked: where its value in one of the
// places is a mere name, only a URL says where.
func (s Site) askable(color Color, layout nginxconf.Layout) error {
	if url := s.URLs[color]; !url.IsZero() {
		return nil
	}
	for _, place := range layout {
		for _, value := range place.Colors[color] {
			if value != nil && !place.Selector.Dials(value) { // nil: it could not be read
				return fmt.Errorf("%s is %q, which does not say where to ask it; set `%s_url:` below `check:`", color, value, color)
			}
		}
	}
	return nil
}

// Confirm is how to ask through nginx who answers.
type Confirm struct {
	URL      health.URL
	Host     string
	Marks    map[Color]Mark
	Patience time.Duration // how long answers may be wrong; 0: 2 s, or 30 s where an app is started anew
}

// patienceLimit is the longest patience: nobody knows meanwhile where the traffic
// is.
const patienceLimit = 10 * time.Minute

// Validate finds what is missing or cannot tell the colors apart, as
// health.Mistakes at their settings.
func (c Confirm) Validate() error {
	var m health.Mistakes
	if c.URL.IsZero() {
		m.Add(errors.New("none given; use one such as http://127.0.0.1/"), "url")
	}
	m.Add(health.ValidateHost(c.Host), "host")
	if c.Patience < 0 || c.Patience > patienceLimit {
		m.Add(fmt.Errorf("%s is not allowed; use at most %s", health.Short(c.Patience), health.Short(patienceLimit)), "patience")
	}
	for _, color := range []Color{Blue, Green} {
		m.Add(c.Marks[color].validate(color), string(color))
	}
	if len(m) == 0 {
		m.Add(c.tellApart(), string(Green))
	}
	return m.Found()
}

// tellApart: a page with the longer one of two texts has the other one, too.
// Values of headers are compared whole.
func (c Confirm) tellApart() error {
	blue, green := c.Marks[Blue], c.Marks[Green]
	nameBlue, valueBlue, headerBlue := blue.header()
	nameGreen, valueGreen, headerGreen := green.header()
	switch {
	case headerBlue != headerGreen:
	case headerBlue:
		if nameBlue == nameGreen && valueBlue == valueGreen {
			return fmt.Errorf("it is the same mark as blue's, %q", blue)
		}
	case blue == green:
		return fmt.Errorf("it is the same mark as blue's, %q", blue)
	case strings.Contains(string(blue), string(green)), strings.Contains(string(green), string(blue)):
		return fmt.Errorf("one mark is part of the other, %q and %q; a page with the longer one has both", blue, green)
	}
	return nil
}

// Mark is what only one color sends: a header, written `Name: value`, or else
// a text in the body.
type Mark string

var headerMark = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)$")

// header is the mark as a header; ok is false where it is a text of the body.
func (m Mark) header() (name, value string, ok bool) {
	header := headerMark.FindStringSubmatch(string(m))
	if header == nil {
		return "", "", false
	}
	return http.CanonicalHeaderKey(header[1]), strings.TrimSpace(header[2]), true
}

func (m Mark) validate(color Color) error {
	_, value, header := m.header()
	switch {
	case strings.TrimSpace(string(m)) == "":
		return fmt.Errorf("it is empty; set it to a header (`X-Color: %s`) or to a text of the body", color)
	case strings.ContainsFunc(string(m), unicode.IsControl):
		return fmt.Errorf("the mark %q contains a control character; use a header (`X-Color: %s`) or one line of text", m, color)
	case header && value == "":
		return fmt.Errorf("the header %q has no value; write it as `X-Color: %s`", m, color)
	}
	return nil
}

// On says whether a page carries the mark.
func (m Mark) On(page health.Page) bool {
	if name, value, ok := m.header(); ok {
		return slices.Contains(page.Header[name], value)
	}
	return strings.Contains(string(page.Body), string(m))
}

// Tells says which color a page came from; empty when it carries neither
// mark, or both.
func (c Confirm) Tells(page health.Page) Color {
	blue, green := c.Marks[Blue].On(page), c.Marks[Green].On(page)
	switch {
	case blue && !green:
		return Blue
	case green && !blue:
		return Green
	}
	return ""
}
