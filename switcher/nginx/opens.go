package nginx

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// opens watches who opens some files: the files themselves, whatever their
// names lead to meanwhile. With the right to it (CAP_SYS_ADMIN) the kernel names
// the process (fanotify(7)); else any opening counts (inotify(7)).
type opens struct {
	fd     int
	named  bool
	pid    int // of the process that counts
	files  []*os.File
	marks  map[int32]int // inotify's watch descriptor to the file
	opened map[int]bool  // by the file's place in files
}

// watchOpens begins to watch files; pid is the process that is waited for.
func watchOpens(files []*os.File, pid int) (*opens, error) {
	o := &opens{pid: pid, files: files, marks: map[int32]int{}, opened: map[int]bool{}}
	if o.byFanotify() == nil {
		return o, nil
	}
	if err := o.byInotify(); err != nil {
		return nil, fmt.Errorf("watch the live file: %w", err)
	}
	return o, nil
}

func (o *opens) byFanotify() error {
	fd, err := unix.FanotifyInit(unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_CLASS_NOTIF, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	for _, file := range o.files {
		// Without a path, the descriptor says what to watch.
		if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_OPEN, int(file.Fd()), ""); err != nil {
			unix.Close(fd)
			return err
		}
	}
	o.fd, o.named = fd, true
	return nil
}

func (o *opens) byInotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	for i, file := range o.files {
		mark, err := unix.InotifyAddWatch(fd, fmt.Sprintf("/proc/self/fd/%d", file.Fd()), unix.IN_OPEN)
		if err != nil {
			unix.Close(fd)
			return err
		}
		o.marks[int32(mark)] = i
	}
	o.fd = fd
	return nil
}

// close does not wait: the kernel takes its time to end a watch (up to 20 ms,
// a grace period of fsnotify), and a switch has none to lose.
func (o *opens) close() { go unix.Close(o.fd) }

// forget forgets every opening so far.
func (o *opens) forget() {
	o.all()
	clear(o.opened)
}

// all reads what has happened since the last call and says whether every file
// has been opened since they were last forgotten. It never waits, and a reader
// that opens a file in a tight loop does not hold it.
func (o *opens) all() bool {
	var buffer [4096]byte
	for range 100 {
		n, err := unix.Read(o.fd, buffer[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		if o.named {
			o.takeFanotify(buffer[:n])
		} else {
			o.takeInotify(buffer[:n])
		}
	}
	return len(o.opened) == len(o.files)
}

// takeInotify goes through a run of struct inotify_event. One that tells of an
// overflow names no file: then nothing more is known than before.
func (o *opens) takeInotify(events []byte) {
	for len(events) >= unix.SizeofInotifyEvent {
		mark := int32(binary.NativeEndian.Uint32(events))
		named := int(binary.NativeEndian.Uint32(events[12:]))
		if i, ours := o.marks[mark]; ours {
			o.opened[i] = true
		}
		events = events[min(len(events), unix.SizeofInotifyEvent+named):]
	}
}

// takeFanotify goes through a run of struct fanotify_event_metadata. Each brings
// an open descriptor that is ours to close.
func (o *opens) takeFanotify(events []byte) {
	const size = int(unsafe.Sizeof(unix.FanotifyEventMetadata{}))
	for len(events) >= size {
		length := int(binary.NativeEndian.Uint32(events))
		fd := int32(binary.NativeEndian.Uint32(events[16:]))
		pid := int32(binary.NativeEndian.Uint32(events[20:]))
		if fd >= 0 {
			if int(pid) == o.pid {
				o.noteOpened(int(fd))
			}
			unix.Close(int(fd))
		}
		if length < size || length > len(events) {
			return
		}
		events = events[length:]
	}
}

func (o *opens) noteOpened(fd int) {
	var opened, ours unix.Stat_t
	if unix.Fstat(fd, &opened) != nil {
		return
	}
	for i, file := range o.files {
		if unix.Fstat(int(file.Fd()), &ours) == nil && ours.Dev == opened.Dev && ours.Ino == opened.Ino {
			o.opened[i] = true
		}
	}
}
