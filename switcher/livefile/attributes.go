package livefile

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// copyAttributes gives an open file the owner, mode and extended attributes of
// another. The owner comes first: chown(2) clears set-id bits, and the mode
// last, since an access list changes the group's bits. ours is what came of it.
func copyAttributes(file *os.File, like *File) (ours unix.Stat_t, err error) {
	fd := int(file.Fd())
	if err := unix.Fstat(fd, &ours); err != nil {
		return ours, pathError("fstat", file.Name(), err)
	}
	if ours.Uid != like.stat.Uid || ours.Gid != like.stat.Gid {
		if err := unix.Fchown(fd, int(like.stat.Uid), int(like.stat.Gid)); err != nil {
			return ours, fmt.Errorf("keep the owner of %s: %w", like.Path, err)
		}
	}
	if err := copyExtended(fd, like.Path); err != nil {
		return ours, err
	}
	if err := unix.Fchmod(fd, like.stat.Mode&0o7777); err != nil {
		return ours, fmt.Errorf("keep the mode of %s: %w", like.Path, err)
	}
	if err := unix.Fstat(fd, &ours); err != nil {
		return ours, pathError("fstat", file.Name(), err)
	}
	// chmod(2) drops the set-group-ID bit without an error where the caller
	// does not belong to the group.
	if ours.Mode != like.stat.Mode {
		return ours, fmt.Errorf("keep the mode of %s: it is %o, the new file got %o", like.Path, like.stat.Mode&0o7777, ours.Mode&0o7777)
	}
	return ours, nil
}

const accessList = "system.posix_acl_access"

// copyExtended copies the extended attributes (xattr(7)) and takes away an
// access list that came from the folder's default one (acl(5)).
func copyExtended(fd int, from string) error {
	names, err := listExtended(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := copyOneExtended(fd, from, name); err != nil {
			return err
		}
	}
	if slices.Contains(names, accessList) {
		return nil
	}
	err = unix.Fremovexattr(fd, accessList)
	if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("keep %s without an access list: %w", from, err)
	}
	return nil
}

// copyOneExtended leaves alone what is the same already: the label that the
// system gives a new file by itself need not be settable.
func copyOneExtended(fd int, from, name string) error {
	value, err := readExtended(func(into []byte) (int, error) { return unix.Lgetxattr(from, name, into) })
	if err != nil {
		return fmt.Errorf("read attribute %s of %s: %w", name, from, err)
	}
	has, err := readExtended(func(into []byte) (int, error) { return unix.Fgetxattr(fd, name, into) })
	if err == nil && string(has) == string(value) {
		return nil
	}
	if err := unix.Fsetxattr(fd, name, value, 0); err != nil {
		return fmt.Errorf("keep attribute %s of %s: %w", name, from, err)
	}
	return nil
}

// ofContent are the attributes that are computed from the bytes: the kernel
// makes them anew (kernel Documentation/ABI/testing/evm and ima_policy).
var ofContent = []string{"security.ima", "security.evm"}

func listExtended(path string) ([]string, error) {
	list, err := readExtended(func(into []byte) (int, error) { return unix.Llistxattr(path, into) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list attributes of %s: %w", path, err)
	}
	names := strings.FieldsFunc(string(list), func(r rune) bool { return r == 0 })
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(ofContent, name) }), nil
}

// readExtended asks for the size first (xattr calls with an empty buffer).
func readExtended(read func([]byte) (int, error)) ([]byte, error) {
	size, err := read(nil)
	if err != nil || size == 0 {
		return nil, err
	}
	value := make([]byte, size)
	n, err := read(value)
	if err != nil {
		return nil, err
	}
	return value[:n], nil
}
