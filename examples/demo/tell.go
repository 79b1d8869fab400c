package main

import (
	"fmt"
	"strings"
)

func (d *demo) tell(format string, args ...any) { fmt.Fprintf(d.stdout, format+"\n", args...) }

// quoted is a command line as it would be typed.
func quoted(args []string) string {
	var words []string
	for _, arg := range args {
		if strings.Contains(arg, " ") {
			arg = `"` + arg + `"`
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}
