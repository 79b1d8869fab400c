package nginxconf

import (
	"bytes"
	"fmt"
	"strconv"
)

// Refusal is the error of every function that reads or edits a file: the file
// is not understood, so nothing may be edited.
type Refusal struct {
	Line   int // from 1; 0 when the whole file is meant
	Column int // from 1, in bytes; 0 when the whole file is meant
	Msg    string
	Advice string // what would have to change in the file, where that is known
}

// Error returns the message, after the line where there is one.
func (r *Refusal) Error() string {
	if r.Line == 0 {
		return r.Msg
	}
	return fmt.Sprintf("line %d, column %d: %s", r.Line, r.Column, r.Msg)
}

// refuseFile refuses the file as a whole.
func refuseFile(format string, args ...any) *Refusal {
	return &Refusal{Msg: fmt.Sprintf(format, args...)}
}

// refuseAt refuses what stands at the offset.
func refuseAt(src []byte, offset int, format string, args ...any) *Refusal {
	return &Refusal{
		Line:   lineAt(src, offset),
		Column: offset - bytes.LastIndexByte(src[:offset], '\n'),
		Msg:    fmt.Sprintf(format, args...),
	}
}

func lineAt(src []byte, offset int) int {
	return 1 + bytes.Count(src[:offset], []byte("\n"))
}

// quote makes foreign text fit to be shown: escaped, and not longer than a line.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
