package switcher

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

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

// Site is one thing that is switched: its file, its two colors, its checks.
type Site struct {
	Name    string
	File    string
	Layout  nginxconf.Layout
	Check   health.Check
	URLs    map[Color]health.URL // where to ask instead of the backends' own addresses
	Confirm *Confirm             // how to ask through nginx; nil: the proof is by generation
}

// siteNameLimit is how long a site's name may be: it names a folder.
const siteNameLimit = 64

var siteName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// Validate says what cannot work, in the order of the fields.
func (s Site) Validate() error {
	if len(s.Name) > siteNameLimit || !siteName.MatchString(s.Name) {
		return fmt.Errorf("site name %q: only letters, digits, dot, dash and underscore, at most 64", s.Name)
	}
	if !strings.HasPrefix(s.File, "/") {
		return fmt.Errorf("file %q: an absolute path is needed", s.File)
	}
	if err := s.Layout.Validate(); err != nil {
		return err
	}
	if err := s.Check.Validate(); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if s.Confirm != nil {
		return s.Confirm.Validate()
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
	for _, name := range slices.Sorted(maps.Keys(s.Layout)) {
		for _, address := range s.Layout[name][c] {
			if seen[address.String()] {
				continue
			}
			seen[address.String()] = true
			network, dial := address.Dial()
			backends = append(backends, health.Backend{Name: address.String(), Network: network, Address: dial})
		}
	}
	return backends
}

// Confirm is how to ask through nginx who answers.
type Confirm struct {
	URL   health.URL
	Host  string
	Marks map[Color]Mark
}

// Validate says what is missing or cannot tell the colors apart.
func (c Confirm) Validate() error {
	if c.URL.IsZero() {
		return errors.New("confirm: a url is needed, such as http://127.0.0.1/")
	}
	for _, color := range []Color{Blue, Green} {
		if c.Marks[color] == "" {
			return fmt.Errorf("confirm: %s: a header (`X-Color: %s`) or a text of the body is needed", color, color)
		}
	}
	if c.Marks[Blue] == c.Marks[Green] {
		return fmt.Errorf("confirm: blue and green have the same mark %q", c.Marks[Blue])
	}
	return nil
}

// Mark is what only one color sends: a header, written `Name: value`, or else
// a text in the body.
type Mark string

var headerMark = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+): *(.+)$")

// On says whether a page carries the mark.
func (m Mark) On(page health.Page) bool {
	if header := headerMark.FindStringSubmatch(string(m)); header != nil {
		for _, value := range page.Header[http.CanonicalHeaderKey(header[1])] {
			if value == strings.TrimSpace(header[2]) {
				return true
			}
		}
		return false
	}
	return strings.Contains(string(page.Body), string(m))
}

// answers says which color a page came from; empty when it carries neither
// mark, or both.
func (c Confirm) answers(page health.Page) Color {
	blue, green := c.Marks[Blue].On(page), c.Marks[Green].On(page)
	switch {
	case blue && !green:
		return Blue
	case green && !blue:
		return Green
	}
	return ""
}
