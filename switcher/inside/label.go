package inside

import (
	"os"
	"strings"
)

// label is what AppArmor or SELinux knows a process by, and where a process
// writes which one its next program is to have (proc_pid_attr(5)).
type label struct{ File, Text string }

// label is empty where it is ours, too, or there is none.
func (p *Process) label() label {
	for _, folder := range []string{"attr/apparmor/", "attr/"} {
		theirs, err := p.read(folder + "current")
		if err != nil {
			continue
		}
		ours, _ := os.ReadFile("/proc/thread-self/" + folder + "current")
		if string(ours) == string(theirs) {
			return label{}
		}
		return label{folder + "exec", change(string(theirs))}
	}
	return label{}
}

// change is what is written to have a program run under a label: with AppArmor,
// which says in what mode it is ("docker-default (enforce)"), a command.
func change(current string) string {
	current = strings.TrimRight(current, "\x00\n")
	if profile, _, ok := strings.Cut(current, " ("); ok {
		return "exec " + profile
	}
	if strings.Count(current, ":") < 3 {
		return "" // unconfined
	}
	return current
}
