package nginx

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/command"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// dumpLimit bounds what is kept of a dump, in bytes.
const dumpLimit = 64 << 20

// dumpHeader begins the line before each file (main in nginx's
// src/core/nginx.c); a colon ends it.
const dumpHeader = "# configuration file "

// Dump is the configuration as one test of nginx read it: the output of
// `nginx -T`, every file once. It holds whatever secrets the files do, so it
// is neither printed nor written anywhere.
type Dump struct {
	text     []byte
	sections []section
	globals  string    // the -g of the master
	root     root.Root // of the files' names
	there    int       // the master, where that is elsewhere; 0: here
}

// section is one file: its name as nginx opened it, links not resolved, and
// where in the text it stands. A line of a file that looks like a header makes
// a section, too; Reads tells the two apart.
type section struct {
	name       string
	start, end int
}

// newDump returns nil, which is an unknown dump, where the output was cut or
// is none: the binary may be somebody's wrapper.
func newDump(out command.Output, m *Master) *Dump {
	if out.Cut || !bytes.HasPrefix(out.Bytes, []byte(dumpHeader)) || !bytes.HasSuffix(out.Bytes, []byte("\n")) {
		return nil
	}
	d := &Dump{text: out.Bytes, sections: split(out.Bytes)}
	if len(d.sections) == 0 {
		return nil
	}
	if m != nil {
		d.globals, d.root = m.globals, root.Of(m.PID)
		if m.inside != nil {
			d.there = m.PID
		}
	}
	return d
}

func split(text []byte) []section {
	var all []section
	at, ends := 0, len(text)-1 // nginx adds a newline to each file
	for line := range bytes.Lines(text) {
		next := at + len(line)
		if name, ok := headerName(line); ok {
			if n := len(all); n > 0 {
				all[n-1].end = max(at-1, all[n-1].start)
			}
			all = append(all, section{string(name), next, max(ends, next)})
		}
		at = next
	}
	return all
}

func headerName(line []byte) ([]byte, bool) {
	line, isHeader := bytes.CutPrefix(line, []byte(dumpHeader))
	name, isWhole := bytes.CutSuffix(line, []byte(":\n"))
	return name, isHeader && isWhole
}

// Main is the name of the main configuration file.
func (d *Dump) Main() string { return d.sections[0].name }

// Reads says whether nginx read the file: whether a section has exactly this
// content and the path, or a name that leads to the same file.
func (d *Dump) Reads(path string, content []byte) bool {
	for i, s := range d.sections {
		if d.holds(s, content) && d.isSame(s.name, path) && (i == 0 || d.includes(s.name)) {
			return true
		}
	}
	return false
}

// Passage is a file that nginx read by way of a link.
type Passage struct {
	Name string // as nginx opened it
	Rest string // the way from where the link leads; empty: it leads to the file
	at   section
}

// Through are the files that nginx read by way of a link.
func (d *Dump) Through(link *livefile.File) []Passage {
	var all []Passage
	for i, s := range d.sections {
		for step := range livefile.Way(d.root, s.name) {
			if step.Is(link) && (i == 0 || d.includes(s.name)) {
				all = append(all, Passage{s.name, step.Rest, s})
			}
		}
	}
	return all
}

// Held says whether what nginx read there was this content.
func (d *Dump) Held(p Passage, content []byte) bool { return d.holds(p.at, content) }

// Opens says whether nginx read a file of that path, whatever it held.
func (d *Dump) Opens(path string) bool {
	return slices.ContainsFunc(d.sections, func(s section) bool { return d.isSame(s.name, path) && d.includes(s.name) })
}

// holds compares from where the section starts: a line that looks like a
// header may be the content's own.
func (d *Dump) holds(s section, content []byte) bool {
	rest, begins := bytes.CutPrefix(d.text[s.start:], content)
	rest, ends := bytes.CutPrefix(rest, []byte("\n"))
	return begins && ends && (len(rest) == 0 || bytes.HasPrefix(rest, []byte(dumpHeader)))
}

func (d *Dump) isSame(name, path string) bool {
	if name == path {
		return true
	}
	return d.root.Same(name, path)
}

// includes says whether any file includes the name. Who saves a dump and runs
// nginx with it has the headers of files in there that nginx does not read.
func (d *Dump) includes(name string) bool {
	for _, s := range d.sections {
		found := false
		err := nginxconf.Walk(d.text[s.start:s.end], func(_ int, words []string) {
			found = found || words[0] == "include" && len(words) == 2 && d.matches(words[1], name)
		})
		if found || err != nil { // what cannot be read may include anything
			return true
		}
	}
	return false
}

