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
