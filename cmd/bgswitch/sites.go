package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"

	"go.yaml.in/yaml/v3"
)

// site reads one site. What is not set has its default.
func (w written) site(name string) (switcher.Site, func() *yaml.Node) {
	site := switcher.Site{Name: name, Check: health.Defaults(), URLs: map[switcher.Color]health.URL{}}
	site.Hooks.Timeout, site.Bake = switcher.DefaultHookTimeout, switcher.DefaultBake()
	w.wrong(switcher.ValidateName(name))
	if !w.isSite() {
		return site, nil
	}
	path := defaultFile
	var d deciding
	inForce := w.has(
		setting{"file", absolute(&path)},
		setting{"blue", keep(&d.blue)},
		setting{"green", keep(&d.green)},
		setting{"selector", keep(&d.selector)},
		setting{"upstream", keep(&d.upstream)},
		setting{"upstreams", keep(&d.upstreams)},
		setting{"blue_file", keep(&d.whole.blue)},
		setting{"green_file", keep(&d.whole.green)},
		setting{"places", keep(&d.places)},
		setting{"restart", argv(&site.Restart)},
		setting{"check", section(&site, written.check)},
		setting{"confirm", optional(&site, written.confirm)},
		setting{"before", hooks(&site.Hooks.Before)},
		setting{"after", hooks(&site.Hooks.After)},
		setting{"hook_timeout", duration(&site.Hooks.Timeout)},
		setting{"release", optional(&site.Releases, written.release)},
		setting{"schema", optional(&site.Schema, written.schema)},
		setting{"bake", section(&site.Bake, written.bake)},
	)
	site.Files = d.files(w, path)
	for i := range site.Files {
		site.Files[i].Released = len(site.Restart) > 0
	}
	w.judge(site.ValidateAsking())
	w.judge(site.Hooks.Validate())
	return site, inForce
}

// isSite says whether something is set for a site.
func (w written) isSite() bool {
	switch {
	case w.node == nil:
		w.wrong(errors.New("nothing is set for this site"))
	case w.node.Kind != yaml.MappingNode && slices.Contains(everyKey()[w.key], "a site"):
		w.wrongf("it is a setting of a site, and belongs below the site's name")
	case w.node.Kind != yaml.MappingNode:
		w.wrongf("expected settings below it, found %s", w.kind())
	default:
		return true
	}
	return false
}

// deciding is what is written for a site of where the color is decided.
type deciding struct {
	blue, green, selector, upstream, upstreams, places written
	whole                                              wholeFiles
}

// files are those of a site; path is that of the one where there are no places.
func (d deciding) files(w written, path string) []switcher.LiveFile {
	if d.places.node != nil {
		for _, other := range []written{d.selector, d.upstream, d.upstreams, d.whole.blue, d.whole.green} {
			if other.node != nil {
				other.wrong(fmt.Errorf("%s: with places, set it in each of them", other.label()))
			}
		}
		return d.places.places(path, d.blue, d.green)
	}
	file := switcher.LiveFile{Path: path}
	switch {
	case d.whole.isSet():
		file = d.whole.of(w, path, d.blue, d.green, d.selector, d.upstream, d.upstreams)
	case d.upstreams.node == nil:
		s := selected(d.selector, d.upstream)
		file.Layout = nginxconf.Layout{{Selector: s, Colors: w.colors(s, d.blue, d.green)}}
	case d.blue.node != nil || d.green.node != nil || d.upstream.node != nil || d.selector.node != nil:
		d.upstreams.wrong(errors.New("upstreams: set blue, green, upstream and selector either in each upstream or for the site, not both"))
	default:
		file.Layout = d.upstreams.layout()
	}
	return []switcher.LiveFile{file}
}

// selected is how the deciding word is found: by a selector, or by the name of
// the upstream alone. An empty text sets nothing.
func selected(selector, upstream written) nginxconf.Selector {
	var found nginxconf.Selector
	if upstream.node != nil && upstream.text() != "" {
		found = upstream.upstreamName()
	}
	if selector.node == nil || selector.text() == "" {
		return found
	}
	if found != (nginxconf.Selector{}) {
		selector.wrong(errors.New("selector: set this or upstream, not both"))
	}
	found, err := nginxconf.ParseSelector(selector.text())
	selector.wrong(err)
	return found
}

func (w written) upstreamName() nginxconf.Selector {
	if w.text() == nginxconf.Sole {
		w.wrongf("%q is not a name; name the upstream, or leave this out if the file has only one", nginxconf.Sole)
	}
	return nginxconf.ServerOf(w.text())
}

// places reads several places that switch together, in one file or in several.
// What one of them does not set is the site's.
func (w written) places(path string, blue, green written) (files []switcher.LiveFile) {
	for _, item := range w.items() {
		at, b, g := path, blue, green
		var selector, upstream written
		var whole wholeFiles
		item.has(setting{"file", absolute(&at)}, setting{"selector", keep(&selector)}, setting{"upstream", keep(&upstream)}, setting{"blue", keep(&b)}, setting{"green", keep(&g)},
			setting{"blue_file", keep(&whole.blue)}, setting{"green_file", keep(&whole.green)})
		s := selected(selector, upstream)
		i := slices.IndexFunc(files, func(f switcher.LiveFile) bool { return f.Path == filepath.Clean(at) })
		if whole.isSet() || i >= 0 && files[i].Whole != nil {
			if i >= 0 {
				item.wrong(fmt.Errorf("places: %s is listed twice, but decides as a whole", files[i].Path))
			}
			files = append(files, whole.of(item, filepath.Clean(at), item.below()["blue"], item.below()["green"], selector, upstream))
			continue
		}
		if i < 0 {
			i, files = len(files), append(files, switcher.LiveFile{Path: filepath.Clean(at)})
		}
		f := &files[i]
		f.Layout = append(f.Layout, nginxconf.Place{Selector: s, Colors: item.colors(s, b, g)})
		if !item.bad[item.node] && !item.bad[selector.node] {
			item.wrong(togetherIn(*f))
		}
	}
	if w.node.Kind == yaml.SequenceNode && len(w.node.Content) == 0 {
		w.wrong(errors.New("places: the list is empty"))
	}
	return files
}

