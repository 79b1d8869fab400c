package livefile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every step between two contents of these lengths.
var lengths = map[string]struct{ before, after string }{
	"same length":          {blue, green},
	"longer":               {blue, "upstream myapp {\n    server app-green:8080;\n}\n# and more\n"},
	"shorter":              {"upstream myapp {\n    server app-blue:18080;\n}\n", "upstream myapp {\n    server g:1;\n}\n"},
	"no final newline":     {"server a:1;", "server bcd:1;"},
	"a comment at its end": {"server abc:1; # old", "server d:1; # old"},
	"to nothing":           {"server a:1;", ""},
	"from nothing":         {"", "server a:1;"},
	"several pages":        {string(bytes.Repeat([]byte(blue), 500)), string(bytes.Repeat([]byte(green), 600))},
}

func inPlace(t *testing.T, before, after string) *Replacement {
	t.Helper()
	path := write(t, filepath.Join(t.TempDir(), "active.conf"), before)
	r := New(read(t, path), []byte(after), true, t.TempDir())
	must(t, r.Prepare())
	return r
}

func TestInPlace(t *testing.T) {
	t.Parallel()
	for name, test := range lengths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := inPlace(t, test.before, test.after)
			wantContent(t, r.Old.Path, test.before)
			wantContent(t, r.Kept, test.before)
			must(t, r.Put())
			wantContent(t, r.Old.Path, test.after)
			wantContent(t, r.Kept, test.before)
			if read(t, r.Old.Path).stat.Ino != r.Old.stat.Ino {
				t.Error("it is another file")
			}
			must(t, r.Restore())
			wantContent(t, r.Old.Path, test.before)
			wantAlone(t, r.Old.Path)
			wantEmpty(t, filepath.Dir(r.Kept))
			must(t, errors.Join(r.Notes...))
		})
	}
}

func TestInPlaceForget(t *testing.T) {
	t.Parallel()
	r := inPlace(t, blue, green)
	must(t, errors.Join(r.Put(), r.Forget()))
	wantContent(t, r.Old.Path, green)
	wantEmpty(t, filepath.Dir(r.Kept))
}

func TestInPlaceKeepsOtherNames(t *testing.T) {
	t.Parallel()
	path := live(t).Path
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.Link(path, other))
	r := New(read(t, path), []byte(green), true, t.TempDir())
	must(t, errors.Join(r.Prepare(), r.Put()))
	wantContent(t, other, green)
}

func TestInPlaceEdits(t *testing.T) {
	t.Parallel()
	for name, change := range edits {
		t.Run(name+" before Put", func(t *testing.T) {
			t.Parallel()
			r := inPlace(t, blue, green)
			must(t, change(r.Old.Path))
			wantErr(t, r.Put(), ErrChanged)
			wantContent(t, r.Old.Path, edit)
			wantEmpty(t, filepath.Dir(r.Kept))
		})
		t.Run(name+" after Put", func(t *testing.T) {
			t.Parallel()
			r := inPlace(t, blue, green)
			must(t, r.Put())
			must(t, change(r.Old.Path))
			wantErr(t, r.Restore(), ErrChanged)
			wantContent(t, r.Old.Path, edit)
			wantContent(t, r.Kept, blue)
		})
	}
}

// Whatever a write leaves that was cut off at any byte, the run itself and the
// next one mend it.
func TestInPlaceCutOffAtEveryByte(t *testing.T) {
	t.Parallel()
	for name, test := range lengths {
		if len(test.before) > 1000 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, state := range states(test.before, test.after) {
				if state == test.before {
					continue
				}
				r := inPlace(t, test.before, test.after)
				write(t, r.Old.Path, state)
				back, err := putBackLeft(leftBy(r, r.Kept))
				if err != nil || !back {
					t.Fatalf("%q was not put back: %v", state, err)
				}
				wantContent(t, r.Old.Path, test.before)
				write(t, r.Old.Path, state)
				must(t, r.Restore())
				wantContent(t, r.Old.Path, test.before)
				wantEmpty(t, filepath.Dir(r.Kept))
			}
		})
	}
}

// states are the contents on the way, each write cut off at every byte.
func states(before, after string) []string {
	length := max(len(before), len(after))
	var all []string
	for n := len(before); n <= length; n++ {
		all = append(all, string(padded([]byte(before), n)))
	}
	for n := range length + 1 {
		all = append(all, string(padded([]byte(after), length)[:n])+string(padded([]byte(before), length)[n:]))
	}
	for n := length; n >= len(after); n-- {
		all = append(all, string(padded([]byte(after), n)))
	}
	return all
}

