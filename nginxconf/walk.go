package nginxconf

// Walk calls visit for each simple statement of the file, in the file's order:
// its words, decoded, and in how many blocks of the file it stands. The slice
// is used again for the next one. Includes are not followed, and Lua code is
// left out. Where Walk returns an error, a *Refusal, nothing was visited.
func Walk(src []byte, visit func(depth int, words []string)) error {
	pieces, err := scan(src)
	if err != nil {
		return err
	}
	var words []string
	g, depth := grouping{src: src}, 0
	for _, p := range pieces {
		switch p.kind {
		case aWord:
			words = append(words, g.word(p).value)
			continue
		case aComment, luaCode:
			continue
		case aSemicolon:
			visit(depth, words)
		case anOpening:
			depth++
		case aClosing:
			depth--
		}
		words = words[:0]
	}
	return nil
}
