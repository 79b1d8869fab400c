package nginx

import (
	"os"
	"strconv"
	"strings"

	"bgswitch/switcher/root"
)

// Processes are all that call themselves nginx on this host, at one moment.
type Processes []process

// Census looks once at every process of the host, and needs no master for
// that. Of a process that may not be read nothing is known.
func Census() (Processes, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found Processes
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if title, err := titleOf(pid); err != nil || !strings.HasPrefix(title, titlePrefix) {
			continue
		}
		if p, err := readProcess(pid); err == nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// masters are those that are masters of this configuration. A worker that has
// not set its title yet is one of them.
func (n *Nginx) masters(census Processes, mayRun func(user int) bool) []process {
	var found []process
	for _, p := range census {
		if strings.HasPrefix(p.title, masterTitle) && n.isMaster(p, mayRun) == nil {
			found = append(found, p)
		}
	}
	return found
}

func pidsOf(list []process) []int {
	var found []int
	for _, p := range list {
		found = append(found, p.id.pid)
	}
	return found
}

// AnyMasters are the pids of every nginx master there is, whatever its
// configuration or pid namespace. For root, who is shown everybody's mounts,
// none counts whose user namespace is another: its mounts may be of any user's
// making (user_namespaces(7)).
func AnyMasters() []int {
	census, err := Census()
	if err != nil {
		return nil
	}
	var pids []int
	for _, p := range census {
		foreign := os.Geteuid() == 0 && root.Differs(p.id.pid, "user")
		if strings.HasPrefix(p.title, masterTitle) && !foreign {
			pids = append(pids, p.id.pid)
		}
	}
	return pids
}
