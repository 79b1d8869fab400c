// Package trust finds out who else could change a file that is believed: what
// stands in it ends up in what root runs.
package trust

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Doubts lists why a file is not safe from others, one line each: the file,
// or a folder on the way to it, belongs to somebody else or may be written by
// others. Owners are root and the user who runs this. What may not be looked
// at is no doubt.
func Doubts(path string) []string {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	var doubts []string
	for at := path; ; at = filepath.Dir(at) {
		if doubt := about(at); doubt != "" {
			doubts = append(doubts, doubt)
		}
		if at == filepath.Dir(at) {
			return doubts
		}
	}
}

func about(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return ""
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Sprintf("%s belongs to user %d", path, stat.Uid)
	}
	// In a sticky folder nobody can take another's file away (unlink(2)).
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	if info.Mode().Perm()&0o022 != 0 && !sticky {
		return fmt.Sprintf("others may write %s (mode %04o)", path, info.Mode().Perm())
	}
	return ""
}