// matches compares a name with what an include asks for, which hangs from the
// folder of the main file (ngx_process_options), by the rules of glob(7).
func (d *Dump) matches(pattern, name string) bool {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(d.sections[0].name), pattern)
	}
	pattern, name = filepath.Clean(pattern), filepath.Clean(name)
	matched, err := filepath.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return matched || err != nil || pattern == name
}

// PassesTo says whether any statement of the whole configuration passes to the
// upstream: proxy_pass, grpc_pass, and whatever else ends so. Where one of them
// holds a variable, or a file cannot be read, before any was found, that is not
// known.
func (d *Dump) PassesTo(upstream string) (passes, known bool) {
	unsure := false
	for _, s := range d.sections {
		err := nginxconf.Walk(d.text[s.start:s.end], func(_ int, words []string) {
			if len(words) > 1 && strings.HasSuffix(words[0], "_pass") {
				unsure = unsure || strings.Contains(words[1], "$")
				passes = passes || strings.EqualFold(passedHost(words[1]), upstream)
			}
		})
		if unsure = unsure || err != nil; unsure || passes {
			break
		}
	}
	return passes && !unsure, !unsure
}

// passedHost cuts the scheme and the path off (ngx_parse_inet_url in nginx's
// src/core/ngx_inet.c). An upstream never has a port (ngx_http_upstream_add).
func passedHost(target string) string {
	if _, rest, ok := strings.Cut(target, "://"); ok {
		target = rest
	}
	if i := strings.IndexAny(target, "/?"); i >= 0 {
		target = target[:i]
	}
	return target
}

// Workers is how many workers the configuration asks for. Only the main level
// has the statement, and only once (ngx_set_worker_processes), so it stands
// outside all blocks of its file, whichever that is, or in the -g. The main file
// comes first, and is nearly always the one.
func (d *Dump) Workers() (n int, known bool) {
	asked, err := d.Directive("worker_processes")
	switch {
	case err != nil:
		return 0, false
	case asked == "":
		return 1, true
	case asked == "auto":
		return processors(d.there)
	}
	n, err = strconv.Atoi(asked)
	return n, err == nil
}

// Directive is the first argument of a statement that stands outside all blocks,
// and only once; empty where there is none.
func (d *Dump) Directive(name string) (argument string, err error) {
	argument, err = outermost([]byte(d.globals), name)
	for _, s := range d.sections {
		if argument != "" || err != nil {
			break
		}
		argument, err = outermost(d.text[s.start:s.end], name)
	}
	return argument, err
}

func outermost(src []byte, name string) (argument string, err error) {
	err = nginxconf.Walk(src, func(depth int, words []string) {
		if depth == 0 && len(words) > 1 && words[0] == name {
			argument = words[1]
		}
	})
	return argument, err
}

// processors is how many nginx counts. Elsewhere it may be linked with musl, which
// counts those that it may run on (src/conf/sysconf.c): where that is not the
// same, it is not known.
func processors(elsewhere int) (n int, known bool) {
	n, known = processorsOnline()
	if elsewhere == 0 {
		return n, known
	}
	var may unix.CPUSet
	return n, known && unix.SchedGetaffinity(elsewhere, &may) == nil && may.Count() == n
}

// processorsOnline is what nginx counts: sysconf(_SC_NPROCESSORS_ONLN), which
// glibc takes from here, not from the affinity that Go counts.
func processorsOnline() (n int, known bool) {
	list, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return 0, false
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(list)), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.Atoi(first)
		to, errTo := strconv.Atoi(last)
		if errFrom != nil || errTo != nil {
			return 0, false
		}
		n += to - from + 1
	}
	return n, true
}

// ChangedSince lists the files, but for some, that were changed after t, by
// their mtime or ctime: the next reload carries what somebody did there. What
// cannot be looked at is left out.
func (d *Dump) ChangedSince(t time.Time, except ...string) []string {
	var changed []string
	for _, s := range d.sections {
		is := func(path string) bool { return s.name == path || d.root.Same(s.name, path) }
		if d.root.ChangedAfter(s.name, t) && !slices.ContainsFunc(except, is) {
			changed = append(changed, s.name)
		}
	}
	return changed
}
