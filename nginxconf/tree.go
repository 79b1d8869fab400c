package nginxconf

import (
	"path/filepath"
	"strings"
)

// Source is a file of a configuration: its name as nginx opened it, and what it holds.
type Source struct {
	Name string
	Text []byte
}

// Said is a statement, or the head of a block, where it takes effect: what is
// included twice is said twice.
type Said struct {
	File      string
	Line, End int      // of its first word, and of its end; from 1
	Words     []string // decoded
	Block     bool
	Within    *Said // the block around it, in whichever file; nil: none
}

// Comment is one line of comment, without its #.
type Comment struct {
	Line   int
	Text   string
	Behind bool // a statement stands before it in the line
}

// Tree is a whole configuration, with every include followed.
type Tree struct {
	Said     []*Said              // in the order in which nginx reads them
	Comments map[string][]Comment // of each file
	Unread   []error              // of files that are not understood: what they say is missing

	Servers map[*Said][]*Said // what each server listens on, and its names

	files map[string]*branch
	names []string // of the files, in nginx's order
	globs map[string][]string
	base  string // the folder that relative includes hang from
	left  int    // how many more statements are taken
}

// branch is one file of a tree.
type branch struct {
	Source
	read bool
	all  []statement
}

// How much of a tree is read: includes may name each other in turn.
const (
	maxSaid     = 2_000_000
	maxIncludes = 64
)

// ReadTree reads the files of a configuration, the main one first.
func ReadTree(sources []Source) *Tree {
	t := &Tree{Comments: map[string][]Comment{}, Servers: map[*Said][]*Said{}, files: map[string]*branch{}, globs: map[string][]string{}, left: maxSaid}
	for _, s := range sources {
		name := filepath.Clean(s.Name)
		if t.files[name] == nil {
			t.files[name], t.names = &branch{Source: Source{name, s.Text}}, append(t.names, name)
		}
	}
	if len(t.names) > 0 {
		t.base = filepath.Dir(t.names[0])
		t.follow(t.names[0], nil, 0)
	}
	return t
}

// Files are the names of those that nginx reads: from the main file on, by includes.
func (t *Tree) Files() (names []string) {
	for _, name := range t.names {
		if t.files[name].read {
			names = append(names, name)
		}
	}
	return names
}

// Text is what a file of the tree holds; nil where there is none.
func (t *Tree) Text(name string) []byte {
	if b := t.files[filepath.Clean(name)]; b != nil {
		return b.Text
	}
	return nil
}

// Included are the files of the tree that an include names (ngx_conf_include in
// nginx's src/core/ngx_conf_file.c).
func (t *Tree) Included(pattern string) []string {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(t.base, pattern)
	}
	pattern = filepath.Clean(pattern)
	found, known := t.globs[pattern]
	switch {
	case known:
	case t.files[pattern] != nil:
		found = []string{pattern}
	case strings.ContainsAny(pattern, "*?["):
		for _, name := range t.names {
			if matched, err := filepath.Match(strings.ReplaceAll(pattern, "[!", "[^"), name); matched && err == nil {
				found = append(found, name)
			}
		}
	}
	t.globs[pattern] = found
	return found
}

func (t *Tree) follow(name string, within *Said, deep int) {
	b := t.files[name]
	if !b.read {
		b.read = true
		if pieces, err := scan(b.Text); err != nil {
			t.Unread = append(t.Unread, &FileError{name, err})
		} else {
			g := grouping{b.Text, pieces}
			t.Comments[name], b.all = comments(b.Text, pieces), g.block()
		}
	}
	t.say(name, b.all, within, deep)
}

func (t *Tree) say(file string, all []statement, within *Said, deep int) {
	for i := range all {
		if t.left--; t.left < 0 {
			return
		}
		s := &all[i]
		said := &Said{File: file, Line: s.words[0].line, End: s.endLine, Words: values(s.words), Block: s.isBlock, Within: within}
		t.Said = append(t.Said, said)
		if within != nil && (s.is("server_name") || s.is("listen")) {
			t.Servers[within] = append(t.Servers[within], said)
		}
		if s.isBlock {
			t.say(file, s.block, said, deep)
		}
		if s.is("include") && len(s.args()) == 1 && deep < maxIncludes {
			for _, name := range t.Included(s.args()[0].value) {
				t.follow(name, within, deep+1)
			}
		}
	}
}

func comments(src []byte, pieces []piece) (found []Comment) {
	last := 0 // the line in which the last statement's last piece ends
	for _, p := range pieces {
		if p.kind == aComment {
			found = append(found, Comment{p.line, strings.TrimRight(string(src[p.Start+1:p.End]), "\r"), last == p.line})
			continue
		}
		last = p.line + strings.Count(string(src[p.Start:p.End]), "\n")
	}
	return found
}

// FileError is about one file of several.
type FileError struct {
	Name string
	Err  error
}

func (e *FileError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// In is the nearest block of that name around it; nil: none is.
func (s *Said) In(name string) *Said {
	for at := s.Within; at != nil; at = at.Within {
		if at.Words[0] == name {
			return at
		}
	}
	return nil
}

// Names are the server names under which a statement serves.
func (t *Tree) Names(s *Said) (names []string) {
	for _, one := range t.Servers[s.In("server")] {
		if one.Words[0] == "server_name" {
			names = append(names, one.Words[1:]...)
		}
	}
	return names
}

// HostIn is what of a word says where to pass to, without scheme and path; empty
// where the word is not written plainly.
func HostIn(text string) string {
	_, host, plain := targetIn(word{raw: text, value: text})
	if !plain {
		return ""
	}
	return host
}

// Uncommented reads a text as statements, as a comment has them that was one; nil
// where it is none. Blocks are left out.
func Uncommented(text string) (all [][]string) {
	_ = Walk([]byte(text), func(depth int, words []string) {
		if depth == 0 {
			all = append(all, append([]string{}, words...))
		}
	})
	return all
}
