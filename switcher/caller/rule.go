package caller

import (
	"os"
	"path/filepath"
	"strings"
)

// ByRule says that we are root because a rule lets somebody run this very program
// so: sudo's, doas', polkit's, or a set-user-ID bit. Whoever types in a shell of
// root's is root himself, as is a script of root's. Only sudo says what it was to
// run (sudo(8), SUDO_COMMAND); by the others it may always have been us. The user
// may have set the variables of those that he did not use: each of them can only
// add to the suspicion.
func ByRule() bool {
	if os.Geteuid() != 0 {
		return false
	}
	return os.Getuid() != 0 || another("SUDO_UID", "0") && isThis(os.Getenv("SUDO_COMMAND")) ||
		another("DOAS_USER", "root") || another("PKEXEC_UID", "0")
}

// another says that a variable names somebody who is not root.
func another(variable, root string) bool {
	value := os.Getenv(variable)
	return value != "" && value != root
}

// isThis says whether a command line may be one of this program, by whatever name.
// The path that it begins with may hold blanks.
func isThis(line string) bool {
	path, err := os.Executable()
	self, unseen := os.Stat("/proc/self/exe")
	if line == "" || err != nil || unseen != nil {
		return true
	}
	for i := range line + " " {
		if i < len(line) && line[i] != ' ' {
			continue
		}
		if is, err := os.Stat(line[:i]); err == nil && os.SameFile(is, self) {
			return true
		}
	}
	// One that was just installed over us is not the same file.
	program, _, _ := strings.Cut(line, " ")
	return filepath.Base(program) == filepath.Base(strings.TrimSuffix(path, " (deleted)"))
}
