// Package examples holds what the program itself can show of these files.
package examples

import _ "embed"

// Settings is the example that shows every setting.
//
//go:embed bgswitch.yaml
var Settings string

// What lets others work with it, as `bgswitch init` writes it.
var (
	//go:embed sudoers.d/bgswitch
	Sudoers string
	//go:embed cron.d/bgswitch
	Cron string
	//go:embed systemd/bgswitch-verify.service
	Service string
	//go:embed systemd/bgswitch-verify.timer
	Timer string
)
