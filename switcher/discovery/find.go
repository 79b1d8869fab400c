package discovery

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/root"
)

// Find looks for the places of a configuration that decide a color: from each
// statement that passes requests on, back to the word that says where. r is where
// the files' names lead.
func Find(t *nginxconf.Tree, r root.Root) Found {
	f := newFinder(t, r)
	for _, p := range f.passes {
		f.pass(p)
	}
	f.wholeFiles()
	f.includes()
	return f.found()
}

// finder is one look at a configuration.
type finder struct {
	tree      *nginxconf.Tree
	root      root.Root
	passes    []*nginxconf.Said
	upstreams map[string]*upstream
	sets      map[string][]*nginxconf.Said // by the variable
	maps      map[string][]*nginxconf.Said // the defaults of those that set a variable
	entries   map[string]map[string]string // of the maps that set a variable, by `$from=key`
	scripts   map[string]*nginxconf.Said   // what else gives a variable its value
	said      map[string]bool              // every host that is passed to, and every server
	perFile   map[string]int               // how often a directive passes on, in a file
	places    map[string]*Place
	order     []*Place
	inFile    map[string][]*Place
	taken     map[string]bool // files that belong to one color
	doubts    []Doubt
}

// upstream is a group of servers.
type upstream struct {
	*nginxconf.Said
	name    string
	servers []*nginxconf.Said
}

var passing = []string{"proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"}

func newFinder(t *nginxconf.Tree, r root.Root) *finder {
	f := &finder{
		tree: t, root: r, upstreams: map[string]*upstream{}, sets: map[string][]*nginxconf.Said{}, maps: map[string][]*nginxconf.Said{},
		entries: map[string]map[string]string{}, scripts: map[string]*nginxconf.Said{}, said: map[string]bool{}, perFile: map[string]int{}, places: map[string]*Place{}, inFile: map[string][]*Place{}, taken: map[string]bool{},
	}
	for _, s := range t.Said {
		f.sort(s)
	}
	return f
}

func (f *finder) sort(s *nginxconf.Said) {
	name, args := s.Words[0], s.Words[1:]
	switch {
	case s.Block && name == "upstream" && len(args) == 1:
		f.upstreams[strings.ToLower(args[0])] = &upstream{Said: s, name: args[0]}
	case name == "split_clients" && len(args) == 2:
		f.scripts[args[1]] = s
	case strings.Contains(name, "_by_lua") && len(args) > 0, name == "js_set", name == "perl_set":
		f.scripts[args[0]] = s
	case s.Block || s.Within == nil || len(args) == 0:
	case name == "server" && s.Within.Words[0] == "upstream" && len(s.Within.Words) == 2:
		if u := f.upstreams[strings.ToLower(s.Within.Words[1])]; u != nil {
			u.servers = append(u.servers, s)
		}
		f.said[args[0]] = true
	case slices.Contains(passing, name):
		f.passes = append(f.passes, s)
		f.perFile[s.File+"\x00"+name]++
		f.said[nginxconf.HostIn(args[0])] = true
	case name == "set" && len(args) == 2:
		f.sets[args[0]] = append(f.sets[args[0]], s)
	case s.Within.Words[0] == "map" && len(s.Within.Words) == 3 && len(args) == 1:
		f.entry(s.Within.Words[1], s.Within.Words[2], s)
	}
}

// entry is one line of a map, from one variable to another.
func (f *finder) entry(from, to string, s *nginxconf.Said) {
	if s.Words[0] == "default" {
		f.maps[to] = append(f.maps[to], s)
	}
	if f.entries[to] == nil {
		f.entries[to] = map[string]string{}
	}
	f.entries[to][from+"="+s.Words[0]] = s.Words[1]
}

// has says whether the configuration has an upstream or an address.
func (f *finder) has(value string) bool {
	return f.said[value] || f.upstreams[strings.ToLower(value)] != nil
}

var variable = regexp.MustCompile(`\$(?:\{(\w+)\}|(\w+))`)

// pass finds what decides where one statement passes to.
func (f *finder) pass(p *nginxconf.Said) {
	host := nginxconf.HostIn(p.Words[1])
	u := f.upstreams[strings.ToLower(host)]
	switch {
	case strings.Contains(host, "$"):
		f.byVariable(p, host)
	case host == "" || f.preview(p):
	case u != nil:
		f.byUpstream(p, u)
	case listens(host):
		f.byAddress(p, host)
	}
}

// preview says that a server shows a color that is not live, or one by its name.
func (f *finder) preview(p *nginxconf.Said) bool {
	for _, name := range f.tree.Names(p) {
		if colorOf(name) != "" || previewName.MatchString(name) {
			return true
		}
	}
	return false
}

var previewName = regexp.MustCompile(`(?i)\b(preview|staging|stage|idle|standby|candidate|next|test)\b`)

// place is the one of a file and a selector: what passes to it twice is one place.
func (f *finder) place(p, at *nginxconf.Said, selector string, make func(*Place)) {
	key := at.File + "\x00" + selector
	one := f.places[key]
	if one == nil {
		one = &Place{File: at.File, Line: at.Line, Selector: selector, Says: strings.Join(at.Words, " "), Pass: p.Words[0]}
		make(one)
		one.byCommentBeside(f.tree.Comments[one.File])
		f.add(key, one)
	}
	one.Servers = append(one.Servers, p)
}

func (f *finder) add(key string, one *Place) {
	f.places[key], f.order, f.inFile[one.File] = one, append(f.order, one), append(f.inFile[one.File], one)
}

func (f *finder) doubt(at *nginxconf.Said, mend, format string, args ...any) {
	d := Doubt{at.File, at.Line, fmt.Sprintf(format, args...), mend}
	if !slices.Contains(f.doubts, d) {
		f.doubts = append(f.doubts, d)
	}
}

