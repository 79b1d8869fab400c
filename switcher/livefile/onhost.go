package livefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bgswitch/switcher/root"

	"github.com/moby/sys/mountinfo"
)

// ErrNotOnHost says that a file of another process's is in no folder of this host's:
// it is in the container's own layer, say, and goes with the container.
var ErrNotOnHost = errors.New("it stands in the container alone")

// OnHost is where this host has the file that another process sees at a path: it was
// given that file, or a folder of this host's that holds it.
func OnHost(pid int, path string) (string, error) {
	info, err := root.Inside(pid).Stat(path)
	if err != nil {
		return "", err
	}
	path = filepath.Clean(path)
	for step := range Way(root.Inside(pid), path) {
		path = step.Leads()
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return "", err
	}
	defer file.Close()
	mounts, err := mountinfo.GetMountsFromReader(file, nil)
	if err != nil {
		return "", err
	}
	on := covering(mounts, path)
	if on == nil || on.Mountpoint == "/" {
		return "", fmt.Errorf("%w: %s", ErrNotOnHost, path)
	}
	rest, _ := below(path, on.Mountpoint)
	sights, err := place{on.Major, on.Minor, filepath.Join(on.Root, rest)}.sightsOf(os.Getpid(), "")
	for _, s := range sights {
		if here, err := os.Stat(s.at); err == nil && os.SameFile(here, info) {
			return s.at, nil
		}
	}
	return "", errors.Join(err, fmt.Errorf("%w: %s", ErrNotOnHost, path))
}
