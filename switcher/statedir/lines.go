package statedir

import (
	"bytes"
	"io"
	"iter"
	"os"
)

// How a file is read from its end, in bytes.
const (
	chunkSize = 64 << 10
	lineLimit = 1 << 20 // a longer line is no record, and its text is not kept
)

// line is one line without its end, and where in the file it begins.
type line struct {
	text []byte
	at   int64
}

// linesFromEnd gives a file's lines, the last one first; one that is empty is
// left out.
func linesFromEnd(file *os.File) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		info, err := file.Stat()
		if err != nil {
			yield(line{}, err)
			return
		}
		tail := tail{room: make([]byte, chunkSize)}
		for at := info.Size(); at > 0; {
			from := max(0, at-chunkSize)
			n, err := file.ReadAt(tail.room[:at-from], from)
			if err != nil && err != io.EOF {
				yield(line{}, err)
				return
			}
			if !tail.lines(tail.room[:n], from, yield) {
				return
			}
			at = from
		}
		tail.end(0, yield)
	}
}

// tail holds the part of a line whose beginning was not read yet.
type tail struct {
	room []byte
	part []byte
	long bool
}

// lines takes a chunk that begins at from.
func (t *tail) lines(chunk []byte, from int64, yield func(line, error) bool) bool {
	for {
		i := bytes.LastIndexByte(chunk, '\n')
		t.add(chunk[i+1:])
		if i < 0 {
			return true
		}
		if !t.end(from+int64(i)+1, yield) {
			return false
		}
		chunk = chunk[:i]
	}
}

// add puts what stands before in front.
func (t *tail) add(before []byte) {
	if t.long = t.long || len(t.part)+len(before) > lineLimit; t.long {
		t.part = nil
		return
	}
	t.part = append(bytes.Clone(before), t.part...)
}

func (t *tail) end(at int64, yield func(line, error) bool) bool {
	text, long := t.part, t.long
	t.part, t.long = nil, false
	return !long && len(text) == 0 || yield(line{text, at}, nil)
}
