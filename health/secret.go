package health

import (
	"net/url"
	"slices"
	"strings"
)

// shortestSecret is in bytes: hiding each 1 or yes of a page would hide the page.
const shortestSecret = 4

// secrets are words that may be sent but never shown, not even where a backend
// repeats them in its error page.
type secrets []string

// secretsOf are the words of the header values, and the user name and password of the URL.
func secretsOf(headers map[string]string, u *url.URL) secrets {
	var found secrets
	for _, value := range headers {
		found = append(found, strings.Fields(value)...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		found = append(found, u.User.Username(), password)
	}
	found = slices.DeleteFunc(found, func(s string) bool { return len(s) < shortestSecret })
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) }) // one may be part of another
	return found
}

func (s secrets) hide(text string) string {
	for _, word := range s {
		text = strings.ReplaceAll(text, word, "xxxxx")
	}
	return text
}
