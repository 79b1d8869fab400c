package livefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// temporary is a new name for a file of ours in a folder.
func temporary(folder, live string) string { return Beside(folder, live, rand.Text()) }

// Beside is a name for a file of ours in a folder. It begins with a dot: nginx's
// include patterns never match it (glob(3), GLOB_PERIOD unset).
func Beside(folder, live, what string) string {
	base := filepath.Base(live)
	if len(base) > baseLimit { // two long names must not share what is ours
		base = base[:baseLimit-9] + "-" + Hash([]byte(base))[:8]
	}
	return filepath.Join(folder, "."+base+mark+what)
}

// IsKept says whether a name is one that a file of ours may have beside live.
func IsKept(name, live string) bool {
	return strings.HasPrefix(name, filepath.Base(Beside("", live, ""))) && filepath.Base(name) == name
}

// baseLimit keeps our names below NAME_MAX (255 bytes), whatever the live
// file is called; mark stands in all of them.
const (
	baseLimit = 180
	mark      = ".bgswitch-"
)

// asideSuffix ends the name under which exchangeByLink keeps a file, anewSuffix
// the one under which an old file is written anew.
const (
	asideSuffix = "-aside"
	anewSuffix  = "-anew"
)

// exchange swaps what stands under the two names in one step (renameat2(2),
// RENAME_EXCHANGE), and says where the file that was live stands now. After an
// error nothing has moved.
func exchange(kept, live string) (string, error) {
	err := unix.Renameat2(unix.AT_FDCWD, kept, unix.AT_FDCWD, live, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return exchangeByLink(kept, live)
	}
	if errors.Is(err, unix.EBUSY) {
		return kept, fmt.Errorf("%w: %s", ErrMountPoint, live)
	}
	return kept, pathError("exchange", live, err)
}

// exchangeByLink is for file systems that cannot exchange, NFS for one: the
// file that was live gets a second name, and the kept one is renamed over the
// first. The live name always names a whole file, too.
func exchangeByLink(kept, live string) (string, error) {
	aside := kept + asideSuffix
	if err := os.Link(live, aside); err != nil {
		return kept, err
	}
	if err := os.Rename(kept, live); err != nil {
		return kept, errors.Join(err, os.Remove(aside))
	}
	return aside, nil
}

// writeLike makes a new file with content, and owner, mode and extended
// attributes of another, synced; after an error there is none.
func writeLike(path string, content []byte, like *File) (made unix.Stat_t, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return made, err
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			err = errors.Join(err, removeIfThere(path))
		}
	}()
	if _, err := file.Write(content); err != nil {
		return made, err
	}
	made, err = copyAttributes(file, like)
	if err != nil {
		return made, err
	}
	return made, file.Sync()
}

// syncFolderOf makes the names in a file's folder last.
func syncFolderOf(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func removeIfThere(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
