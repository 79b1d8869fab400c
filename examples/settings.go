// Package examples holds what the program itself can show of these files.
package examples

import _ "embed"

// Settings is the example that shows every setting.
//
//go:embed bgswitch.yaml
var Settings string
