package accesslog

import (
	"bytes"

	"bgswitch/health"
)

// own is the user agent of our own questions as a format shows it that quotes it: a
// quote of a client's does not come through (log_format, escape).
var own = []byte(`"` + health.UserAgent + `"`)

// count counts a line. An empty one is none.
func (c *Counts) count(line []byte) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	if bytes.Contains(line, own) {
		c.Own++
		return
	}
	find := inCombined
	if line[0] == '{' {
		find = inJSON
	}
	status, signed := find(line)
	if status > 0 && !signed {
		c.Unsigned++
	}
	switch {
	case status == 0:
		c.Unknown++
	case status >= 500 && status <= 599:
		c.Errors++
		fallthrough
	default:
		c.Requests++
	}
}

// inCombined finds the status in nginx's combined format, and in whatever has it
// behind the request line, too: the first number of three digits that follows a
// quoted text. What a client sends brings no quote into it (log_format, escape).
// Signed is a line that shows a user agent: something quoted behind the status.
func inCombined(line []byte) (status int, signed bool) {
	quoted := false
	for i, c := range line {
		if c != '"' {
			continue
		}
		if quoted && i+1 < len(line) && line[i+1] == ' ' {
			if status := statusAt(line[i+2:]); status > 0 {
				return status, bytes.ContainsRune(line[i+2:], '"')
			}
		}
		quoted = !quoted
	}
	return 0, false
}

// inJSON finds the field `status` of an object, written as a number or as a text.
// One of an object within it is another's: what an upstream answered, say. It is
// signed where a field is called user_agent or the like.
func inJSON(line []byte) (status int, signed bool) {
	signed = bytes.Contains(line, []byte(`gent":`))
	depth := 0
	for len(line) > 0 {
		c := line[0]
		line = line[1:]
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			var text []byte
			text, line = cutText(line)
			value, is := bytes.CutPrefix(bytes.TrimLeft(line, " "), []byte{':'})
			if !is || depth != 1 || string(text) != "status" {
				continue
			}
			if status := statusAt(bytes.TrimLeft(value, ` "`)); status > 0 {
				return status, signed
			}
		}
	}
	return 0, false
}

// cutText cuts a text at the quote that ends it. One of the client's has a backslash
// before it.
func cutText(line []byte) (text, rest []byte) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return line[:i], line[i+1:]
		}
	}
	return line, nil
}

// statusAt is the status that a text begins with; 0: none.
func statusAt(text []byte) (status int) {
	if len(text) < 3 || len(text) > 3 && isWord(text[3]) {
		return 0
	}
	for _, c := range text[:3] {
		if c < '0' || c > '9' {
			return 0
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 || status > 599 {
		return 0
	}
	return status
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '_'
}