// byAddress: the address stands where it is passed to.
func (f *finder) byAddress(p *nginxconf.Said, host string) {
	f.place(p, p, f.passSelector(p), func(one *Place) {
		one.Live = []string{host}
		f.seek(one, near(f.tree, p), valueOf(p.Words[0], 1))
	})
}

// passSelector names the one directive of its file, or that of a location.
func (f *finder) passSelector(p *nginxconf.Said) string {
	if location := p.In("location"); location != nil && f.perFile[p.File+"\x00"+p.Words[0]] > 1 {
		return p.Words[0] + " in location " + strings.Join(location.Words[1:], " ")
	}
	return p.Words[0]
}

// valueOf reads the host in a word of statements that begin with these.
func valueOf(name string, at int, before ...string) func(words []string) string {
	return func(words []string) string {
		if len(words) <= at || words[0] != name || !slices.Equal(words[1:at], before) {
			return ""
		}
		return nginxconf.HostIn(words[at])
	}
}

// seek looks for the other copy's values: what comments name, names that have a twin
// in the configuration, what is commented out, a twin that is made up.
func (f *finder) seek(one *Place, around []nginxconf.Comment, valueOf func([]string) string) {
	if one.byComment(around) || one.byTwin(f.has) && one.Sure {
		return
	}
	one.byCommentedOut(around, valueOf)
}

// byUpstream: either the name of the upstream is what is switched, or its servers.
func (f *finder) byUpstream(p *nginxconf.Said, u *upstream) {
	other := f.twinOf(u.name, func(name string) string { return name })
	if other == nil {
		f.byServers(p, u)
		return
	}
	f.place(p, p, f.passSelector(p), func(one *Place) {
		one.Live, one.Idle, one.LiveIs = []string{u.name}, []string{other.name}, colorOf(u.name)
		one.Ask = [2][]string{u.addresses(), other.addresses()}
		one.Sure, one.Why = true, fmt.Sprintf("upstream %s stands in %s:%d", other.name, other.File, other.Line)
	})
}

// addresses are those of the servers that get traffic.
func (u *upstream) addresses() (all []string) {
	if u == nil {
		return nil
	}
	for _, s := range u.servers {
		if !marked(s, "down") && !marked(s, "backup") {
			all = append(all, s.Words[1])
		}
	}
	return all
}

func marked(s *nginxconf.Said, flag string) bool { return slices.Contains(s.Words[2:], flag) }

// twinOf is the upstream that the other color's value would lead to.
func (f *finder) twinOf(value string, fill func(string) string) *upstream {
	other := twin(value)
	if other == "" {
		return nil
	}
	return f.upstreams[strings.ToLower(fill(other))]
}

// byVariable: the value of a variable is what is switched.
func (f *finder) byVariable(p *nginxconf.Said, host string) {
	for _, m := range variable.FindAllStringSubmatch(host, -1) {
		name := "$" + m[1] + m[2]
		if s := f.scripts[name]; s != nil {
			f.doubt(s, "let a `set` or the default of a `map` name the color", "%s gives %s its value, and requests are passed by that", s.Words[0], name)
		}
		fill := func(value string) string { return strings.Replace(host, m[0], value, 1) }
		if f.byMapped(p, name, fill) {
			continue
		}
		f.byValues(p, f.sets[name], 2, "set "+name, fill)
		f.byValues(p, f.maps[name], 1, "map "+name, fill)
	}
}

// byMapped: a variable that is set to a color leads by a map to where that listens.
func (f *finder) byMapped(p *nginxconf.Said, name string, fill func(string) string) (found bool) {
	for from := range f.entries[name] {
		source, _, _ := strings.Cut(from, "=")
		for _, s := range f.sets[source] {
			value := s.Words[2]
			live, is := f.entries[name][source+"="+value]
			idle, has := f.entries[name][source+"="+twin(value)]
			if !is || !has {
				continue
			}
			found = true
			f.place(p, s, "set "+source, func(one *Place) {
				one.Live, one.Idle, one.LiveIs = []string{value}, []string{twin(value)}, colorOf(value)
				one.Ask = [2][]string{f.listening(fill(live)), f.listening(fill(idle))}
				one.Sure, one.Why = true, "the map of "+name+" has it, too"
			})
		}
	}
	return found
}

// listening are the addresses that a target leads to.
func (f *finder) listening(target string) []string {
	host := nginxconf.HostIn(target)
	if u := f.upstreams[strings.ToLower(host)]; u != nil {
		return u.addresses()
	}
	return []string{host}
}

// byValues reads the values that a variable is given, each file for itself.
func (f *finder) byValues(p *nginxconf.Said, given []*nginxconf.Said, at int, selector string, fill func(string) string) {
	for _, s := range given {
		value := nginxconf.HostIn(s.Words[at])
		if value == "" || strings.Contains(value, "$") {
			continue
		}
		u, other := f.upstreams[strings.ToLower(fill(value))], f.twinOf(value, fill)
		if u != nil && other == nil {
			if p.In("server") != nil && !f.preview(p) {
				f.byServers(p, u)
			}
			continue
		}
		if u == nil && !listens(value) {
			continue // a part of an address, or nothing that nginx could find
		}
		f.place(p, s, selector, func(one *Place) {
			one.Live, one.Ask = []string{value}, [2][]string{u.addresses(), other.addresses()}
			if u != nil {
				one.Idle, one.LiveIs, one.Sure = []string{twin(value)}, colorOf(value), true
				one.Why = fmt.Sprintf("upstream %s stands in %s:%d", other.name, other.File, other.Line)
				return
			}
			f.seek(one, near(f.tree, s), valueOf(s.Words[0], at, s.Words[1:at]...))
		})
	}
}
