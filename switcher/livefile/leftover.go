package livefile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// temporary is a new name for a file of ours in a folder.
func temporary(folder, live string) string {
	return filepath.Join(folder, temporaryPrefix(live)+rand.Text())
}

// baseLimit keeps our names below NAME_MAX (255 bytes), whatever the live
// file is called.
const baseLimit = 180

// temporaryPrefix begins the names of our files for this live file.
func temporaryPrefix(live string) string {
	base := filepath.Base(live)
	return "." + base[:min(len(base), baseLimit)] + temporaryMark
}

const temporaryMark = ".bgswitch-"

// Leftovers lists what earlier runs that were killed have left beside the
// live file.
func Leftovers(path string) ([]string, error) { return leftoversIn(filepath.Dir(path), path) }

func leftoversIn(folder, live string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var left []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), temporaryPrefix(live)) && entry.Type().IsRegular() {
			left = append(left, filepath.Join(folder, entry.Name()))
		}
	}
	return left, nil
}

// Sweep removes the leftovers beside the live file and says which. Only the
// holder of the site's lock may call it, after PutBackLeftover.
func Sweep(named string) ([]string, error) {
	path, err := resolve(named)
	if err != nil {
		return nil, err
	}
	return sweepIn(filepath.Dir(path), path)
}

// SweepKept does the same in a folder that was a Replacement's KeepIn. A
// folder that does not exist holds nothing.
func SweepKept(folder, named string) ([]string, error) {
	path, err := resolve(named)
	if err != nil {
		return nil, err
	}
	removed, err := sweepIn(folder, path)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return removed, err
}

func sweepIn(folder, live string) (removed []string, err error) {
	left, err := leftoversIn(folder, live)
	for _, name := range left {
		if gone := removeIfThere(name); gone != nil {
			err = errors.Join(err, gone)
			continue
		}
		removed = append(removed, name)
	}
	return removed, err
}

// PutBackLeftover puts an old file that a killed run kept back in the live
// one's place, if the live one still has the bytes that run wrote, and the
// kept one those it had read (both as Hash). A file that is kept in another
// folder is written back in place, also over a write that was cut off. It says
// whether it did; what is nobody's but somebody else's is left alone.
func PutBackLeftover(live, kept, liveHash, keptHash string) (bool, error) {
	now, err := Read(live)
	if err != nil {
		return false, err
	}
	if filepath.Dir(kept) != filepath.Dir(now.Path) {
		return putBackCopy(now, kept, liveHash, keptHash)
	}
	kept, old, err := findKept(kept)
	if err != nil || old == nil {
		return false, err
	}
	if now.Hash() != liveHash || old.Hash() != keptHash || bytes.Equal(now.Bytes, old.Bytes) {
		return false, nil
	}
	kept, err = exchange(kept, now.Path)
	if err != nil {
		return false, err
	}
	out, err := readPath(kept)
	if err == nil && out.Hash() != liveHash {
		_, err := exchange(kept, now.Path)
		return false, errors.Join(changed(now.Path), err)
	}
	return true, errors.Join(err, syncFolderOf(now.Path))
}

// findKept finds the old file under the name that was noted, or the one that
// exchangeByLink gave it. old is nil where it is under neither.
func findKept(kept string) (path string, old *File, err error) {
	for _, path := range []string{kept + asideSuffix, kept} {
		old, err = readPath(path)
		if err == nil {
			return path, old, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return path, nil, err
		}
	}
	return kept, nil, nil
}