// togetherIn tells why a place cannot stand beside those before it in the file.
func togetherIn(f switcher.LiveFile) error {
	last := len(f.Layout) - 1
	name := f.Layout[last].Selector.String()
	for _, before := range f.Layout[:last] {
		if name == "" || before.Selector.String() == "" {
			return fmt.Errorf("places: %s has several; each of them needs a `selector`", f.Path)
		}
		if before.Selector.String() == name {
			return fmt.Errorf("places: `%s` in %s is listed twice", name, f.Path)
		}
	}
	return nil
}

// layout reads several upstreams that switch together.
func (w written) layout() nginxconf.Layout {
	var layout nginxconf.Layout
	w.each(func(name string, w written) {
		if name == "" || name == nginxconf.Sole {
			w.wrong(fmt.Errorf("%q is not a name; each of several upstreams needs one", name))
		}
		if w.node == nil {
			w.wrong(errors.New("nothing is set for this upstream"))
			return
		}
		var blue, green written
		w.has(setting{"blue", keep(&blue)}, setting{"green", keep(&green)})
		s := nginxconf.ServerOf(name)
		layout = append(layout, nginxconf.Place{Selector: s, Colors: w.colors(s, blue, green)})
	})
	if w.node.Kind == yaml.MappingNode && len(w.node.Content) == 0 {
		w.wrong(errors.New("upstreams: the list is empty"))
	}
	return layout
}

// colors reads the values of both colors of w.
func (w written) colors(selector nginxconf.Selector, blue, green written) nginxconf.Colors {
	places := map[switcher.Color]written{switcher.Blue: blue, switcher.Green: green}
	before, colors := len(w.mistakes), nginxconf.Colors{}
	for color, place := range places {
		colors[color] = place.values(selector)
		missing := fmt.Errorf("%s: no address; write one as in nginx, such as 127.0.0.1:3001", color)
		switch {
		case place.node == nil:
			w.wrong(missing)
		case len(colors[color]) == 0 && !place.bad[place.node]:
			place.wrong(missing)
		}
	}
	if len(w.mistakes) > before {
		return colors
	}
	if misfit := (*nginxconf.ColorError)(nil); errors.As(colors.Validate(), &misfit) {
		at := places[misfit.Color]
		if misfit.Server >= 0 {
			at = at.oneOrMore()[misfit.Server]
		}
		at.wrong(misfit)
	}
	return colors
}

func (w written) values(selector nginxconf.Selector) []nginxconf.Value {
	var values []nginxconf.Value
	for _, item := range w.oneOrMore() {
		if !item.scalar() {
			continue
		}
		value, err := selector.Value(item.node.Value)
		item.wrong(err)
		values = append(values, value)
	}
	return values
}

// check lays what is written over the defaults.
func (w written) check(site *switcher.Site) func() *yaml.Node {
	c := &site.Check
	var blue, green health.URL
	inForce := w.has(
		setting{"type", plain(&c.Type)},
		setting{"scheme", plain(&c.Scheme)},
		setting{"path", requestPath(&c.Path)},
		setting{"host", plain(&c.Host)},
		setting{"headers", headers(&c.Headers)},
		setting{"status", statusRanges(&c.Status)},
		setting{"contains", plain(&c.Contains)},
		setting{"timeout", duration(&c.Timeout)},
		setting{"attempts", number(&c.Attempts)},
		setting{"interval", duration(&c.Interval)},
		setting{"passes", number(&c.Passes)},
		setting{"ca", absolute(&c.CAFile)},
		setting{"insecure", yes(&c.Insecure)},
		setting{"blue_url", backendURL(&blue)},
		setting{"green_url", backendURL(&green)},
	)
	asked := *c
	if c.Type == health.TypeHTTP && (blue.IsTCP() || green.IsTCP()) {
		asked.Type = health.TypeTCP // nothing may be set that would not be looked at
	}
	w.judge(asked.Validate())
	site.URLs = map[switcher.Color]health.URL{switcher.Blue: blue, switcher.Green: green}
	return inForce
}

func statusRanges(into *health.StatusRanges) value {
	take := func(w written) {
		var ranges health.StatusRanges
		before := len(w.mistakes)
		for _, item := range w.oneOrMore() {
			r, err := health.ParseStatusRange(item.text())
			if err != nil && !item.bad[item.node] {
				item.wrongf("%w", err)
			}
			ranges = append(ranges, r)
		}
		if len(w.mistakes) == before {
			*into = ranges
		}
	}
	show := func() any {
		var shown []string
		for _, r := range *into {
			shown = append(shown, r.String())
		}
		return shown
	}
	return value{take: take, show: show}
}

func (w written) confirm(site *switcher.Site) func() *yaml.Node {
	var c switcher.Confirm
	var blue, green string
	site.Confirm = &c
	patience := duration(&c.Patience)
	patience.show = func() any { return durationText(site.Patience()) }
	inForce := w.has(setting{"url", address(&c.URL)}, setting{"host", plain(&c.Host)}, setting{"blue", plain(&blue)}, setting{"green", plain(&green)}, setting{"patience", patience})
	c.Marks = map[switcher.Color]switcher.Mark{switcher.Blue: switcher.Mark(blue), switcher.Green: switcher.Mark(green)}
	w.judge(c.Validate())
	return inForce
}
