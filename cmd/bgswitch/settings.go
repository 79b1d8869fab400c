package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"bgswitch/switcher"
	"bgswitch/switcher/notify"
	"bgswitch/switcher/trust"
	"bgswitch/switcher/verify"

	"go.yaml.in/yaml/v3"
)

// What holds where nothing is set.
const (
	defaultSettings = "/etc/bgswitch/bgswitch.yaml"
	defaultStateDir = "/var/lib/bgswitch"
	defaultFile     = "/etc/nginx/conf.d/active_upstream.conf"
	defaultBlue     = "127.0.0.1:3001"
	defaultGreen    = "127.0.0.1:3002"
)

// settingsLimit is the largest settings file that is read, in bytes.
const settingsLimit = 1 << 20

// settings is what the operator set.
type settings struct {
	typed    switcher.Typed // what led here
	path     string
	inForce  func() *yaml.Node // all of it, without what is secret
	stateDir string
	nginx    nginxSettings
	sites    []switcher.Site
	beside   []switcher.Site // that were set, where flags have changed the one
	verify   verify.Options
	notify   notify.Channels

	metricsFile, pageFile string // where verify leaves them; empty: nowhere
}

type nginxSettings struct {
	binary, conf, prefix string
	test, reload         []string
	container            string
	pid                  int
}

// loadSettings reads the settings file, or takes the defaults where the
// default one is not there. Every mistake is reported, each with its line; where
// a site is wanted, that there is none is one, too.
func loadSettings(path string, given, wanted bool, judge trust.Judge) (settings, error) {
	text, err := judge.Read(path, settingsLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !given:
		return newReader().parse(path, nil)
	case errors.Is(err, trust.ErrUnsafe):
		return settings{}, &hinted{fmt.Errorf("cannot trust the settings: %w", err), trust.Mend(err)}
	case err != nil:
		return settings{}, &hinted{fmt.Errorf("cannot read the settings: %w", err), "name another file with `--config FILE`"}
	}
	r := newReader()
	r.wanted, r.read = wanted, judge.Read
	return r.parse(path, text)
}

func (r *reader) parse(path string, text []byte) (settings, error) {
	top := r.document(text)
	s := top.settings()
	if r.wanted && len(s.sites) == 0 && !r.noSites {
		top.at([]string{"sites"}).wrong(errors.New("there is no site in it"))
	}
	if found := r.found(path); len(found.list) > 0 {
		return settings{}, &hinted{found, "fix the lines above; `bgswitch settings example` shows every setting"}
	}
	s.path, s.inForce = path, r.inForce
	return s, nil
}

// settings reads all that there is to set, and what holds where nothing is.
func (w written) settings() settings {
	s := settings{stateDir: defaultStateDir, verify: verify.Defaults()}
	w.inForce = w.has(
		setting{"state_dir", absolute(&s.stateDir)},
		setting{"nginx", section(&s.nginx, written.nginx)},
		setting{"sites", optional(&s.sites, written.siteList)},
		setting{"verify", section(&s, written.verify)},
		setting{"notify", optional(&s.notify, written.notify)},
	)
	return s
}

func (w written) nginx(n *nginxSettings) func() *yaml.Node {
	var pid written
	inForce := w.has(
		setting{"binary", binary(&n.binary)},
		setting{"conf", absolute(&n.conf)},
		setting{"prefix", absolute(&n.prefix)},
		setting{"test", argv(&n.test)},
		setting{"reload", argv(&n.reload)},
		setting{"container", container(&n.container)},
		setting{"pid", keep(&pid)},
	)
	if pid.node == nil {
		return inForce
	}
	switch number(&n.pid).take(pid); {
	case n.pid < 0:
		pid.wrongf("%d is not the number of a process", n.pid)
	case n.pid > 0 && n.container != "":
		pid.wrong(errors.New("pid: set this or container, not both"))
	}
	return inForce
}

// site picks the site that a command is about.
func (s settings) site(name string) (switcher.Site, error) {
	var names []string
	for _, site := range s.sites {
		if site.Name == name || name == "" && len(s.sites) == 1 {
			return site, nil
		}
		names = append(names, site.Name)
	}
	hint := "the settings have " + strings.Join(names, ", ")
	if len(names) == 0 {
		hint = "the settings have no site"
	}
	switch {
	case name == "":
		return switcher.Site{}, usage(hint, "the settings have %d sites; say which with --site NAME", len(s.sites))
	case strings.Contains(name, ","):
		return switcher.Site{}, usage(hint, "this command is for one site, but --site names several: %s", name)
	}
	return switcher.Site{}, usage(hint, "there is no site %q", name)
}

// chosen are all sites, or those that are named.
func (s settings) chosen(names string) ([]switcher.Site, error) {
	if names == "" {
		return s.sites, nil
	}
	return s.together(names)
}

// together are those that are named, or the only one.
func (s settings) together(names string) (list []switcher.Site, err error) {
	for name := range strings.SplitSeq(names, ",") {
		if name == "" && names != "" {
			return nil, usage("write it as --site a,b", "--site %s has an empty name", names)
		}
		site, err := s.site(name)
		switch {
		case err != nil:
			return nil, err
		case slices.ContainsFunc(list, func(other switcher.Site) bool { return other.Name == site.Name }):
			return nil, usage("name each site once", "--site %s names %s twice", names, site.Name)
		}
		list = append(list, site)
	}
	return list, nil
}

// siteOfFile names a site that no settings name after its file.
func siteOfFile(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), ".conf")
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
	return "file_" + clean[:min(len(clean), 50)]
}

// siteList are the sites in the order of their names.
func (w written) siteList(into *[]switcher.Site) func() *yaml.Node {
	if w.node.Kind == yaml.SequenceNode {
		w.wrongf("expected settings below it, found a list: write each site below its name, and each name only once")
		w.noSites = true
		return nil
	}
	var shown []func() *yaml.Node
	w.each(func(name string, w written) {
		site, inForce := w.site(name)
		*into, shown = append(*into, site), append(shown, inForce)
	})
	return func() *yaml.Node {
		m := &yaml.Node{Kind: yaml.MappingNode}
		for i, site := range *into {
			put(m, site.Name, shown[i]())
		}
		return m
	}
}
