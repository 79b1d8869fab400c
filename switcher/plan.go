package switcher

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"

	"github.com/rogpeppe/go-internal/diff"
)

// Plan is what a switch will do to the files of a site: pure data.
type Plan struct {
	From, To Color
	Edits    []Edit // one for each file
}

// Edit is what becomes of one file.
type Edit struct {
	Path   string
	Words  []nginxconf.Word // that decide
	Before []byte
	After  []byte
}

// plan reads the files' meaning and edits them.
func plan(site Site, files files, to func(live Color) Color) (Plan, error) {
	read, live, err := site.understand(files)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{From: live, To: to(live)}
	for i, r := range read {
		if err := cmp.Or(site.askable(Blue, r.Layout()), site.askable(Green, r.Layout())); err != nil {
			return Plan{}, err
		}
		after, err := r.Edit(p.To)
		if err != nil {
			return Plan{}, site.inFile(files[i], err)
		}
		p.Edits = append(p.Edits, Edit{Path: files[i].Path, Words: r.Words(), Before: files[i].Bytes, After: after})
	}
	return p, nil
}

// understand reads what the files say, and the color that all of them agree on.
func (s Site) understand(files files) (read []*nginxconf.File, live Color, err error) {
	for i, file := range files {
		r, err := nginxconf.Read(file.Bytes, s.Files[i].Layout)
		if err != nil {
			return nil, "", s.inFile(file, err)
		}
		read = append(read, r)
	}
	for i, r := range read[1:] {
		if r.Live() != read[0].Live() {
			first, other := read[0].Words()[0], r.Words()[0]
			refusal := &nginxconf.Refusal{Msg: fmt.Sprintf("%s, line %d: %s is %s, expected %s as %s in %s, line %d",
				files[i+1].Path, other.Line, other.Place(), other.Color, first.Color, first.Place(), files[0].Path, first.Line)}
			return nil, "", &disagreement{refusal, read[len(read)-1].Live()}
		}
	}
	return read, read[0].Live(), nil
}

// disagreement is between the files of a site. They are replaced in their order,
// and put back in the other one, so that the last of them is the last to be
// switched.
type disagreement struct {
	*nginxconf.Refusal
	last Color
}

// Unwrap gives the refusal.
func (d *disagreement) Unwrap() error { return d.Refusal }

// says is what each of the files says.
func (s Site) says(files files) (list []FileSays) {
	for i, file := range files {
		says := FileSays{Path: file.Path}
		read, err := nginxconf.Read(file.Bytes, s.Files[i].Layout)
		if says.Err = err; err == nil {
			says.Live = read.Live()
		}
		list = append(list, says)
	}
	return list
}

// inFile says in which of several files something was found.
func (s Site) inFile(file *livefile.File, err error) error {
	if len(s.Files) == 1 {
		return err
	}
	return fmt.Errorf("%s: %w", file.Path, err)
}

// Changes says whether any file has to be replaced.
func (p Plan) Changes() bool { return slices.ContainsFunc(p.Edits, Edit.Changes) }

// Changes says whether the file has to be replaced at all.
func (e Edit) Changes() bool { return !bytes.Equal(e.Before, e.After) }

// Paths are those of the files.
func (p Plan) Paths() (paths []string) {
	for _, e := range p.Edits {
		paths = append(paths, e.Path)
	}
	return paths
}

// Word is how something is said of the one file, or of several.
func (p Plan) Word(one, several string) string { return worded(len(p.Edits), one, several) }

// Diff is the change as a unified diff; empty when there is none.
func (p Plan) Diff() string {
	var all strings.Builder
	for _, e := range p.Edits {
		all.Write(diff.Diff(e.Path, e.Before, e.Path, e.After))
	}
	return all.String()
}
