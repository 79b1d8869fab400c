package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
)

// settings turns what is written into what is used.
func (c *checker) settings(written settingsYAML) settings {
	s := settings{stateDir: written.StateDir, nginx: written.Nginx, verify: c.verify(written.Verify), notify: c.notify(written.Notify), metricsFile: written.Verify.Metrics}
	if s.stateDir == "" {
		s.stateDir = defaultStateDir
	}
	c.absolute(s.stateDir, "state_dir")
	c.absolute(s.metricsFile, "verify", "metrics_file")
	c.absolute(s.nginx.Conf, "nginx", "conf")
	c.absolute(s.nginx.Prefix, "nginx", "prefix")
	c.program([]string{s.nginx.Binary}, "nginx", "binary")
	c.program(s.nginx.Test, "nginx", "test")
	c.program(s.nginx.Reload, "nginx", "reload")
	for _, name := range slices.Sorted(maps.Keys(written.Sites)) {
		if written.Sites[name] == nil {
			c.wrong(errors.New("nothing is set for this site"), "sites", name)
			continue
		}
		s.sites = append(s.sites, c.site(name, *written.Sites[name]))
	}
	return s
}

func (c *checker) absolute(path string, at ...string) {
	if path != "" && !filepath.IsAbs(path) {
		c.wrong(fmt.Errorf("%q: an absolute path is needed", path), at...)
	}
}

// program is a name or an absolute path: another one would mean a file of
// whoever types the command, in the folder where he stands.
func (c *checker) program(argv []string, at ...string) {
	if len(argv) > 0 && argv[0] != filepath.Base(argv[0]) {
		c.absolute(argv[0], at...)
	}
}

func (c *checker) site(name string, written siteYAML) switcher.Site {
	at := []string{"sites", name}
	before := len(c.problems)
	site := switcher.Site{
		Name:   name,
		File:   written.File,
		Layout: c.layout(written, at),
		Check:  c.check(written.Check, append(at, "check")),
		URLs: map[switcher.Color]health.URL{
			switcher.Blue:  c.url(written.Check.BlueURL, "sites", name, "check", "blue_url"),
			switcher.Green: c.url(written.Check.GreenURL, "sites", name, "check", "green_url"),
		},
	}
	if site.File == "" {
		site.File = defaultFile
	}
	if written.Confirm != nil {
		w := written.Confirm
		site.Confirm = &switcher.Confirm{URL: c.url(w.URL, append(at, "confirm", "url")...), Host: w.Host, Marks: map[switcher.Color]switcher.Mark{
			switcher.Blue: switcher.Mark(w.Blue), switcher.Green: switcher.Mark(w.Green),
		}}
		if len(c.problems) == before {
			c.wrong(site.Confirm.Validate(), append(at, "confirm")...)
		}
		site.Confirm = onlyIf(len(c.problems) == before, site.Confirm)
	}
	if len(c.problems) == before {
		c.wrong(site.Validate(), at...)
	}
	return site
}

func onlyIf[T any](ok bool, value *T) *T {
	if ok {
		return value
	}
	return nil
}

// layout takes the colors of the site, or those of its upstreams.
func (c *checker) layout(written siteYAML, at []string) nginxconf.Layout {
	if len(written.Upstreams) == 0 {
		name := nginxconf.Sole
		if written.Upstream != "" {
			name = written.Upstream
		}
		return nginxconf.Layout{name: c.colors(written.upstreamYAML, at)}
	}
	if len(written.Blue)+len(written.Green) > 0 || written.Upstream != "" {
		c.wrong(errors.New("upstreams: set blue and green either here, or for the site"), append(at, "upstreams")...)
	}
	layout := nginxconf.Layout{}
	for _, name := range slices.Sorted(maps.Keys(written.Upstreams)) {
		here := append(slices.Clone(at), "upstreams", name)
		if written.Upstreams[name] == nil {
			c.wrong(errors.New("nothing is set for this upstream"), here...)
			continue
		}
		layout[name] = c.colors(*written.Upstreams[name], here)
	}
	return layout
}

func (c *checker) colors(written upstreamYAML, at []string) nginxconf.Colors {
	colors := nginxconf.Colors{
		switcher.Blue:  c.addresses(written.Blue, append(slices.Clone(at), "blue")),
		switcher.Green: c.addresses(written.Green, append(slices.Clone(at), "green")),
	}
	return colors
}

func (c *checker) addresses(written []string, at []string) []nginxconf.Address {
	if len(written) == 0 {
		c.wrong(fmt.Errorf("%s: an address is needed, as nginx writes it: 127.0.0.1:3001", at[len(at)-1]), at...)
	}
	var addresses []nginxconf.Address
	for _, text := range written {
		address, err := nginxconf.ParseAddress(text)
		c.wrong(err, at...)
		addresses = append(addresses, address)
	}
	return addresses
}

// check lays what is written over the defaults.
func (c *checker) check(written checkYAML, at []string) health.Check {
	before := len(c.problems)
	check := health.Defaults()
	set(&check.Type, written.Type)
	set(&check.Scheme, written.Scheme)
	set(&check.Path, written.Path)
	set(&check.Host, written.Host)
	set(&check.Contains, written.Contains)
	set(&check.CAFile, written.CA)
	set(&check.Insecure, written.Insecure)
	check.Headers = written.Headers
	set(&check.Attempts, (*int)(written.Attempts))
	set(&check.Passes, (*int)(written.Passes))
	c.duration(&check.Timeout, written.Timeout, append(at, "timeout"))
	c.duration(&check.Interval, written.Interval, append(at, "interval"))
	if len(written.Status) > 0 {
		ranges, err := health.ParseStatusRanges(written.Status)
		c.wrong(err, append(at, "status")...)
		check.Status = ranges
	}
	c.absolute(check.CAFile, append(at, "ca")...)
	if len(c.problems) == before {
		c.wrong(check.Validate(), at...)
	}
	return check
}

// url is one that may be left out.
func (c *checker) url(written string, at ...string) health.URL {
	if written == "" {
		return health.URL{}
	}
	url, err := health.ParseURL(written)
	c.wrong(err, at...)
	return url
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (c *checker) duration(to *time.Duration, from *string, at []string) {
	if from == nil {
		return
	}
	d, err := time.ParseDuration(*from)
	if err != nil {
		c.wrong(fmt.Errorf("%q is no duration: write 2s, 200ms or 1m", *from), at...)
	}
	*to = d
}
