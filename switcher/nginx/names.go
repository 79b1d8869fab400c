package nginx

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bgswitch/nginxconf"
)

// Uses says whether anything reads a variable, given with its $: whether it
// stands anywhere but where a `set` or a `map` gives it its value.
func (d *Dump) Uses(variable string) bool {
	name := regexp.QuoteMeta(strings.TrimPrefix(variable, "$"))
	reads := regexp.MustCompile(`\$(?:` + name + `\b|\{` + name + `\})`)
	gives := regexp.MustCompile(`\b(?:set|map\s+\S+)\s+["']?\$` + name + `\b`)
	return len(reads.FindAllIndex(d.text, -1)) > len(gives.FindAllIndex(d.text, -1))
}

// Finds says whether nginx can find a host that it meets in a variable, while
// it serves: as an upstream of that name, which has no port, as an address that
// another statement passes to, or by a `resolver` (ngx_http_upstream_init_request
// in nginx's src/http/ngx_http_upstream.c). It is true of what has not to be
// looked up, and where nothing passes to what the variable holds alone, which may
// be only a part of a name.
func (d *Dump) Finds(host nginxconf.Address, variable string) bool {
	name, bare := host.Name()
	return name == "" || !d.passesBy(variable) || bare && d.upstream(name) || d.says("resolver") ||
		d.any(func(words []string) bool {
			return len(words) > 1 && strings.HasSuffix(words[0], "_pass") && host.Is(passedHost(words[1]))
		})
}

func (d *Dump) passesBy(variable string) bool {
	name := strings.TrimPrefix(variable, "$")
	return d.any(func(words []string) bool {
		if len(words) < 2 || !strings.HasSuffix(words[0], "_pass") {
			return false
		}
		target := passedHost(words[1])
		return target == variable || target == "${"+name+"}" ||
			strings.HasPrefix(target, variable+"$") || strings.HasPrefix(target, "${"+name+"}$")
	})
}

func (d *Dump) upstream(name string) bool {
	begins := regexp.MustCompile(`(?i)(?:^|[\s;{}])upstream\s+["']?` + regexp.QuoteMeta(name) + `["']?\s*(?:#.*\n\s*)*\{`)
	return begins.Match(d.text)
}

func (d *Dump) says(directive string) bool {
	return d.any(func(words []string) bool { return words[0] == directive })
}

// any says whether a statement is so, or cannot be read.
func (d *Dump) any(is func(words []string) bool) bool {
	for _, s := range d.sections {
		found := false
		err := nginxconf.Walk(d.text[s.start:s.end], func(_ int, words []string) { found = found || is(words) })
		if found || err != nil {
			return true
		}
	}
	return false
}

// Passing is a line of the configuration that passes requests to an address.
type Passing struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

func (p Passing) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// PassingTo lists the lines that pass to a value, or to an upstream, in use,
// that has it for a server; without those that decide. Another spelling of the
// value is not found.
func (d *Dump) PassingTo(value nginxconf.Value, deciding []Passing) []Passing {
	found := []Passing{}
	for _, s := range d.sections {
		text := d.text[s.start:s.end]
		if !bytes.Contains(text, []byte(value.String())) {
			continue
		}
		targets, err := nginxconf.Targets(text)
		if err != nil {
			continue
		}
		decides := func(line int) bool {
			return slices.ContainsFunc(deciding, func(p Passing) bool { return p.Line == line && d.isSame(s.name, p.File) })
		}
		for _, t := range targets {
			if value.Is(t.Host) && !decides(t.Line) && d.inUse(t.Upstream) {
				found = append(found, Passing{s.name, t.Line})
			}
		}
	}
	return found
}

// Servers are those of an upstream; none where there is no such upstream, or its
// servers stand in another file. The zero address stands for one that is not
// written plainly. A dump that is nil knows of none.
func (d *Dump) Servers(upstream string) (servers []nginxconf.Address) {
	if d == nil {
		return nil
	}
	for _, s := range d.sections {
		targets, _ := nginxconf.Targets(d.text[s.start:s.end])
		for _, t := range targets {
			if t.Upstream != "" && strings.EqualFold(t.Upstream, upstream) {
				address, _ := nginxconf.ParseAddress(t.Host)
				servers = append(servers, address)
			}
		}
	}
	return servers
}

func (d *Dump) inUse(upstream string) bool {
	if upstream == "" {
		return true
	}
	passes, known := d.PassesTo(upstream)
	return passes || !known
}
