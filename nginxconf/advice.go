package nginxconf

import (
	"regexp"
	"strings"
)

// advised adds to a refusal what would have to change, where the file is of a
// kind that many have and that cannot be switched as it is.
func advised(refusal error, src []byte, layout Layout) error {
	r, is := refusal.(*Refusal)
	if !is {
		return refusal
	}
	all, _ := readStatements(src)
	read := reading{src, all}
	for _, one := range []struct {
		is     func(reading, Layout) bool
		advice string
	}{
		{isTemplate, "the file looks like a template: set `file:` to the file that is generated from it, which nginx reads"},
		{hasBoth, "traffic goes to both colors there: keep one server line, or mark the idle one `backup`"},
		{sharesOut, "split_clients divides the traffic, and bgswitch sends all of it to one color: name that color in a `set` or in the default of a `map`"},
		{scripted, "bgswitch cannot read what a script decides: name the color in a `set` or in the default of a `map`"},
		{renamed, "a color needs a name or an address that stays the same from release to release, such as a network alias of its container"},
	} {
		if one.is(read, layout) {
			r.Advice = one.advice
			break
		}
	}
	return r
}

// placeholder is what a template has in the place of a word: that of envsubst,
// whose variables are in capitals and nginx's are not, of Jinja and Go, of ERB.
var placeholder = regexp.MustCompile(`\$\{[A-Z][A-Z0-9_]*\}|\{\{|<%`)

var comment = regexp.MustCompile(`(?m)(^|\s)#.*$`)

func isTemplate(r reading, _ Layout) bool {
	return placeholder.Match(comment.ReplaceAll(r.src, nil))
}

// hasBoth says that servers of both colors stand in one upstream.
func hasBoth(r reading, layout Layout) bool {
	for _, place := range layout {
		for _, p := range r.pools() {
			if len(p.held(place.Colors)) > 1 {
				return true
			}
		}
	}
	return false
}

func sharesOut(r reading, _ Layout) bool {
	return len(r.each(func(s *statement) bool { return s.name() == "split_clients" })) > 0
}

func scripted(r reading, _ Layout) bool {
	return len(r.each(func(s *statement) bool {
		return strings.Contains(s.name(), "_by_lua") || strings.HasPrefix(s.name(), "js_") || strings.HasPrefix(s.name(), "perl")
	})) > 0
}

// renamed says that the only server is of no color, and called after a release.
func renamed(r reading, _ Layout) bool {
	for _, p := range r.pools() {
		for _, s := range p.servers() {
			if w, some := s.arg(0); some && afterRelease.MatchString(w.value) {
				return true
			}
		}
	}
	return false
}

// afterRelease is a name with a part that no second release has: a date, a
// commit, a version.
var afterRelease = regexp.MustCompile(`^[a-z][\w.]*[-_](\d{6,}|v?\d+[.\d]*|[0-9a-f]{7,40})\b`)
