package accesslog

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// file is one file of a log, read up to somewhere.
type file struct {
	*os.File
	info  os.FileInfo
	at    int64  // where it goes on
	tail  []byte // what stands before that: where something else does, the file was begun anew
	begun []byte // of a line whose end has not come
	lost  bool   // the line that has begun does not count: its beginning was not read
}

// tailSize is as long as most lines are: those of one second differ in little else
// than their beginning.
const tailSize = 512

func (f *file) skip() error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	tail := make([]byte, min(end, tailSize))
	if n, err := f.ReadAt(tail, end-int64(len(tail))); n < len(tail) {
		return errors.Join(errors.New("it is being truncated"), err)
	}
	f.at, f.tail, f.begun = end, tail, nil
	f.lost = len(tail) > 0 && tail[len(tail)-1] != '\n'
	return nil
}

// read counts the lines that have come. A file that is shorter than it was, or in
// which something else stands now, is read from its beginning.
func (f *file) read(buffer []byte, counts *Counts) error {
	for {
		n, err := f.ReadAt(buffer, f.at-int64(len(f.tail)))
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case n < len(f.tail) || !bytes.Equal(buffer[:len(f.tail)], f.tail):
			f.at, f.tail, f.begun, f.lost = 0, nil, nil, false
			continue
		case n == len(f.tail):
			return nil
		}
		f.take(buffer[len(f.tail):n], counts)
		f.at += int64(n - len(f.tail))
		f.tail = append(f.tail[:0], buffer[max(0, n-tailSize):n]...)
	}
}

// take counts the lines of what was read, and keeps the one that does not end.
func (f *file) take(text []byte, counts *Counts) {
	for {
		line, rest, ends := bytes.Cut(text, []byte{'\n'})
		if !ends {
			break
		}
		if !f.lost {
			counts.count(append(f.begun, line...))
		}
		f.begun, f.lost, text = f.begun[:0], false, rest
	}
	switch {
	case f.lost:
	case len(f.begun)+len(text) > chunk:
		counts.Unknown++
		f.begun, f.lost = f.begun[:0], true
	default:
		f.begun = append(f.begun, text...)
	}
}
