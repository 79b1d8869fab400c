package sockets

import (
	"fmt"
	"os"

	"bgswitch/switcher/aside"
	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// InNetworkOf does something on a thread that is in a process's network: a socket
// that is made there stays there. It runs nothing of that process's. Where the
// network is another one than ours, only root may.
func InNetworkOf(pid int, do func() error) error {
	if !root.Differs(pid, "net") {
		return do()
	}
	return aside.OnOwnThread(func() error {
		space, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			return err
		}
		defer space.Close()
		if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot enter the network of process %d: %w", pid, err)
		}
		return do()
	})
}
