package nginxconf

import (
	"regexp"
	"strings"
)

var scheme = regexp.MustCompile(`^[a-z]+://`)

// targetIn is what of a word of nginx says where to pass to: without the scheme
// before it, and the path behind it (ngx_parse_url in nginx's
// src/core/ngx_inet.c). It is false where the word is not written plainly.
func targetIn(w word) (Span, string, bool) {
	if strings.Contains(w.raw, `\`) {
		return Span{}, "", false
	}
	before := len(scheme.FindString(w.value))
	rest := w.value[before:]
	end := strings.IndexAny(rest, "/?")
	if path, unix := strings.CutPrefix(rest, "unix:"); unix {
		if end = strings.IndexByte(path, ':'); end >= 0 { // a URI follows
			end += len("unix:")
		}
	}
	if end < 0 {
		end = len(rest)
	}
	start := w.Start + before
	return Span{start, start + end}, rest[:end], true
}

// Target is a place that a file passes requests to, or a server of an upstream.
type Target struct {
	Line     int    // from 1
	Host     string // an address, or the name of an upstream; may hold variables
	Upstream string // which the server belongs to; empty: it is passed to
}

// Targets lists them in the file's order. Includes are not followed. The error
// is a *Refusal.
func Targets(src []byte) ([]Target, error) {
	all, err := readStatements(src)
	if err != nil {
		return nil, err
	}
	var found []Target
	r := reading{src, all}
	for _, s := range r.each(func(s *statement) bool {
		return !s.isBlock && len(s.args()) > 0 && (s.name() == "server" || strings.HasSuffix(s.name(), "_pass"))
	}) {
		w := s.args()[0]
		if _, host, plain := targetIn(w); plain {
			t := Target{Line: w.line, Host: host}
			if n := len(s.in); s.name() == "server" {
				if n == 0 || s.in[n-1].name() != "upstream" || len(s.in[n-1].args()) != 1 {
					continue
				}
				t.Upstream = s.in[n-1].args()[0].value
			}
			found = append(found, t)
		}
	}
	return found, nil
}
