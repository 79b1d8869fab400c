package nginxconf

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func treeOf(files ...string) *Tree {
	var sources []Source
	for i := 0; i < len(files); i += 2 {
		sources = append(sources, Source{files[i], []byte(files[i+1])})
	}
	return ReadTree(sources)
}

// What is included is said where the include stands, as often as it stands there; a
// file that no include leads to says nothing.
func TestTree(t *testing.T) {
	t.Parallel()
	tree := treeOf(
		"/etc/nginx/nginx.conf", "http {\n  include conf.d/*.conf;\n  include /etc/nginx/a.inc;\n}\n",
		"/etc/nginx/conf.d/b.conf", "server {\n  include ../nginx/a.inc;\n  include a.inc;\n}\n",
		"/etc/nginx/conf.d/c.conf.off", "server { }\n",
		"/etc/nginx/a.inc", "set $a 1;\n",
		"/etc/nginx/planted.conf", "set $b 1;\n",
	)
	var got []string
	for _, s := range tree.Said {
		if s.Words[0] == "set" || s.Block {
			around := ""
			for at := s.Within; at != nil; at = at.Within {
				around += " < " + at.Words[0]
			}
			got = append(got, fmt.Sprintf("%s:%d-%d %s%s", s.File, s.Line, s.End, strings.Join(s.Words, " "), around))
		}
	}
	want := []string{
		"/etc/nginx/nginx.conf:1-4 http",
		"/etc/nginx/conf.d/b.conf:1-4 server < http",
		"/etc/nginx/a.inc:1-1 set $a 1 < server < http",
		"/etc/nginx/a.inc:1-1 set $a 1 < server < http",
		"/etc/nginx/a.inc:1-1 set $a 1 < http",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := tree.Files(); !slices.Equal(got, []string{"/etc/nginx/nginx.conf", "/etc/nginx/conf.d/b.conf", "/etc/nginx/a.inc"}) {
		t.Errorf("%q", got)
	}
}

// Includes that lead back, or that would multiply without end, come to one all the same.
func TestTreeEnds(t *testing.T) {
	t.Parallel()
	files := []string{"/n", "include /a0;"}
	for i := range 40 {
		files = append(files, fmt.Sprintf("/a%d", i), strings.Repeat(fmt.Sprintf("include /a%d;\n", i+1), 8))
	}
	if tree := treeOf(files...); len(tree.Said) > maxSaid {
		t.Errorf("%d statements", len(tree.Said))
	}
	if tree := treeOf("/n", "include /n;\nset $a 1;\n"); len(tree.Said) == 0 || len(tree.Said) > 4*maxIncludes {
		t.Errorf("%d statements", len(tree.Said))
	}
	if tree := treeOf(); len(tree.Said)+len(tree.Files()) > 0 {
		t.Errorf("%+v", tree)
	}
}

// A file that is not understood is named, and the rest is read.
func TestTreeUnread(t *testing.T) {
	t.Parallel()
	tree := treeOf("/n", "include /bad; include /good;", "/bad", "server {", "/good", "set $a 1;")
	if len(tree.Unread) != 1 || !strings.HasPrefix(tree.Unread[0].Error(), "/bad: line 1, column ") || len(tree.Said) != 3 {
		t.Errorf("%v, %d statements", tree.Unread, len(tree.Said))
	}
}

// A comment knows its line, and whether a statement stands before it.
func TestTreeComments(t *testing.T) {
	t.Parallel()
	tree := treeOf("/n", "# one\r\nset $a 1; # two\nset $b \"x\ny\"; #three\n  #four\n")
	want := []Comment{{1, " one", false}, {2, " two", true}, {4, "three", true}, {5, "four", false}}
	if diff := cmp.Diff(want, tree.Comments["/n"]); diff != "" {
		t.Error(diff)
	}
	if got := Uncommented(" server 127.0.0.1:3002 backup; #x"); len(got) != 1 || !slices.Equal(got[0], []string{"server", "127.0.0.1:3002", "backup"}) {
		t.Errorf("%q", got)
	}
	if got := Uncommented("nothing that ends"); got != nil {
		t.Errorf("%q", got)
	}
}
