package nginxconf

import "bytes"

// luaSuffix ends the names of the blocks that OpenResty's Lua module reads
// itself, by the rules of Lua (lua-nginx-module, src/ngx_http_lua_lex.rl).
const luaSuffix = "_by_lua_block"

// readLua reads the code up to the closing brace of its block.
func (s *scanner) readLua() error {
	end := luaEnd(s.src, s.at)
	if end < 0 {
		return refuseAt(s.src, s.at-1, `unexpected end of file, expected "}" for the Lua code that begins here`)
	}
	s.add(luaCode, end)
	return nil
}

// luaEnd returns the offset of the brace that closes the block, -1 if none does.
func luaEnd(src []byte, i int) int {
	for depth := 0; i < len(src); i++ {
		switch src[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth < 0 {
				return i
			}
		default:
			i = skipLua(src, i)
		}
	}
	return -1
}

// skipLua returns the offset of the last byte of the string or comment that
// begins at i, and i where none does.
func skipLua(src []byte, i int) int {
	switch {
	case src[i] == '"' || src[i] == '\'':
		return luaString(src, i)
	case src[i] == '[':
		return luaLong(src, i)
	case bytes.HasPrefix(src[i:], []byte("--")):
		return luaComment(src, i)
	}
	return i
}

func luaString(src []byte, i int) int {
	mark := src[i]
	for i++; i < len(src) && src[i] != mark; i++ {
		if src[i] == '\\' {
			i++
		}
	}
	return i
}

func luaComment(src []byte, i int) int {
	i += 2
	if end := luaLong(src, i); end > i {
		return end
	}
	if n := bytes.IndexByte(src[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(src)
}

// luaLong skips a long bracket, [[ … ]] or [=[ … ]=].
func luaLong(src []byte, i int) int {
	level := i + 1
	for level < len(src) && src[level] == '=' {
		level++
	}
	if i >= len(src) || level >= len(src) || src[i] != '[' || src[level] != '[' {
		return i
	}
	closing := bytes.ReplaceAll(src[i:level+1], []byte("["), []byte("]"))
	n := bytes.Index(src[level+1:], closing)
	if n < 0 {
		return len(src)
	}
	return level + n + len(closing)
}
