package sockets

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// States of a socket, as the tables write them: include/net/tcp_states.h. Of the
// others, a socket that listens leads nowhere, and of one that waits for its time
// to be over (TIME_WAIT), or is closed, nobody has anything open any more.
const (
	stateTimeWait = "06"
	stateClose    = "07"
	stateListen   = "0A"
)

// acceptConn is __SO_ACCEPTCON of include/uapi/linux/net.h.
const acceptConn = "00010000"

// tables of IPv4 and IPv6; without IPv6 there is no second one.
var tables = []string{"tcp", "tcp6"}

// rows gives each row of a table of a process's network namespace
// (proc_pid_net(5)), one at a time: a busy proxy has hundreds of thousands.
func rows(pid int, table string, each func(fields []string) error) error {
	file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
	if errors.Is(err, os.ErrNotExist) && table == "tcp6" {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if err := each(strings.Fields(lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// connectionsTCP: the second address of a row is the far end.
func connectionsTCP(pid int, add func(Inode, End)) error {
	for _, table := range tables {
		err := rows(pid, table, func(row []string) error {
			if len(row) < 10 || row[0] == "sl" || row[3] == stateListen || row[3] == stateTimeWait || row[3] == stateClose {
				return nil
			}
			inode, err := strconv.ParseUint(row[9], 10, 64)
			if err != nil {
				return fmt.Errorf("/proc/%d/net/%s contains %q", pid, table, row)
			}
			far, err := parseAddress(row[2])
			add(Inode(inode), End{Address: far})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parseAddress reads what the kernel wrote: each 32 bits of the address as a
// number of this machine's byte order (tcp4_seq_show in net/ipv4/tcp_ipv4.c),
// the port behind a colon.
func parseAddress(text string) (netip.AddrPort, error) {
	digits, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(digits)
	number, errPort := strconv.ParseUint(port, 16, 16)
	for i := 0; i+4 <= len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	address, ok := netip.AddrFromSlice(raw)
	if err = errors.Join(err, errPort); err != nil || !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address of the kernel's tables: %w", text, err)
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), nil
}
