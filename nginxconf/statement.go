package nginxconf

import "strings"

// word is a piece with its meaning: nginx's escapes decoded, quotes gone.
type word struct {
	Span  // without the quotes
	outer Span
	raw   string
	value string
	line  int
}

// statement is a simple statement or, where isBlock, one with a block.
type statement struct {
	words   []word // at least one, the name
	block   []statement
	isBlock bool
	endLine int // of the closing ; or }
}

func (s *statement) name() string { return s.words[0].value }
func (s *statement) args() []word { return s.words[1:] }

// is tells whether this is a simple statement of the name.
func (s *statement) is(name string) bool {
	return !s.isBlock && s.name() == name
}

// grouping builds statements from the pieces of a scan that went well.
type grouping struct {
	src    []byte
	pieces []piece
}

// readStatements scans the file and groups what it finds.
func readStatements(src []byte) ([]statement, error) {
	pieces, err := scan(src)
	if err != nil {
		return nil, err
	}
	g := grouping{src, pieces}
	return g.block(), nil
}

func (g *grouping) next() piece {
	p := g.pieces[0]
	g.pieces = g.pieces[1:]
	return p
}

// block reads statements up to the end of the block or file. The closing
// brace is left for the statement that owns the block.
func (g *grouping) block() []statement {
	var all []statement
	for len(g.pieces) > 0 {
		switch g.pieces[0].kind {
		case aClosing:
			return all
		case aWord:
			all = append(all, g.statement())
		default:
			g.next()
		}
	}
	return all
}

func (g *grouping) statement() statement {
	var s statement
	for {
		p := g.next()
		switch p.kind {
		case aWord:
			s.words = append(s.words, g.word(p))
		case aSemicolon:
			s.endLine = p.line
			return s
		case anOpening:
			s.isBlock = true
			s.block = g.block()
			s.endLine = g.next().line
			return s
		}
	}
}

func (g *grouping) word(p piece) word {
	inner := p.Span
	if c := g.src[p.Start]; c == '"' || c == '\'' {
		inner = Span{p.Start + 1, p.End - 1}
	}
	raw := string(g.src[p.Start:p.End])
	return word{
		Span:  inner,
		outer: p.Span,
		raw:   raw,
		value: decode(raw[inner.Start-p.Start : inner.End-p.Start]),
		line:  p.line,
	}
}

// decode resolves the escapes nginx knows: \" \' \\ \t \r \n. Before any other
// byte a backslash stays.
func decode(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	plain := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			if hidden, ok := escapes[s[i+1]]; ok {
				c = hidden
				i++
			}
		}
		plain = append(plain, c)
	}
	return string(plain)
}

var escapes = map[byte]byte{'"': '"', '\'': '\'', '\\': '\\', 't': '\t', 'r': '\r', 'n': '\n'}
