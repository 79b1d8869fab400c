package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/caller"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/notify"
	"bgswitch/switcher/trust"

	"github.com/urfave/cli/v2"
)

// setup reads the settings and the flags that stand in their place.
func setup(c *cli.Context, t *terminal) (settings, error) {
	if err := raiseLimits(); err != nil {
		return settings{}, err
	}
	s, err := settingsOf(c, t)
	if err != nil {
		return settings{}, err
	}
	if len(s.sites) == 0 {
		return s, s.withoutSites(c)
	}
	return s, s.override(c)
}

func settingsPath(c *cli.Context) string { return cmp.Or(c.String("config"), defaultSettings) }

// settingsOf reads the settings.
func settingsOf(c *cli.Context, t *terminal) (settings, error) {
	given := c.String("config") != ""
	if err := configByRule(c); err != nil {
		return settings{}, err
	}
	// Only the default file may leave the built-in site to be switched: whoever
	// names one means what stands in it, or says with --file what he means.
	s, err := loadSettings(settingsPath(c), given, given && !c.IsSet("file"), t.judge(c.Bool("strict")))
	if errors.Is(err, fs.ErrPermission) {
		err = &hinted{err, typedOf(c).AsRoot()}
	}
	s.typed = typedOf(c)
	return s, err
}

// judge warns of settings that others may write: they say which programs run.
func (t *terminal) judge(strict bool) trust.Judge {
	return trust.Judge{Strict: strict, Warn: func(doubt error) {
		t.say(doubt.Error() + "; whoever can write the settings decides what bgswitch runs")
	}}
}

// setupSite is setup for a command that is about one site.
func setupSite(c *cli.Context, t *terminal) (settings, switcher.Site, error) {
	s, err := setup(c, t)
	if err != nil {
		return settings{}, switcher.Site{}, err
	}
	site, err := s.site(c.String("site"))
	return s, site, err
}

// raiseLimits refuses to begin where a limit of the caller's would end us in
// the middle.
func raiseLimits() error {
	err := caller.RaiseLimits()
	var low *caller.LimitError
	if !errors.As(err, &low) {
		return err
	}
	return &hinted{
		fmt.Errorf("cannot begin: %w", err),
		fmt.Sprintf("run it again in a new shell, one in which `%s` is permitted", low.Ulimit()),
	}
}

// withoutSites makes the one site of the origin page's set-up.
func (s *settings) withoutSites(c *cli.Context) error {
	file := cmp.Or(c.String("file"), defaultFile)
	if err := fileByRule(c, defaultFile); err != nil {
		return err
	}
	place, err := placeOf(c, nginxconf.Selector{}, []string{defaultBlue}, []string{defaultGreen})
	if err != nil {
		return err
	}
	site := switcher.Site{
		Name:  siteOfFile(file),
		Files: []switcher.LiveFile{{Path: file, Layout: nginxconf.Layout{place}}},
		Check: health.Defaults(),
		Bake:  switcher.DefaultBake(),
	}
	if err := site.Validate(); err != nil {
		return usage("use `--file`, `--blue` and `--green` to say what differs from the defaults", "%v", err)
	}
	s.sites = []switcher.Site{site}
	return nil
}

// override lets --file, --selector, --blue and --green stand in for those of
// the one site.
func (s *settings) override(c *cli.Context) error {
	places := c.IsSet("blue") || c.IsSet("green") || c.IsSet("selector")
	if !c.IsSet("file") && !places {
		return nil
	}
	site, err := s.site(c.String("site"))
	if err != nil {
		return err
	}
	if len(site.Files) > 1 {
		return usage("set them in the settings", "--file, --selector, --blue and --green do not work with a site that has several files")
	}
	if err := fileByRule(c, site.Files[0].Path); err != nil {
		return err
	}
	if c.IsSet("file") {
		file := site.Files[0]
		file.Path = c.String("file")
		site.Files = []switcher.LiveFile{file}
	}
	if places {
		if err := overridePlace(c, &site); err != nil {
			return err
		}
	}
	if err := site.Validate(); err != nil {
		return usage("`bgswitch --help` explains the flags", "%v", err)
	}
	s.beside, s.sites = s.sites, []switcher.Site{site}
	return nil
}

func overridePlace(c *cli.Context, site *switcher.Site) error {
	file := site.Files[0]
	if file.Whole != nil {
		return usage("set `blue_file:` and `green_file:` in the settings", "--selector, --blue and --green do not work with a site where whole files decide")
	}
	if len(file.Layout) > 1 {
		return usage("set them in the settings", "--selector, --blue and --green do not work with a site that has several places")
	}
	written := file.Layout[0]
	place, err := placeOf(c, written.Selector, texts(written.Colors[switcher.Blue]), texts(written.Colors[switcher.Green]))
	site.Files = []switcher.LiveFile{{Path: file.Path, Layout: nginxconf.Layout{place}}}
	return err
}

func texts(values []nginxconf.Value) []string {
	var list []string
	for _, value := range values {
		list = append(list, value.String())
	}
	return list
}

// placeOf is the place that the flags name, and else what was set.
func placeOf(c *cli.Context, selector nginxconf.Selector, blue, green []string) (place nginxconf.Place, err error) {
	if c.IsSet("selector") {
		if selector, err = nginxconf.ParseSelector(c.String("selector")); err != nil {
			return place, usage("write the selector as it is in nginx: --selector 'set $service_url'", "--selector: %v", err)
		}
	}
	if c.IsSet("blue") {
		blue = c.StringSlice("blue")
	}
	if c.IsSet("green") {
		green = c.StringSlice("green")
	}
	place = nginxconf.Place{Selector: selector, Colors: nginxconf.Colors{}}
	for color, written := range map[switcher.Color][]string{switcher.Blue: blue, switcher.Green: green} {
		for _, text := range written {
			value, err := selector.Value(text)
			if err != nil {
				return place, usage(fmt.Sprintf("write the value as it is in nginx: --%s 127.0.0.1:3001", color), "--%s: %v", color, err)
			}
			place.Colors[color] = append(place.Colors[color], value)
		}
	}
	return place, nil
}

// switcherFor brings a site and the effects together.
func (s settings) switcherFor(site switcher.Site, t *terminal) *switcher.Switcher {
	log := t.log()
	return &switcher.Switcher{
		Typed: s.typedFor(site),
		Site:  site,
		Sites: slices.Concat(s.sites, s.beside),
		Nginx: &nginx.Nginx{
			Binary: s.nginx.binary, Conf: s.nginx.conf, Prefix: s.nginx.prefix,
			Test: s.nginx.test, Reload: s.nginx.reload,
			ContainerName: s.nginx.container, MasterPID: s.nginx.pid,
		},
		State: s.stateOf(site),
		Asker: health.Asker{Log: log},
		Host:  hostname(),
		Log:   log,
		Say:   t.say,
	}
}

// teller tells people, through the channels of the settings.
func (s settings) teller(t *terminal) *notify.Teller {
	return &notify.Teller{Channels: s.notify, StateDir: s.stateDir, StateOf: s.stateOfNamed, Host: hostname(), Say: t.say}
}
