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
	lineLimit = 1 << 20 // a longer line is no record
)

// linesFromEnd gives a file's lines, the last one first, without their ends. A
// line is good only until the next one; one over lineLimit is left out.
func linesFromEnd(file *os.File) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		info, err := file.Stat()
		if err != nil {
			yield(nil, err)
			return
		}
		tail := tail{room: make([]byte, chunkSize)}
		for at := info.Size(); at > 0; {
			from := max(0, at-chunkSize)
			n, err := file.ReadAt(tail.room[:at-from], from)
			if err != nil && err != io.EOF {
				yield(nil, err)
				return
			}
			if !tail.lines(tail.room[:n], yield) {
				return
			}
			at = from
		}
		tail.end(yield)
	}
}

// tail holds the part of a line whose beginning was not read yet.
type tail struct {
	room []byte
	part []byte
	long bool
}

func (t *tail) lines(chunk []byte, yield func([]byte, error) bool) bool {
	for {
		i := bytes.LastIndexByte(chunk, '\n')
		t.add(chunk[i+1:])
		if i < 0 {
			return true
		}
		if !t.end(yield) {
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

func (t *tail) end(yield func([]byte, error) bool) bool {
	line, long := t.part, t.long
	t.part, t.long = nil, false
	return long || len(line) == 0 || yield(line, nil)
}
