package switcher

import (
	"cmp"
	"slices"

	"bgswitch/switcher/foreign"
)

// Typed is what was typed to come to a site. The commands that hints name come
// to the same site, from another shell, too.
type Typed struct {
	As    string   // what they were run by: sudo, doas; empty: nothing
	Site  []string // the flags that lead to the site
	Line  []string // all of it, without the program's name
	Files bool     // files are named that no rule of sudo's may let through: see caller.ByRule
}

// withAllRights is how somebody types what no rule for us permits: as a command
// that only a rule for everything does.
var withAllRights = map[string][]string{"sudo": {"env"}, "doas": {"env", "-u", "DOAS_USER"}}

// Command is a command line about this very site.
func (t Typed) Command(words ...string) string {
	return t.pasted(words, t.Site)
}

// Again is the line as it was typed, with more flags.
func (t Typed) Again(flags ...string) string { return t.pasted(t.Line, flags) }

// AsRoot says how to type the line with root's rights.
func (t Typed) AsRoot() string { return "run it as root: `" + t.asRoot().Again() + "`" }

// asRoot is as root would have typed it.
func (t Typed) asRoot() Typed {
	t.As = cmp.Or(t.As, "sudo")
	return t
}

// StatusAsRoot shows what only root may see.
func (t Typed) StatusAsRoot() string { return t.asRoot().Command("status") }

func (t Typed) pasted(words, flags []string) string {
	line := slices.Concat([]string{"bgswitch"}, words, flags)
	if t.Files {
		line = slices.Concat(withAllRights[t.As], line)
	}
	return t.pastedAs(line...)
}

// pastedAs is any command line, run by what we were run by.
func (t Typed) pastedAs(line ...string) string {
	if t.As != "" {
		line = slices.Insert(line, 0, t.As)
	}
	return foreign.Shell(line...)
}

func (s *Switcher) to(color Color) string { return s.Command("to", string(color)) }

func (s *Switcher) hintStatus() string {
	return "`" + s.Command("status") + "` shows where things stand"
}
