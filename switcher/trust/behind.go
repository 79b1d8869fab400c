package trust

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Behind is who a path is in the hands of, where that is neither root nor we: what
// is read there, or run, goes by his rights and not by root's. nil: by ours. The
// error is a *Doubt where anybody could have led the path elsewhere.
func Behind(path string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	doubts, err := onTheWay(path)
	if err != nil || len(doubts) == 0 {
		return nil, err
	}
	var first *Doubt
	if !errors.As(doubts[0], &first) || first.owner == nil {
		return nil, doubts[0]
	}
	return credential(*first.owner), nil
}

// onTheWay are the doubts about a file or a folder, and the way to it.
func onTheWay(path string) ([]error, error) {
	if folder, err := OpenFolder(path); err == nil {
		return folder.doubts, folder.Close()
	}
	file, doubts, err := open(path)
	if err != nil {
		return nil, err
	}
	return doubts, file.Close()
}

// nobody's group is that of who has none (group(5), nogroup).
const nogroup = 65534

// credential is a user with his own group alone.
func credential(uid uint32) *syscall.Credential {
	c := &syscall.Credential{Uid: uid, Gid: nogroup}
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		if gid, err := strconv.ParseUint(u.Gid, 10, 32); err == nil && gid != 0 {
			c.Gid = uint32(gid)
		}
	}
	return c
}
