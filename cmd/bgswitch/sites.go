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
func (w written) site(name string) switcher.Site {
	site := switcher.Site{Name: name, Check: health.Defaults(), URLs: map[switcher.Color]health.URL{}}
	site.Hooks.Timeout, site.Bake = switcher.DefaultHookTimeout, switcher.DefaultBake()
	w.wrong(switcher.ValidateName(name))
	if w.node == nil {
		w.wrong(errors.New("nothing is set for this site"))
		site.Files = []switcher.LiveFile{{Path: defaultFile}}
		return site
	}
	path := defaultFile
	var d deciding
	w.has(takes{
		"file":         absolute(&path),
		"blue":         keep(&d.blue),
		"green":        keep(&d.green),
		"selector":     keep(&d.selector),
		"upstream":     keep(&d.upstream),
		"upstreams":    keep(&d.upstreams),
		"blue_file":    keep(&d.whole.blue),
		"green_file":   keep(&d.whole.green),
		"places":       keep(&d.places),
		"restart":      argv(&site.Restart),
		"check":        func(w written) { w.check(&site) },
		"confirm":      func(w written) { site.Confirm = w.confirm() },
		"before":       hooks(&site.Hooks.Before),
		"after":        hooks(&site.Hooks.After),
		"hook_timeout": duration(&site.Hooks.Timeout),
		"release":      func(w written) { site.Releases = w.release() },
		"schema":       func(w written) { site.Schema = w.schema() },
		"bake":         func(w written) { w.bake(&site.Bake) },
	})
	site.Files = d.files(w, path)
	for i := range site.Files {
		site.Files[i].Released = len(site.Restart) > 0
	}
	w.judge(site.ValidateAsking())
	w.judge(site.Hooks.Validate())
	return site
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
				other.wrong(fmt.Errorf("%s: set it in each of the places", other.label()))
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
		d.upstreams.wrong(errors.New("upstreams: set blue and green either here, or for the site"))
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
		selector.wrong(errors.New("selector: set it or upstream, not both"))
	}
	found, err := nginxconf.ParseSelector(selector.text())
	selector.wrong(err)
	return found
}

func (w written) upstreamName() nginxconf.Selector {
	if w.text() == nginxconf.Sole {
		w.wrongf("%q: a name is needed, or leave it out where the file holds only one", nginxconf.Sole)
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
		item.has(takes{"file": absolute(&at), "selector": keep(&selector), "upstream": keep(&upstream), "blue": keep(&b), "green": keep(&g),
			"blue_file": keep(&whole.blue), "green_file": keep(&whole.green)})
		s := selected(selector, upstream)
		i := slices.IndexFunc(files, func(f switcher.LiveFile) bool { return f.Path == filepath.Clean(at) })
		if whole.isSet() || i >= 0 && files[i].Whole != nil {
			if i >= 0 {
				item.wrong(fmt.Errorf("places: %s is named twice, and is decided as a whole", files[i].Path))
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
		w.wrong(errors.New("places: it names no place"))
	}
	return files
}

// togetherIn tells why a place cannot stand beside those before it in the file.
func togetherIn(f switcher.LiveFile) error {
	last := len(f.Layout) - 1
	name := f.Layout[last].Selector.String()
	for _, before := range f.Layout[:last] {
		if name == "" || before.Selector.String() == "" {
			return fmt.Errorf("places: %s has several: each of them needs its `selector`", f.Path)
		}
		if before.Selector.String() == name {
			return fmt.Errorf("places: `%s` of %s is named twice", name, f.Path)
		}
	}
	return nil
}

// layout reads several upstreams that switch together.
func (w written) layout() nginxconf.Layout {
	var layout nginxconf.Layout
	w.each(func(name string, w written) {
		if name == "" || name == nginxconf.Sole {
			w.wrong(fmt.Errorf("%q: several upstreams each need their name", name))
		}
		if w.node == nil {
			w.wrong(errors.New("nothing is set for this upstream"))
			return
		}
		var blue, green written
		w.has(takes{"blue": keep(&blue), "green": keep(&green)})
		s := nginxconf.ServerOf(name)
		layout = append(layout, nginxconf.Place{Selector: s, Colors: w.colors(s, blue, green)})
	})
	if w.node.Kind == yaml.MappingNode && len(w.node.Content) == 0 {
		w.wrong(errors.New("upstreams: it names no upstream"))
	}
	return layout
}

// colors reads the values of both colors of w.
func (w written) colors(selector nginxconf.Selector, blue, green written) nginxconf.Colors {
	places := map[switcher.Color]written{switcher.Blue: blue, switcher.Green: green}
	before, colors := len(w.mistakes), nginxconf.Colors{}
	for color, place := range places {
		colors[color] = place.values(selector)
		missing := fmt.Errorf("%s: an address is needed, as nginx writes it: 127.0.0.1:3001", color)
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
func (w written) check(site *switcher.Site) {
	c := &site.Check
	var blue, green health.URL
	w.has(takes{
		"type":      plain(&c.Type),
		"scheme":    plain(&c.Scheme),
		"path":      plain(&c.Path),
		"host":      plain(&c.Host),
		"headers":   named(&c.Headers),
		"status":    statusRanges(&c.Status),
		"contains":  plain(&c.Contains),
		"timeout":   duration(&c.Timeout),
		"attempts":  number(&c.Attempts),
		"interval":  duration(&c.Interval),
		"passes":    number(&c.Passes),
		"ca":        absolute(&c.CAFile),
		"insecure":  yes(&c.Insecure),
		"blue_url":  backendURL(&blue),
		"green_url": backendURL(&green),
	})
	asked := *c
	if c.Type == health.TypeHTTP && (blue.IsTCP() || green.IsTCP()) {
		asked.Type = health.TypeTCP // nothing may be set that would not be looked at
	}
	w.judge(asked.Validate())
	site.URLs = map[switcher.Color]health.URL{switcher.Blue: blue, switcher.Green: green}
}

func statusRanges(into *health.StatusRanges) func(written) {
	return func(w written) {
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
}

func (w written) confirm() *switcher.Confirm {
	var c switcher.Confirm
	var blue, green string
	w.has(takes{"url": address(&c.URL), "host": plain(&c.Host), "blue": plain(&blue), "green": plain(&green), "patience": duration(&c.Patience)})
	c.Marks = map[switcher.Color]switcher.Mark{switcher.Blue: switcher.Mark(blue), switcher.Green: switcher.Mark(green)}
	w.judge(c.Validate())
	return &c
}
