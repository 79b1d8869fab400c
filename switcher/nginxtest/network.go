package nginxtest

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// In does something in the container's network.
func (c *Container) In(do func() error) error {
	if c.network == nil {
		return do()
	}
	runtime.LockOSThread()
	ours, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer ours.Close()
	if err := unix.Setns(int(c.network.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = do()
	if back := unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked: nobody else gets it
	}
	runtime.UnlockOSThread()
	return err
}

// Listen listens in the container's network.
func (c *Container) Listen(addr string) (listener net.Listener, err error) {
	err = c.In(func() error {
		listener, err = net.Listen("tcp", addr)
		return err
	})
	return listener, err
}

// LoopbackUp makes a new network one that can be used.
func LoopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback)
}

// forward does what a runtime does for a published port: whoever connects to
// Addr is connected with nginx.
func (c *Container) forward() {
	for {
		outer, err := c.publish.Accept()
		if err != nil {
			return
		}
		go c.carry(outer)
	}
}

func (c *Container) carry(outer net.Conn) {
	defer outer.Close()
	var inner net.Conn
	err := c.In(func() (err error) {
		inner, err = net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(c.port))
		return err
	})
	if err != nil {
		return
	}
	defer inner.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{outer, inner}, {inner, outer}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].(*net.TCPConn).CloseWrite()
		})
	}
	both.Wait()
}
