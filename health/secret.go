package health

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// shortestSecret is in bytes: hiding each 1 or yes of a page would hide the page.
const shortestSecret = 4

// secrets are words that may be sent but never shown, not even where a backend
// repeats them in its error page.
type secrets []string

// secretsOf are the words of the header values, and of the URL its user name
// and password, also as they are sent (RFC 7617), and the values of its query.
func secretsOf(headers map[string]string, u *url.URL) secrets {
	var found secrets
	for _, value := range headers {
		found = append(found, strings.Fields(value)...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		found = append(found, u.User.Username(), password, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	return found.and(queryValues(u.RawQuery)...)
}

// queryValues are the values as they are written and as they are read; a key
// that has none is one itself.
func queryValues(query string) []string {
	var values []string
	for part := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(part, "=")
		value = cmp.Or(value, key)
		values = append(values, value)
		if read, err := url.QueryUnescape(value); err == nil {
			values = append(values, read)
		}
	}
	return values
}

// and adds more of them. The longest come first: one may be part of another.
func (s secrets) and(more ...string) secrets {
	all := slices.DeleteFunc(slices.Concat(s, more), func(word string) bool { return len(word) < shortestSecret })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}

func (s secrets) hide(text string) string {
	for _, word := range s {
		text = strings.ReplaceAll(text, word, Hidden)
	}
	return text
}
