package main

import (
	"path/filepath"

	"bgswitch/switcher/nginxtest"
)

// initiates is a run of init that looks at the victim's nginx alone, and writes beside it.
func (v *victim) initiates(more ...string) []string {
	binary, _ := nginxtest.Binary()
	args := []string{"init", "--nginx", binary, "--conf", v.Conf, "--prefix", v.Dir, "--config", filepath.Join(v.Dir, "new.yaml"), "--dry-run", "--blue", v.Blue.Addr, "--green", v.Green.Addr}
	return append(args, more...)
}
