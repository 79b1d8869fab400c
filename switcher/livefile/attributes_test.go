package livefile

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// accessListFor is an access list that gives one more user the right to read
// (acl(5); linux/posix_acl_xattr.h: version 2, then tag, permissions, id).
func accessListFor(uid uint32) []byte {
	list := binary.LittleEndian.AppendUint32(nil, 2)
	add := func(tag, permissions uint16, id uint32) {
		list = binary.LittleEndian.AppendUint16(list, tag)
		list = binary.LittleEndian.AppendUint16(list, permissions)
		list = binary.LittleEndian.AppendUint32(list, id)
	}
	const none = ^uint32(0)
	add(0x01, 6, none) // the owner
	add(0x02, 4, uid)
	add(0x04, 4, none) // the group
	add(0x10, 4, none) // the mask
	add(0x20, 0, none) // others
	return list
}

func TestAttributesAreKept(t *testing.T) {
	t.Parallel()
	root := os.Geteuid() == 0
	tests := map[string]struct {
		rootOnly bool
		make     func(path string) error
	}{
		"0644":     {false, func(p string) error { return os.Chmod(p, 0o644) }},
		"0600":     {false, func(p string) error { return os.Chmod(p, 0o600) }},
		"0444":     {false, func(p string) error { return os.Chmod(p, 0o444) }},
		"2750":     {false, func(p string) error { return unix.Chmod(p, 0o2750) }},
		"6755":     {false, func(p string) error { return unix.Chmod(p, 0o6755) }},
		"owner":    {true, func(p string) error { return errors.Join(os.Chown(p, 33, 44), os.Chmod(p, 0o640)) }},
		"group":    {true, func(p string) error { return os.Chown(p, -1, 44) }},
		"set-ids":  {true, func(p string) error { return errors.Join(os.Chown(p, 33, 44), unix.Chmod(p, 0o6755)) }},
		"user":     {false, func(p string) error { return unix.Setxattr(p, "user.made-by", []byte("hand\x00!"), 0) }},
		"empty":    {false, func(p string) error { return unix.Setxattr(p, "user.mark", nil, 0) }},
		"security": {true, func(p string) error { return unix.Setxattr(p, "security.bgswitch", []byte("x"), 0) }},
		"access list": {false, func(p string) error {
			return unix.Setxattr(p, accessList, accessListFor(33), 0)
		}},
	}
	for name, test := range tests {
		if test.rootOnly && !root {
			continue // the same rows run where the tests run as root
		}
		for way, byLink := range map[string]bool{"exchange": false, "by link": true} {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				path := live(t).Path
				must(t, test.make(path))
				r := linked(New(read(t, path), []byte(green), false, ""), byLink)
				before := attributes(t, path)
				must(t, errors.Join(r.Prepare(), r.Put()))
				wantAttributes(t, path, before)
				must(t, os.Remove(r.Kept)) // so that it has to be written anew
				must(t, r.Restore())
				wantAttributes(t, path, before)
			})
		}
	}
}

// kept is what a replacement must not change.
type kept struct {
	mode, uid, gid uint32
	extended       map[string]string
}

func attributes(t *testing.T, path string) kept {
	t.Helper()
	f := read(t, path)
	k := kept{f.stat.Mode, f.stat.Uid, f.stat.Gid, map[string]string{}}
	names, err := listExtended(path)
	must(t, err)
	for _, name := range names {
		value := make([]byte, 1024)
		n, err := unix.Lgetxattr(path, name, value)
		must(t, err)
		k.extended[name] = string(value[:n])
	}
	return k
}

func wantAttributes(t *testing.T, path string, want kept) {
	t.Helper()
	got := attributes(t, path)
	if got.mode != want.mode || got.uid != want.uid || got.gid != want.gid {
		t.Errorf("mode %o owner %d:%d, want %o %d:%d", got.mode, got.uid, got.gid, want.mode, want.uid, want.gid)
	}
	if len(got.extended) != len(want.extended) {
		t.Errorf("attributes %q, want %q", got.extended, want.extended)
	}
	for name, value := range want.extended {
		if got.extended[name] != value {
			t.Errorf("%s is %q, want %q", name, got.extended[name], value)
		}
	}
}

// A folder's default access list would give the new file rights that the old
// one does not have.
func TestDefaultAccessListIsNotTaken(t *testing.T) {
	t.Parallel()
	old := live(t)
	must(t, unix.Setxattr(filepath.Dir(old.Path), "system.posix_acl_default", accessListFor(33), 0))
	before := attributes(t, old.Path)
	must(t, prepared(t, old).Put())
	wantAttributes(t, old.Path, before)
}

// A folder with the set-group-ID bit gives new files its own group.
func TestFolderWithGroup(t *testing.T) {
	t.Parallel()
	old := live(t)
	if os.Geteuid() == 0 {
		must(t, os.Chown(filepath.Dir(old.Path), 0, 33))
	}
	must(t, unix.Chmod(filepath.Dir(old.Path), 0o2755))
	before := attributes(t, old.Path)
	must(t, prepared(t, old).Put())
	wantAttributes(t, old.Path, before)
}
