package switcher

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
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
	Relink *Relink // where a link decides: it is led elsewhere, and no file is changed
}

// Relink is what becomes of a link.
type Relink struct {
	Link *livefile.File
	Text string         // what it says then
	To   *livefile.File // where it leads then
}

// meaning is what a live file says, and what has to stand there for a color.
type meaning interface {
	Live() Color
	Layout() nginxconf.Layout // nil: no words decide
	Words() []nginxconf.Word
	Edit(to Color) ([]byte, error)
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
		p.Edits = append(p.Edits, Edit{
			Path: files[i].Home, Words: r.Words(), Before: files[i].Bytes, After: after, Relink: relinked(r, p.To),
		})
	}
	return p, nil
}

// understand reads what the files say, and the color that all of them agree on.
func (s Site) understand(files files) (read []meaning, live Color, err error) {
	for i, file := range files {
		r, err := s.Files[i].understand(file)
		if err == nil {
			err = s.passesToOwn(s.Files[i], r)
		}
		if err != nil {
			return nil, "", s.inFile(file, err)
		}
		read = append(read, r)
	}
	for i, r := range read[1:] {
		if r.Live() != read[0].Live() {
			return nil, "", &disagreement{refusal("%s is %s, expected %s as %s",
				place(files[i+1], r, "%[2]s, line %[3]d: %[1]s"), r.Live(), read[0].Live(), place(files[0], read[0], "%s in %s, line %d")), read[len(read)-1].Live()}
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
		says := FileSays{Path: file.Home}
		read, err := s.Files[i].understand(file)
		if says.Err = err; err == nil {
			says.Live = read.Live()
		}
		list = append(list, says)
	}
	return list
}

// place is where a file says its color: the first word that does, or the whole.
func place(file *livefile.File, says meaning, format string) string {
	if words := says.Words(); len(words) > 0 {
		return fmt.Sprintf(format, words[0].Place(), file.Home, words[0].Line)
	}
	return file.Home
}

// inFile says in which of several files something was found.
func (s Site) inFile(file *livefile.File, err error) error {
	if len(s.Files) == 1 {
		return err
	}
	return fmt.Errorf("%s: %w", file.Home, err)
}

// Naming names the file in an error that does not.
func (s Site) Naming(err error) error {
	if path := s.Files[0].Path; len(s.Files) == 1 && !strings.Contains(err.Error(), path) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// Changes says whether any file has to be replaced.
func (p Plan) Changes() bool { return slices.ContainsFunc(p.Edits, Edit.Changes) }

// Changes says whether the file has to be replaced at all.
func (e Edit) Changes() bool { return !bytes.Equal(e.Before, e.After) }

// Wholly says whether one of the files decides as a whole.
func (p Plan) Wholly() bool {
	return slices.ContainsFunc(p.Edits, func(e Edit) bool { return len(e.Words) == 0 })
}

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
		if r := e.Relink; r != nil {
			all.Write(diff.Diff(e.Path, pointing(e.Path, string(r.Link.Bytes)), e.Path, pointing(e.Path, r.Text)))
		} else {
			all.Write(diff.Diff(e.Path, e.Before, e.Path, e.After))
		}
	}
	return all.String()
}

// pointing is a link as ls(1) shows it.
func pointing(path, text string) []byte {
	return []byte(filepath.Base(path) + " -> " + text + "\n")
}
