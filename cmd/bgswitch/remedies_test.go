package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A command that is named has to come to the same site: it is made in one place,
// and stands in no text. What a command's help describes is no remedy.
func TestCommandsAreNamedInOnePlace(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile("(^.|`|sudo )bgswitch ((to|back|status|check|drain|history|verify)\\b|…)")
	seen := 0
	for _, path := range sources(t, ".", "../../switcher") {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if field, is := node.(*ast.KeyValueExpr); is {
				key, _ := field.Key.(*ast.Ident)
				return key == nil || key.Name != "Description" && key.Name != "examples"
			}
			if text, is := node.(*ast.BasicLit); is && text.Kind == token.STRING {
				seen++
				if named.MatchString(text.Value) {
					t.Errorf("%s: %s: Typed.Command makes the command", files.Position(text.Pos()), text.Value)
				}
			}
			return true
		})
	}
	if seen < 1000 {
		t.Errorf("only %d texts were seen", seen)
	}
}

// sources are the files of the program below some folders.
func sources(t *testing.T, folders ...string) (paths []string) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}
