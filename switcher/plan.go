package switcher

import (
	"bytes"
	"cmp"

	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"

	"github.com/rogpeppe/go-internal/diff"
)

// Plan is what a switch will do to the file: pure data.
type Plan struct {
	From, To Color
	Path     string
	Words    []nginxconf.Word // that decide
	Before   []byte
	After    []byte
}

// plan reads the file's meaning and edits it.
func plan(site Site, file *livefile.File, to func(live Color) Color) (Plan, error) {
	read, err := nginxconf.Read(file.Bytes, site.Files[0].Layout)
	if err != nil {
		return Plan{}, err
	}
	if err := cmp.Or(site.askable(Blue, read.Layout()), site.askable(Green, read.Layout())); err != nil {
		return Plan{}, err
	}
	p := Plan{From: read.Live(), To: to(read.Live()), Path: file.Path, Words: read.Words(), Before: file.Bytes}
	p.After, err = read.Edit(p.To)
	return p, err
}

// Changes says whether the file has to be replaced at all.
func (p Plan) Changes() bool { return !bytes.Equal(p.Before, p.After) }

// Diff is the change as a unified diff; empty when there is none.
func (p Plan) Diff() string {
	return string(diff.Diff(p.Path, p.Before, p.Path, p.After))
}
