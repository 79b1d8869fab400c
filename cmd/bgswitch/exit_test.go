package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"bgswitch/switcher"
)

// Every outcome has a code, and one that nobody planned for is no success.
func TestEveryOutcomeHasACode(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../switcher/outcome.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var named int
	for _, declared := range file.Decls {
		if group, is := declared.(*ast.GenDecl); is && group.Tok == token.CONST {
			named += len(group.Specs)
		}
	}
	if named != len(exitCodes) {
		t.Errorf("%d outcomes are named, %d have a code", named, len(exitCodes))
	}
	for _, outcome := range []switcher.Outcome{"", "as nobody planned"} {
		if got := codeOf(outcome); got != exitStuck {
			t.Errorf("%q exits %d", outcome, got)
		}
		if got := (&terminal{stderr: t.Output()}).exit(&switcher.Error{Outcome: outcome, Err: errors.New("unplanned")}); got != exitStuck {
			t.Errorf("an error whose outcome is %q exits %d", outcome, got)
		}
	}
}
