package discovery

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
)

// wholeFiles finds live files that are, as a whole, one of two: a link that leads to
// a color's file or folder, or a copy of a color's file.
func (f *finder) wholeFiles() {
	folders := map[string][]string{}
	for _, name := range f.tree.Files() {
		if !f.byLink(name) && len(f.inFile[name]) > 0 {
			f.byCopy(name, folders)
		}
	}
}

// byLink: the last link on the way to a file whose text names a color, where the
// other color's file is there, too, and nginx does not read it.
func (f *finder) byLink(name string) (found bool) {
	for step := range livefile.Way(f.root, name) {
		other := step
		other.To = twin(step.To)
		if other.To == "" || colorOf(filepath.Base(step.At)) != "" || f.reads(other.Leads()) {
			continue
		}
		if _, err := f.root.Stat(other.Leads()); err != nil {
			continue
		}
		live, idle := leads(step), leads(other)
		one := &Place{File: step.At, Says: "-> " + step.To, Live: []string{live}, Idle: []string{idle}, LiveIs: colorOf(step.To), Sure: true, Why: idle + " is there"}
		one.Ask = [2][]string{f.passedIn(live), f.passedIn(idle)}
		f.whole(one, name)
		found = true
	}
	return found
}

// leads is where a link leads itself, without the way that goes on from there.
func leads(step livefile.Step) string {
	step.Rest = ""
	return filepath.Clean(step.Leads())
}

// whole adds a place of whole files, once, for all that nginx reads by way of it. The
// words in it are a color's own.
func (f *finder) whole(one *Place, name string) {
	for _, p := range f.inFile[name] {
		one.Servers, one.Pass = append(one.Servers, p.Servers...), p.Pass
	}
	for _, p := range f.tree.Said {
		if p.File == name && slices.Contains(passing, p.Words[0]) {
			one.Servers, one.Pass = append(one.Servers, p), p.Words[0]
		}
	}
	f.taken[name] = true
	if before := f.places[one.File]; before != nil {
		before.Servers = append(before.Servers, one.Servers...)
		return
	}
	f.add(one.File, one)
}

// reads says whether nginx reads what is at a path, by whatever name.
func (f *finder) reads(path string) bool {
	there, err := f.root.Stat(path)
	if err != nil || there.IsDir() {
		return false
	}
	return f.tree.Text(path) != nil && slices.Contains(f.tree.Files(), path) ||
		slices.ContainsFunc(f.tree.Files(), func(name string) bool {
			return filepath.Base(name) == filepath.Base(path) && f.root.Same(name, path)
		})
}

// namesLimit is how many names of one folder are looked at.
const namesLimit = 1000

// names are those in a folder that name a color.
func (f *finder) names(folder string) (colored, folders []string) {
	opened, err := f.root.Open(folder, os.O_RDONLY)
	if err != nil {
		return nil, nil
	}
	defer opened.Close()
	all, _ := opened.ReadDir(namesLimit)
	for _, entry := range all {
		switch {
		case entry.IsDir():
			folders = append(folders, filepath.Join(folder, entry.Name()))
		case twin(entry.Name()) != "":
			colored = append(colored, filepath.Join(folder, entry.Name()))
		}
	}
	return colored, folders
}

// byCopy: a color's file of the same bytes stands near, and the other color's beside it.
func (f *finder) byCopy(name string, known map[string][]string) {
	text := f.tree.Text(name)
	for _, path := range f.coloredNear(filepath.Dir(name), known) {
		other := filepath.Join(filepath.Dir(path), twin(filepath.Base(path)))
		theirs, err := f.root.Read(path, livefile.SizeLimit)
		if err != nil || !bytes.Equal(theirs, text) || f.reads(path) || f.reads(other) {
			continue
		}
		if idle, err := f.root.Read(other, livefile.SizeLimit); err != nil || bytes.Equal(idle, text) {
			continue
		}
		one := &Place{File: name, Says: "a copy of " + path, Live: []string{path}, Idle: []string{other}, LiveIs: colorOf(filepath.Base(path)), Sure: true, Why: other + " is there"}
		one.Ask = [2][]string{f.passedIn(path), f.passedIn(other)}
		f.whole(one, name)
		return
	}
}

// coloredNear are the files with a color in their name in a folder, in the one above,
// and in the folders of either.
func (f *finder) coloredNear(folder string, known map[string][]string) []string {
	if found, is := known[folder]; is {
		return found
	}
	var found []string
	for _, at := range []string{folder, filepath.Dir(folder)} {
		colored, below := f.names(at)
		found = append(found, colored...)
		for _, sub := range below[:min(len(below), 20)] {
			colored, _ := f.names(sub)
			found = append(found, colored...)
		}
	}
	known[folder] = found
	return found
}

// includes finds an include of a color's file, where nginx does not read the other
// color's.
func (f *finder) includes() {
	for _, s := range f.tree.Said {
		if s.Words[0] != "include" || len(s.Words) != 2 || twin(s.Words[1]) == "" || strings.ContainsAny(s.Words[1], "*?[") {
			continue
		}
		files := f.tree.Included(s.Words[1])
		other := twin(s.Words[1])
		path := other
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(f.tree.Files()[0]), path)
		}
		if len(files) != 1 || f.reads(path) {
			continue
		}
		live, idle := f.passedIn(files[0]), f.passedIn(path)
		if len(live) == 0 || len(idle) == 0 {
			continue
		}
		f.place(f.passOf(s, files[0]), s, "include", func(one *Place) {
			one.Live, one.Idle, one.LiveIs = []string{s.Words[1]}, []string{other}, colorOf(s.Words[1])
			one.Ask, one.Sure, one.Why = [2][]string{live, idle}, true, path+" is there"
		})
		f.taken[files[0]] = true
	}
}

// passOf is a statement that passes on what an include brings in.
func (f *finder) passOf(s *nginxconf.Said, file string) *nginxconf.Said {
	for _, p := range f.inFile[file] {
		return p.Servers[0]
	}
	for _, p := range f.passes {
		if p.File == file || p.In("server") != nil && p.In("server") == s.In("server") {
			return p
		}
	}
	return s
}

// passedIn are the addresses that a file, or the files of a folder, pass to.
func (f *finder) passedIn(path string) (all []string) {
	info, err := f.root.Stat(path)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		opened, err := f.root.Open(path, os.O_RDONLY)
		if err != nil {
			return nil
		}
		defer opened.Close()
		entries, _ := opened.ReadDir(namesLimit)
		for _, entry := range entries {
			if entry.Type().IsRegular() {
				all = append(all, f.passedIn(filepath.Join(path, entry.Name()))...)
			}
		}
		return all
	}
	text, err := f.root.Read(path, livefile.SizeLimit)
	if err != nil {
		return nil
	}
	targets, _ := nginxconf.Targets(text)
	add := func(host string) {
		if listens(host) && !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	for _, t := range targets {
		add(t.Host)
	}
	_ = nginxconf.Walk(text, func(depth int, words []string) {
		switch {
		case len(words) == 3 && words[0] == "set":
			add(nginxconf.HostIn(words[2]))
		case len(words) > 1 && words[0] == "server" && depth == 0:
			add(words[1])
		}
	})
	return all
}
