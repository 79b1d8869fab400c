package switcher

import (
	"fmt"
	"strings"

	"bgswitch/health"
	"bgswitch/nginxconf"
)

// LiveFile is a file of a site that decides the color, and where in it.
type LiveFile struct {
	Path   string // as it was set: links are followed when it is read
	Layout nginxconf.Layout
}

// Validate finds what cannot work, as health.Mistakes at their settings.
func (f LiveFile) Validate() error {
	var m health.Mistakes
	if !strings.HasPrefix(f.Path, "/") {
		m.Add(fmt.Errorf("%q: an absolute path is needed", f.Path), "file")
	}
	m.Add(f.Layout.Validate())
	return m.Found()
}
