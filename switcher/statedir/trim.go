package statedir

import (
	"errors"
	"io"
	"os"
	"syscall"

	"bgswitch/switcher/trust"
)

// What is kept of the history: the newest records. It is cut when it is a
// quarter longer. To count the records is to read much of it, so that is done
// only once for so many bytes that are written.
const (
	keptRecords = 10_000
	keptBytes   = 16 << 20
	lookEvery   = 256 << 10
)

// trim cuts off the oldest records where there are too many. Whoever is killed
// here leaves the whole history, or all that is kept of it. written is how many
// bytes were added just now.
func trim(folder trust.Folder, history *os.File, written int) error {
	info, err := history.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size <= keptBytes+keptBytes/4 && size/lookEvery == (size-int64(written))/lookEvery {
		return nil
	}
	from, err := keptFrom(history, size)
	if err != nil || from < (size-from)/4 {
		return err
	}
	return replace(folder, historyFile, func(file *os.File) error {
		_, err := io.Copy(file, io.NewSectionReader(history, from, size-from))
		return errors.Join(err, likeBefore(file, info))
	})
}

// keptFrom is where the oldest line begins that is kept.
func keptFrom(history *os.File, size int64) (int64, error) {
	from, lines := size, 0
	for line, err := range linesFromEnd(history) {
		if err != nil {
			return 0, err
		}
		if lines == keptRecords || size-line.at > keptBytes {
			break
		}
		from, lines = line.at, lines+1
	}
	return from, nil
}

// likeBefore gives a file the mode and the group of the one it replaces: who
// was let in on purpose is not shut out.
func likeBefore(file *os.File, before os.FileInfo) error {
	if stat, known := before.Sys().(*syscall.Stat_t); known {
		if err := file.Chown(-1, int(stat.Gid)); err != nil {
			return err
		}
	}
	return file.Chmod(before.Mode().Perm())
}
