package main

import (
	"fmt"
	"slices"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher"
)

// otherNames are those by which others call what our commands do, and the line
// that does it.
var otherNames = map[string]string{
	"blue": "to blue", "green": "to green",
	"switch": "help to", "deploy": "help to", "flip": "help to", "promote": "help to", "activate": "help to",
	"rollback": "back", "roll-back": "back", "revert": "back", "undo": "back",
	"state": "status", "info": "status", "current": "status", "show": "status", "list": "status", "ls": "status",
	"log": "history", "logs": "history",
	"health": "check", "probe": "check", "ping": "check",
	"config": "settings check", "configtest": "settings check", "validate": "settings check", "test": "settings check",
	"rehearse": "drill", "lock": "help block", "unlock": "help unblock",
	"prune": "releases prune --dry-run", "monitor": "verify", "version": "--version",
}

// noCommand says what was typed in place of a command, and what was meant.
func (l line) noCommand(words []string) error {
	what := fmt.Sprintf("there is no command %q", words[0])
	if meant := lineMeant(words); len(meant) > 0 {
		typed := switcher.Typed{}
		if _, typed.As = becameRoot(); meant[0] != "help" && meant[0] != "--version" {
			typed.Site = l.flags
		}
		what += "; did you mean `" + typed.Command(meant...) + "`?"
	}
	return usage("`bgswitch help` lists the commands", "%s", what)
}

// lineMeant is the line that was meant, or empty.
func lineMeant(words []string) []string {
	said := strings.ToLower(words[0])
	other := strings.Fields(otherNames[said])
	if slices.Equal(other, []string{"help", "to"}) && len(words) == 2 {
		if color, err := nginxconf.ParseColor(words[1]); err == nil {
			return []string{"to", string(color)}
		}
	}
	if len(other) > 0 {
		return other
	}
	var names []string
	for _, c := range commands() {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	if near, _ := nearest(said, names); near != "" {
		return append([]string{near}, words[1:]...)
	}
	return nil
}