// watched notes what stands in the file whenever it was synced, and refuses a
// write that changes bytes and length at once.
type watched struct {
	*os.File
	stood []string
}

func (w *watched) WriteAt(content []byte, at int64) (int, error) {
	info, err := w.Stat()
	if err == nil && at != info.Size() && at+int64(len(content)) != info.Size() {
		err = fmt.Errorf("%d bytes at %d into a file of %d", len(content), at, info.Size())
	}
	if err != nil {
		return 0, err
	}
	return w.File.WriteAt(content, at)
}

func (w *watched) Sync() error {
	content, err := os.ReadFile(w.Name())
	w.stood = append(w.stood, string(content))
	return errors.Join(err, w.File.Sync())
}

// What stands between two steps has the old meaning or the new one: nothing
// but newlines at the end is added.
func TestInPlaceSteps(t *testing.T) {
	t.Parallel()
	for name, test := range lengths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := os.OpenFile(write(t, filepath.Join(t.TempDir(), "a"), test.before), os.O_RDWR, 0)
			must(t, err)
			defer file.Close()
			length := max(len(test.before), len(test.after))
			w := &watched{File: file}
			must(t, writeSteps(w, []byte(test.before), []byte(test.after), length))
			for _, stood := range w.stood {
				meaning := strings.TrimRight(stood, "\n")
				if meaning != strings.TrimRight(test.before, "\n") && meaning != strings.TrimRight(test.after, "\n") {
					t.Errorf("between two steps there stood %q", stood)
				}
			}
			if last := w.stood[len(w.stood)-1]; last != test.after {
				t.Errorf("synced at last was %q", last)
			}
		})
	}
}

// A run that was killed before it wrote has left nothing to put back.
func TestInPlaceIsPut(t *testing.T) {
	t.Parallel()
	r := inPlace(t, blue, green)
	if leftBy(r, r.Kept).IsPut() {
		t.Error("nothing was written, and it would be put back")
	}
	must(t, r.Put())
	if !leftBy(r, r.Kept).IsPut() {
		t.Error("what was written would stay")
	}
}

func TestInPlaceLeftovers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		after func(t *testing.T, r *Replacement)
		back  bool
		want  string
	}{
		"killed before Put": {func(*testing.T, *Replacement) {}, false, blue},
		"killed after Put":  {func(t *testing.T, r *Replacement) { must(t, r.Put()) }, true, blue},
		"edited since":      {func(t *testing.T, r *Replacement) { must(t, r.Put()); write(t, r.Old.Path, edit) }, false, edit},
		"shortened since":   {func(t *testing.T, r *Replacement) { must(t, r.Put()); write(t, r.Old.Path, "") }, false, ""},
		"kept file spoiled": {func(t *testing.T, r *Replacement) { must(t, r.Put()); write(t, r.Kept, "spoiled") }, false, green},
		"kept file lost":    {func(t *testing.T, r *Replacement) { must(t, errors.Join(r.Put(), os.Remove(r.Kept))) }, false, green},
		"new bytes lost":    {func(t *testing.T, r *Replacement) { must(t, errors.Join(r.Put(), os.Remove(r.Kept+nextSuffix))) }, true, blue},
		"torn, new bytes spoiled": {func(t *testing.T, r *Replacement) {
			write(t, r.Kept+nextSuffix, "spoiled")
			write(t, r.Old.Path, "spoiled")
		}, false, "spoiled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := inPlace(t, blue, green)
			test.after(t, r)
			back, err := putBackLeft(leftBy(r, r.Kept))
			if err != nil || back != test.back {
				t.Errorf("put back: %v (%v), want %v", back, err, test.back)
			}
			wantContent(t, r.Old.Path, test.want)
			must(t, leftBy(r, r.Kept).Sweep())
			wantEmpty(t, filepath.Dir(r.Kept))
		})
	}
}

// NUL bytes may stand where the file grew and the power went, and nowhere else.
func TestTorn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		live string
		want bool
	}{
		"old": {"abc", true}, "new": {"aXcde", true}, "padded": {"abc\n\n", true}, "mixed": {"aXc\n\n", true},
		"grown with NUL": {"abc\x00\x00", true}, "NUL within": {"a\x00c", false}, "too long": {"aXcde\n", false},
		"too short": {"ab", false}, "another byte": {"aYcde", false}, "another end": {"abcdX", false},
	} {
		if torn([]byte(test.live), []byte("abc"), []byte("aXcde")) != test.want {
			t.Errorf("%s: torn is not %v", name, test.want)
		}
	}
}
