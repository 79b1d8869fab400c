package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bgswitch/switcher/moment"
	"bgswitch/switcher/ordinary"

	"golang.org/x/sys/unix"
)

// Host is where bgswitch runs.
type Host struct {
	Root     string // its root folder; empty: ours
	Program  string // bgswitch's own path
	StateDir string
	Now      time.Time
	Steady   func() (bool, error) // whether something keeps the clock right; nil: the kernel says it
}

// host is a Host that is looked at.
type host struct {
	Host
	asRoot    string // how to type it again with more rights
	schedules []schedule
	unread    []error // of what may hold a schedule
}

// fileLimit is the largest file of the host that is read, in bytes.
const fileLimit = 1 << 20

func (h *host) read(name string) ([]byte, error) {
	return ordinary.Read(filepath.Join(h.Root, name), fileLimit)
}

// names are those in a folder, sorted.
func (h *host) names(name string) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(h.Root, name))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(names)
	return names, err
}

// changed is when a file was last written; the zero time where that is unknown.
func (h *host) changed(name string) time.Time {
	info, err := os.Stat(filepath.Join(h.Root, name))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// onlyRoots says whether a file is an ordinary one that nobody but root may write;
// root is who has the root folder.
func (h *host) onlyRoots(name string) bool {
	var root, file unix.Stat_t
	if unix.Stat(filepath.Join(h.Root, "/"), &root) != nil || unix.Stat(filepath.Join(h.Root, name), &file) != nil {
		return false
	}
	return file.Mode&unix.S_IFMT == unix.S_IFREG && file.Mode&0o022 == 0 && (file.Uid == 0 || file.Uid == root.Uid)
}

func isAny(err error, causes ...error) bool {
	return slices.ContainsFunc(causes, func(cause error) bool { return errors.Is(err, cause) })
}

// steady asks the kernel (adjtimex(2), STA_UNSYNC).
func steady() (bool, error) {
	var clock unix.Timex
	state, err := unix.Adjtimex(&clock)
	return state != timeError && clock.Status&unix.STA_UNSYNC == 0, err
}

// timeError is TIME_ERROR of include/uapi/linux/timex.h.
const timeError = 5

// unsteady: blocks and bakes end by this clock, and the history is told apart by it.
func (h *host) unsteady() []Finding {
	ask := h.Steady
	if ask == nil {
		ask = steady
	}
	switch is, err := ask(); {
	case err != nil:
		return []Finding{unknown(h.asRoot, "whether something keeps the clock right: %v", err)}
	case !is:
		return []Finding{advice("timedatectl set-ntp true", "nothing keeps the clock of this host right: the kernel says that it is not synchronized")}
	}
	return nil
}

// setBack: what was done by the clock as it was is still to come.
func (h *host) setBack(what string, at time.Time) []Finding {
	const tolerated = time.Minute
	if at.Sub(h.Now) <= tolerated {
		return nil
	}
	return []Finding{problem("timedatectl set-ntp true", "the clock of this host is wrong, or was: %s at %s, which is still to come", what, moment.Text(at))}
}

func at(name string, number int) string { return fmt.Sprintf("%s:%d", name, number) }
