package switcher_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// flagged sets flags as chattr(1) does, until the test ends: those of
// ioctl_iflags(2), the same bits as statx(2) shows.
func flagged(t *testing.T, path string, bit int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	flags, err := unix.IoctlGetInt(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags|bit)
	}
	if err != nil {
		rightstest.Without(t, "file flags (chattr +i): "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags); err != nil {
			t.Error(err)
		}
	})
}

// stranger is a user who owns nothing of ours.
const stranger = 65534

// What refuses the switch, before anything is begun, refuses its dry run, and shuts
// the way back.
func TestLookingPromisesNoMoreThanSwitching(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	immutable := func(of func(*stand) string) func(*testing.T, *stand) {
		return func(t *testing.T, s *stand) { flagged(t, of(s), unix.STATX_ATTR_IMMUTABLE) }
	}
	state := func(s *stand) string { return s.StateDir }
	for name, test := range map[string]struct {
		make func(*testing.T, *stand)
		says string
	}{
		"immutable file":   {immutable(func(s *stand) string { return s.Live }), "chattr -i"},
		"immutable folder": {immutable(func(s *stand) string { return filepath.Dir(s.Live) }), "chattr -i"},
		"append-only file": {func(t *testing.T, s *stand) { flagged(t, s.Live, unix.STATX_ATTR_APPEND) }, "chattr -a"},
		"append-only folder": {func(t *testing.T, s *stand) {
			flagged(t, filepath.Dir(s.Live), unix.STATX_ATTR_APPEND)
		}, "chattr -a"},
		"immutable state": {func(t *testing.T, s *stand) {
			must(t, os.MkdirAll(state(s), 0o700))
			flagged(t, state(s), unix.STATX_ATTR_IMMUTABLE)
		}, "chattr -i"},
		"immutable history": {func(t *testing.T, s *stand) {
			must(t, errors.Join(s.State.Create(), os.WriteFile(filepath.Join(s.State.Path, "history.jsonl"), nil, 0o600)))
			flagged(t, filepath.Join(s.State.Path, "history.jsonl"), unix.STATX_ATTR_IMMUTABLE)
		}, "chattr -i"},
		"a file for a state folder": {func(t *testing.T, s *stand) { must(t, os.WriteFile(state(s), nil, 0o600)) }, "not a directory"},
		"state of everybody": {func(t *testing.T, s *stand) {
			must(t, errors.Join(s.State.Create(), os.Chmod(state(s), 0o777)))
		}, "others may write"},
		"state of a stranger": {func(t *testing.T, s *stand) {
			must(t, errors.Join(s.State.Create(), os.Chown(s.State.Path, stranger, stranger)))
		}, "belongs to user 65534"},
		"state to be made below a stranger's": {func(t *testing.T, s *stand) {
			must(t, errors.Join(os.MkdirAll(state(s), 0o700), os.Chown(state(s), stranger, stranger)))
		}, "belongs to user 65534"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nginxtest.Options{})
			test.make(t, s)
			_, err := s.Switch(t.Context(), switcher.Request{To: switcher.Green, DryRun: true, Command: "to", Who: "test"})
			var failed *switcher.Error
			if !errors.As(err, &failed) || failed.Outcome != switcher.Failed || !strings.Contains(err.Error(), test.says) {
				t.Errorf("the dry run: %v, want a refusal that says %q", err, test.says)
			}
			_, err = s.to(switcher.Green)
			if !errors.As(err, &failed) || failed.Outcome != switcher.Failed || !strings.Contains(err.Error(), test.says) || s.live() != nginxtest.LiveFile(s.Blue.Addr) {
				t.Errorf("the switch: %v, want a refusal that says %q; the file holds\n%s", err, test.says, s.live())
			}
			way := s.WayBack(t.Context(), false)
			if !errors.Is(way.Err, switcher.ErrNotReplaceable) && !errors.Is(way.Err, switcher.ErrNoState) || !strings.Contains(way.Err.Error(), test.says) {
				t.Errorf("the way back: %v, want it shut and %q", way.Err, test.says)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
