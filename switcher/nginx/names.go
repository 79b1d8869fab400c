package nginx

import (
	"regexp"
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
// it serves: as an upstream of that name, or by a `resolver`
// (ngx_http_upstream_init_request in nginx's src/http/ngx_http_upstream.c). It
// is true where nothing passes to what the variable holds alone, which may be
// only a part of a name.
func (d *Dump) Finds(host, variable string) bool {
	return !d.passesBy(variable) || d.upstream(host) || d.says("resolver")
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
