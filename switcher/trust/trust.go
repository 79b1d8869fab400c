// Package trust finds out who else could change what is believed: what stands
// in it ends up in what root runs. A path is walked once, step by step, from one
// open folder to the next; every folder and every link on it is judged by what
// was opened, and so is the file, which is then read from that very descriptor.
// What anybody swaps meanwhile is either judged, too, or not met.
package trust

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"bgswitch/switcher/foreign"

	"golang.org/x/sys/unix"
)

// Why something is not safe from others.
var (
	// ErrUnsafe: somebody else could change it.
	ErrUnsafe = errors.New("not safe from others")
	// ErrForeign is ErrUnsafe for who looks: it belongs to somebody else, who
	// could trust it.
	ErrForeign = fmt.Errorf("%w", ErrUnsafe)
	// ErrPlanted is ErrUnsafe of a link that others can have put there.
	ErrPlanted = fmt.Errorf("%w", ErrUnsafe)
)

// Doubt is one reason why something is not safe from others. It wraps one of the
// errors above.
type Doubt struct {
	text  string
	mend  string
	is    error
	owner *uint32 // whose it is, where that is the doubt
	more  error   // why others than he could change it, too
}

func (d *Doubt) Error() string { return d.text }
func (d *Doubt) Unwrap() error { return d.is }

// Mend is what takes a doubt away: a command, where one does.
func Mend(err error) string {
	if doubt := (*Doubt)(nil); errors.As(err, &doubt) && doubt.mend != "" {
		return doubt.mend
	}
	return "move it to a folder that nobody else can write"
}

// What others may do to a thing, as bits of its mode.
const (
	Write = 0o022
	Open  = 0o077
)

// Of is the rule: a thing is safe if it belongs to root, to the user who runs
// this, or to one of owners, and if nobody else has any of these rights. An error
// is a *Doubt.
func Of(path string, stat *unix.Stat_t, rights uint32, owners ...uint32) error {
	shared := sharedBy(path, stat, rights)
	if !ours(stat.Uid) && !slices.Contains(owners, stat.Uid) {
		return &Doubt{fmt.Sprintf("%s belongs to user %d", path, stat.Uid), "chown -h root " + foreign.Shell(path), ErrForeign, &stat.Uid, shared}
	}
	return shared
}

// sharedBy is the doubt that others than its owner have any of these rights.
func sharedBy(path string, stat *unix.Stat_t, rights uint32) error {
	if stat.Mode&rights == 0 {
		return nil
	}
	can, take := "write", "go-w"
	if rights == Open {
		can, take = "open", "go="
	}
	return &Doubt{text: fmt.Sprintf("others may %s %s (mode %04o)", can, path, stat.Mode&0o7777), mend: "chmod " + take + " " + foreign.Shell(path), is: ErrUnsafe}
}

// ours says whether whatever a user owns is as safe as we are.
func ours(uid uint32) bool {
	return uid == 0 || int(uid) == os.Geteuid() || uid == ownerOfRoot()
}

// ownerOfRoot owns all there is: in a user namespace that does not know root,
// what is root's looks like another one's (user_namespaces(7), "Unmapped user
// and group IDs").
var ownerOfRoot = sync.OnceValue(func() uint32 {
	var stat unix.Stat_t
	if unix.Stat("/", &stat) != nil {
		return 0
	}
	return stat.Uid
})

// named is the rule for a name in a folder: whoever may put a name there can put
// one of somebody else's file, or of his link. In a sticky folder nobody can take
// another's name away (unlink(2)), but he can add one to a file of root's.
func named(path string, stat, folder *unix.Stat_t) error {
	link := stat.Mode&unix.S_IFMT == unix.S_IFLNK
	others := !ours(folder.Uid) || folder.Mode&Write != 0
	sticky := folder.Mode&unix.S_ISVTX != 0 && ours(folder.Uid)
	switch {
	case link && others && !(sticky && ours(stat.Uid) && stat.Nlink == 1):
		doubt := &Doubt{text: fmt.Sprintf("somebody else may have put the link %s there", path), is: ErrPlanted}
		if owner := folder.Uid; folder.Mode&Write == 0 {
			doubt.owner = &owner
		}
		return doubt
	case link && !ours(stat.Uid):
		return &Doubt{fmt.Sprintf("the link %s belongs to user %d", path, stat.Uid), "chown -h root " + foreign.Shell(path), ErrPlanted, &stat.Uid, nil}
	case !link && others && stat.Nlink > 1 && stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &Doubt{text: fmt.Sprintf("%s has several names, and somebody else may have put this one there", path), is: ErrUnsafe}
	}
	return nil
}
