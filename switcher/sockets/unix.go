package sockets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What include/uapi/linux/unix_diag.h and sock_diag.h number; sock_diag(7).
const (
	sockDiagByFamily = 20
	showName         = 0x1
	showFile         = 0x2
	showPeer         = 0x4
	showWaiting      = 0x8
	attributeName    = 0
	attributeFile    = 1
	attributePeer    = 2
	attributeWaiting = 3
	requestSize      = unix.SizeofNlMsghdr + 24 // struct unix_diag_req
	answerSize       = 16                       // struct unix_diag_msg
	wanted           = 1<<1 | 1<<10             // TCP_ESTABLISHED, TCP_LISTEN
)

// unixPatience bounds how long the kernel is waited for.
const unixPatience = 5 * time.Second

// connectionsUnix asks the kernel which two sockets belong together, for who
// connects has no name: /proc/net/unix says nothing of where he leads.
func connectionsUnix(pid int, add func(Inode, End)) error {
	var ask int
	if err := InNetworkOf(pid, func() (err error) {
		ask, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
		return err
	}); err != nil {
		return fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(ask)
	patience := unix.NsecToTimeval(unixPatience.Nanoseconds())
	if err := unix.SetsockoptTimeval(ask, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		return err
	}
	if err := unix.Sendto(ask, unixRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("sock_diag: %w", err)
	}
	known := map[Inode]unixSocket{}
	if err := answers(ask, func(s unixSocket) { known[s.inode] = s }); err != nil {
		return fmt.Errorf("sock_diag: %w", err)
	}
	for _, s := range known {
		for _, inode := range s.waiting {
			add(inode, End{Unix: &s.file})
		}
		if far, seen := known[s.peer]; seen {
			add(s.inode, End{Unix: &far.file})
		} else if s.peer != 0 {
			add(s.inode, End{Unix: &File{OutOfSight: true}})
		}
	}
	return nil
}

// unixSocket is one that is connected, or listens.
type unixSocket struct {
	inode, peer Inode // peer is 0 where nobody has accepted it yet
	file        File
	waiting     []Inode // of those who have connected, and were not accepted yet
}

func unixRequest() []byte {
	request := make([]byte, requestSize)
	put := binary.NativeEndian
	put.PutUint32(request[0:], requestSize)
	put.PutUint16(request[4:], sockDiagByFamily)
	put.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[unix.SizeofNlMsghdr] = unix.AF_UNIX
	put.PutUint32(request[unix.SizeofNlMsghdr+4:], wanted)
	put.PutUint32(request[unix.SizeofNlMsghdr+12:], showName|showFile|showPeer|showWaiting)
	return request
}

// answers gives each socket.
func answers(ask int, each func(unixSocket)) error {
	buffer := make([]byte, 1<<16) // more than the kernel puts into one datagram
	for {
		n, _, err := unix.Recvfrom(ask, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return err
		}
		for _, m := range messages {
			switch {
			case m.Header.Type == unix.NLMSG_DONE:
				return nil
			case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
				return unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
			case len(m.Data) >= answerSize:
				if s := parseAnswer(m.Data); s.inode != 0 { // else nobody holds it
					each(s)
				}
			}
		}
	}
}

// parseAnswer reads a struct unix_diag_msg and the attributes behind it
// (struct nlattr, each begins at a multiple of four).
func parseAnswer(data []byte) unixSocket {
	get := binary.NativeEndian
	s := unixSocket{inode: Inode(get.Uint32(data[4:]))}
	for data = data[answerSize:]; len(data) >= unix.SizeofNlAttr; {
		length := int(get.Uint16(data))
		if length < unix.SizeofNlAttr || length > len(data) {
			break
		}
		value := data[unix.SizeofNlAttr:length]
		switch kind := get.Uint16(data[2:]); {
		case kind == attributeName:
			s.file.Path = strings.TrimRight(string(value), "\x00")
		case kind == attributeFile && len(value) >= 4:
			s.file.Inode = get.Uint32(value)
		case kind == attributePeer && len(value) >= 4:
			s.peer = Inode(get.Uint32(value))
		case kind == attributeWaiting:
			for ; len(value) >= 4; value = value[4:] {
				s.waiting = append(s.waiting, Inode(get.Uint32(value)))
			}
		}
		data = data[min((length+3)&^3, len(data)):]
	}
	return s
}
