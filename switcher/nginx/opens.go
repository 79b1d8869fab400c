package nginx

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// opens watches who opens one file. With the right to it (CAP_SYS_ADMIN) the
// kernel names the process (fanotify(7)); else any opening counts (inotify(7)).
type opens struct {
	fd    int
	named bool
	pid   int
}

// watchOpens begins to watch the file that path names now; pid is the process
// that is waited for.
func watchOpens(path string, pid int) (*opens, error) {
	if fd, err := unix.FanotifyInit(unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_CLASS_NOTIF, unix.O_RDONLY|unix.O_CLOEXEC); err == nil {
		if err = unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_OPEN, unix.AT_FDCWD, path); err == nil {
			return &opens{fd: fd, named: true, pid: pid}, nil
		}
		unix.Close(fd)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	return &opens{fd: fd, pid: pid}, nil
}

// close does not wait: the kernel takes its time to end a watch (up to 20 ms,
// a grace period of fsnotify), and a switch has none to lose.
func (o *opens) close() { go unix.Close(o.fd) }

// seen reads what has happened since the last call; it never waits, and a
// reader that opens the file in a tight loop does not hold it.
func (o *opens) seen() bool {
	var buffer [4096]byte
	found := false
	for range 100 {
		n, err := unix.Read(o.fd, buffer[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return found
		}
		if !o.named || o.byProcess(buffer[:n]) {
			found = true
		}
	}
	return found
}

// byProcess goes through a run of struct fanotify_event_metadata. Each brings
// an open descriptor that is ours to close.
func (o *opens) byProcess(events []byte) bool {
	const size = int(unsafe.Sizeof(unix.FanotifyEventMetadata{}))
	found := false
	for len(events) >= size {
		length := int(binary.NativeEndian.Uint32(events))
		fd := int32(binary.NativeEndian.Uint32(events[16:]))
		pid := int32(binary.NativeEndian.Uint32(events[20:]))
		if fd >= 0 {
			unix.Close(int(fd))
		}
		found = found || int(pid) == o.pid
		if length < size || length > len(events) {
			break
		}
		events = events[length:]
	}
	return found
}
