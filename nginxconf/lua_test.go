package nginxconf

import "testing"

func TestLuaEnd(t *testing.T) {
	t.Parallel()
	// The first ~ marks the end of the code; none when the block is open.
	for _, code := range []string{
		" ~} }",
		" a = { b = {} } ~}",
		` "}" ~}`,
		` '}' ~}`,
		` "\"}" ~}`,
		` "\\" ~} "`,
		" -- }\n ~}",
		" -- it's\n ~}",
		" --[[ }\n} ]] ~}",
		" --[==[ } ]] ]=] ]==] ~}",
		" [[ } ]] ~}",
		" [=[ } ]] ]=] ~}",
		" a[b[1]] = 1 ~}",
		" a[=1 ~}",
		" a - b ~}",
		" --[ }\n ~}",
	} {
		want, src := -1, []byte{}
		for i := range code {
			if code[i] == '~' && want < 0 {
				want = i
				continue
			}
			src = append(src, code[i])
		}
		if got := luaEnd(src, 0); got != want {
			t.Errorf("%s: the code ends at %d, want %d", code, got, want)
		}
	}
	for _, open := range []string{"", " ", " { }", ` "}`, ` '}\`, " --}", " --[[ }", " [[ }", " [", " [=", " --["} {
		if got := luaEnd([]byte(open), 0); got != -1 {
			t.Errorf("%s: the code ends at %d, want no end", open, got)
		}
	}
}
