package nginxconf

import (
	"bytes"
	"strings"
)

const (
	maxSize   = 1 << 20
	maxDepth  = 64
	maxPiece  = 4095  // NGX_CONF_BUFFER holds 4096 bytes (src/core/ngx_conf_file.c)
	maxBraces = 10000 // bounds gonginx's recursion also where it misreads the file
)

// Span is a range of bytes of the file: Start is the first, End the one after the last.
type Span struct{ Start, End int }

// kind says what a piece of the file is.
type kind byte

const (
	aWord kind = iota
	aComment
	aSemicolon
	anOpening
	aClosing
	luaCode
)

// piece is something other than blanks. The span of a word holds its quotes.
type piece struct {
	Span
	kind kind
	line int
}

// scanner reads a file as ngx_conf_read_token does (src/core/ngx_conf_file.c).
type scanner struct {
	src    []byte
	at     int
	line   int
	depth  int
	words  int // of the statement that is being read
	pieces []piece
	first  string // the first of these words
}

// scan cuts the file into pieces. Where it returns no error, braces are
// balanced and every statement has a word and an end.
func scan(src []byte) ([]piece, error) {
	if err := checkBytes(src); err != nil {
		return nil, err
	}
	s := scanner{src: src, line: 1, pieces: make([]piece, 0, 8+len(src)/8)}
	for s.skipBlanks(); s.at < len(src); s.skipBlanks() {
		if err := s.readPiece(); err != nil {
			return nil, err
		}
	}
	return s.pieces, s.finish()
}

// checkBytes refuses what neither reading can be trusted with.
func checkBytes(src []byte) error {
	if len(src) > maxSize {
		return refuseFile("the file has %d bytes, expected at most %d", len(src), maxSize)
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xfe\xff", "\xff\xfe"} {
		if bytes.HasPrefix(src, []byte(mark)) {
			return refuseAt(src, 0, "the file begins with a byte order mark, expected none")
		}
	}
	if i := bytes.IndexByte(src, 0); i >= 0 {
		return refuseAt(src, i, "there is a NUL byte here, expected text")
	}
	return nil
}

// checkBraces comes before gonginx is let at a file; our own scanner has its
// limit of depth.
func checkBraces(src []byte) error {
	if n := bytes.Count(src, []byte("{")); n > maxBraces {
		return refuseFile("the file has %d opening braces, expected at most %d", n, maxBraces)
	}
	return nil
}

func isBlank(b byte) bool {
	return b == ' ' || b == '\t' || b == '\r' || b == '\n'
}

func (s *scanner) skipBlanks() {
	for ; s.at < len(s.src) && isBlank(s.src[s.at]); s.at++ {
		if s.src[s.at] == '\n' {
			s.line++
		}
	}
}

// add appends the piece that ends before the offset, and goes there.
func (s *scanner) add(k kind, end int) {
	s.pieces = append(s.pieces, piece{Span{s.at, end}, k, s.line})
	s.line += bytes.Count(s.src[s.at:end], []byte("\n"))
	s.at = end
}

func (s *scanner) readPiece() error {
	switch s.src[s.at] {
	case '#':
		return s.readComment()
	case ';':
		return s.endStatement()
	case '{':
		return s.openBlock()
	case '}':
		return s.closeBlock()
	case '"', '\'':
		return s.readQuoted()
	}
	return s.readPlain()
}

func (s *scanner) readComment() error {
	length := bytes.IndexByte(s.src[s.at:], '\n')
	if length < 0 {
		length = len(s.src) - s.at
	}
	if length > maxPiece {
		return refuseAt(s.src, s.at, "the comment is too long: %d bytes, expected at most %d", length, maxPiece)
	}
	s.add(aComment, s.at+length)
	return nil
}

func (s *scanner) endStatement() error {
	if s.words == 0 {
		return refuseAt(s.src, s.at, `unexpected ";", expected a statement`)
	}
	s.words = 0
	s.add(aSemicolon, s.at+1)
	return nil
}

func (s *scanner) openBlock() error {
	if s.words == 0 {
		return refuseAt(s.src, s.at, `unexpected "{", expected a statement`)
	}
	if s.depth++; s.depth > maxDepth {
		return refuseAt(s.src, s.at, "a block is %d levels deep, expected at most %d", s.depth, maxDepth)
	}
	s.words = 0
	s.add(anOpening, s.at+1)
	if strings.HasSuffix(s.first, luaSuffix) {
		return s.readLua()
	}
	return nil
}

func (s *scanner) closeBlock() error {
	if s.words > 0 {
		return refuseAt(s.src, s.at, `unexpected "}", expected ";" before it`)
	}
	if s.depth--; s.depth < 0 {
		return refuseAt(s.src, s.at, `unexpected "}", expected a statement: no block is open`)
	}
	s.add(aClosing, s.at+1)
	return nil
}

// readPlain reads a word without quotes around it. A backslash hides the next
// byte, and after a $ the braces of ${name} belong to the word.
func (s *scanner) readPlain() error {
	variable := false
	for i := s.at; i < len(s.src); i++ {
		c := s.src[i]
		switch {
		case c == '{' && variable:
		case c == '\\':
			variable = false
			i++
		case isBlank(c) || c == ';' || c == '{':
			return s.addWord(Span{s.at, i}, i)
		default:
			variable = c == '$'
		}
	}
	return s.unexpectedEnd()
}

// readQuoted reads a word in quotes. Only a blank, ; { or ) may follow it.
func (s *scanner) readQuoted() error {
	mark := s.src[s.at]
	for i := s.at + 1; i < len(s.src); i++ {
		switch s.src[i] {
		case '\\':
			i++
		case mark:
			return s.endQuoted(i)
		}
	}
	return refuseAt(s.src, s.at, "unexpected end of file, expected a closing %c for the word that begins here", mark)
}

func (s *scanner) endQuoted(mark int) error {
	end := mark + 1
	if end < len(s.src) && !isBlank(s.src[end]) && !strings.ContainsRune(";{)", rune(s.src[end])) {
		return refuseAt(s.src, end, "unexpected %s after a closing quote, expected a blank or \";\"", quote(string(s.src[end:end+1])))
	}
	return s.addWord(Span{s.at + 1, mark}, end)
}

// addWord appends a word whose text without quotes is inner.
func (s *scanner) addWord(inner Span, end int) error {
	if n := inner.End - inner.Start; n > maxPiece {
		return refuseAt(s.src, s.at, "the word is too long: %d bytes, expected at most %d", n, maxPiece)
	}
	if s.words == 0 {
		s.first = string(s.src[inner.Start:inner.End])
	}
	s.words++
	s.add(aWord, end)
	return nil
}

func (s *scanner) finish() error {
	if s.words > 0 {
		return s.unexpectedEnd()
	}
	if s.depth > 0 {
		return refuseAt(s.src, len(s.src), `unexpected end of file, expected "}": %d blocks are open`, s.depth)
	}
	return nil
}

func (s *scanner) unexpectedEnd() error {
	return refuseAt(s.src, len(s.src), `unexpected end of file, expected ";"`)
}
