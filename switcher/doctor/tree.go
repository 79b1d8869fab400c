package doctor

import (
	"iter"

	"bgswitch/nginxconf"
)

// configuration is what nginx reads, and what stands in each block of it.
type configuration struct {
	*nginxconf.Tree
	below map[*nginxconf.Said][]*nginxconf.Said
}

func newConfiguration(tree *nginxconf.Tree) *configuration {
	c := &configuration{tree, map[*nginxconf.Said][]*nginxconf.Said{}}
	for _, s := range tree.Said {
		c.below[s.Within] = append(c.below[s.Within], s)
	}
	return c
}

// named are the statements whose names are so; none where nothing is known.
func (c *configuration) named(is func(name string) bool) iter.Seq[*nginxconf.Said] {
	return func(yield func(*nginxconf.Said) bool) {
		if c == nil {
			return
		}
		for _, s := range c.Said {
			if is(s.Words[0]) && !yield(s) {
				return
			}
		}
	}
}

func called(name string) func(string) bool { return func(is string) bool { return is == name } }

// inForce are the statements of a name that hold where another one stands: those of
// the nearest block that has any.
func (c *configuration) inForce(name string, at *nginxconf.Said) (found []*nginxconf.Said) {
	for in := at.Within; len(found) == 0; in = in.Within {
		for _, s := range c.below[in] {
			if s.Words[0] == name {
				found = append(found, s)
			}
		}
		if in == nil {
			break
		}
	}
	return found
}

// arg is an argument, from 0; empty where there is none.
func arg(s *nginxconf.Said, i int) string {
	if i+1 >= len(s.Words) {
		return ""
	}
	return s.Words[i+1]
}
