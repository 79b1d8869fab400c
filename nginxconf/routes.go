package nginxconf

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Routes are what of a file, or of several, may tell where requests go.
type Routes struct {
	statements []string
	targets    []Target
	includes   bool // a file that may pass to more
}

// quiet are statements that tell nothing of it, and quietFlag is what a server
// line may say besides.
var (
	quiet     = regexp.MustCompile(`^(add_header|keepalive(_.*)?|.*_log|.*_timeout)$`)
	quietFlag = regexp.MustCompile(`^(max_fails|fail_timeout|max_conns|slow_start)=`)
)

// RoutesOf reads a file; nothing is told by one that is not understood.
func RoutesOf(src []byte) (r Routes) {
	all, err := readStatements(src)
	if err != nil {
		return r
	}
	r.targets, _ = Targets(src)
	for _, s := range (reading{src, all}).each(func(s *statement) bool { return !quiet.MatchString(s.name()) }) {
		r.statements = append(r.statements, s.route())
		if file, some := s.arg(0); some && s.is("include") {
			r.includes = r.includes || !strings.Contains(filepath.Base(file.value), "params") // fastcgi_params and its like pass nowhere
		}
	}
	return r
}

// route is a statement, and how deep it stands: with those before it, that says in
// which blocks.
func (s placed) route() string {
	words := values(s.words)
	if s.is("server") {
		words = slices.DeleteFunc(words, quietFlag.MatchString)
	}
	return strings.Repeat("{", len(s.in)) + strings.Join(words, "\x00")
}

// And are those of both.
func (r Routes) And(more Routes) Routes {
	return Routes{
		append(slices.Clip(r.statements), more.statements...), append(slices.Clip(r.targets), more.targets...), r.includes || more.includes,
	}
}

// Pass says whether any request is passed on.
func (r Routes) Pass() bool { return len(r.targets) > 0 }

// Alike says that two lead every request to the same, as far as can be told.
func (r Routes) Alike(other Routes) bool { return slices.Equal(r.statements, other.statements) }

// Miss says that requests are passed to the wrong address, and none to the right
// one, or to what may be it: a name, or what another file holds.
func (r Routes) Miss(right, wrong Address) bool {
	missed := false
	for _, t := range r.targets {
		address, err := ParseAddress(t.Host)
		inside := slices.ContainsFunc(r.targets, func(s Target) bool { return s.Upstream != "" && strings.EqualFold(s.Upstream, t.Host) })
		switch {
		case t.Upstream == "" && inside:
		case err != nil || !address.complete() || address.Equal(right):
			return false
		case address.Equal(wrong):
			missed = true
		}
	}
	return missed && !r.includes
}
