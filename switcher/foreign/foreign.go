// Package foreign makes text that others wrote (a page, a header, a name, a
// reason, a path, what a program printed) fit for where it goes. Whoever shows
// such a text sends it through here last; nobody has to do so before.
package foreign

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many bytes of a text are shown.
const (
	lineLimit    = 4096 // nginx's longest word fits
	excerptLimit = 400  // of a text that is quoted inside another
)

// Line is a text as one line for a terminal, of at most 4 KiB: without control
// characters, without what turns the direction of writing, in valid UTF-8.
func Line(text string) string { return cut(oneLine(text), lineLimit) }

// Excerpt is the beginning of a Line, 400 bytes of it, to be quoted inside another text.
func Excerpt(text string) string { return cut(oneLine(text), excerptLimit) }

// End is the end of a text as one line, 400 bytes of it, to be quoted inside another text.
func End(text string) string {
	const dots = "..."
	if text = oneLine(text); len(text) <= excerptLimit {
		return text
	}
	from := len(text) - excerptLimit + len(dots)
	for !utf8.RuneStart(text[from]) {
		from++
	}
	return dots + text[from:]
}

// Plugin is a Line for a monitoring plugin: what follows a bar there is performance data.
func Plugin(text string) string { return strings.ReplaceAll(Line(text), "|", "/") }

// Label is a Line as the value of a label in Prometheus' exposition format, without its quotes.
func Label(text string) string { return labelEscapes.Replace(Line(text)) }

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Chat is a Line for a chat tool: nobody is called by it (<!channel>, <@U1>,
// @everyone) and it hides no link behind other words. What Slack and those who
// follow it take for markup is written as they want it
// (api.slack.com/reference/surfaces/formatting); the rest is broken by a
// character without width.
func Chat(text string) string { return chatEscapes.Replace(Line(text)) }

const zeroWidth = "\u200b"

var chatEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
	"@"+zeroWidth, "@"+zeroWidth, "@", "@"+zeroWidth, "](", "]"+zeroWidth+"(", "][", "]"+zeroWidth+"[")

// Shell is a command line as sh reads it: each word is one word of it.
func Shell(words ...string) string {
	var line []string
	for _, word := range words {
		if word == "" || strings.ContainsFunc(word, special) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		line = append(line, word)
	}
	return strings.Join(line, " ")
}

func special(r rune) bool {
	return !strings.ContainsRune("/._-+:,@%=", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// oneLine replaces what a terminal might obey.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case obeyed(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// obeyed are the control characters of ASCII and of ISO 6429 (C1), what ends a
// line in Unicode, and what turns the direction of writing (UAX 9).
func obeyed(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// cut never leaves half a character.
func cut(text string, limit int) string {
	const dots = "..."
	if len(text) <= limit {
		return text
	}
	end := limit - len(dots)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + dots
}

// Lines makes each Write one Line.
type Lines struct{ To io.Writer }

func (l Lines) Write(p []byte) (int, error) {
	_, err := io.WriteString(l.To, Line(string(bytes.TrimSuffix(p, []byte("\n"))))+"\n")
	return len(p), err
}

// JSON escapes in JSON what encoding/json leaves as it is and a terminal obeys.
// Each Write is whole characters.
type JSON struct{ To io.Writer }

func (j JSON) Write(p []byte) (int, error) {
	var safe bytes.Buffer
	for _, r := range string(p) {
		if r != '\n' && obeyed(r) {
			fmt.Fprintf(&safe, `\u%04x`, r)
		} else {
			safe.WriteRune(r)
		}
	}
	_, err := j.To.Write(safe.Bytes())
	return len(p), err
}
