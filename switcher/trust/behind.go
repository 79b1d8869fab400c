package trust

import (
	"errors"
	"fmt"
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

// Hands is whose rights go for a change that is made where paths lead together:
// his who could lead one of them elsewhere. What has the path itself is not judged,
// the folder that it is in is. nil: nobody could but root and we. The error is a
// *Doubt where several could, or anybody.
func Hands(paths ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	var his *Doubt
	for _, path := range paths {
		doubts, err := wayTo(path)
		if err != nil {
			return nil, err
		}
		for _, doubt := range doubts {
			if his, err = together(his, doubt); err != nil {
				return nil, err
			}
		}
	}
	if his == nil {
		return nil, nil
	}
	return credential(*his.owner), nil
}

// together is the first of two doubts that are about the same user.
func together(his *Doubt, err error) (*Doubt, error) {
	var doubt *Doubt
	switch {
	case !errors.As(err, &doubt) || doubt.owner == nil:
		return nil, err
	case doubt.more != nil:
		return nil, doubt.more
	case his == nil:
		return doubt, nil
	case *his.owner != *doubt.owner:
		return nil, &Doubt{text: fmt.Sprintf("%s, but %s", his, doubt), mend: "make one of them, or root, the owner of all of it", is: ErrUnsafe}
	}
	return his, nil
}

// wayTo are the doubts about the way to what has a path.
func wayTo(path string) ([]error, error) {
	w, err := begin(path)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	err = w.walk(1)
	return w.doubts, err
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
