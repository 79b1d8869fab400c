package switcher

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/trust"
)

// LiveFile is a file of a site that decides the color: by words in it, or as a
// whole.
type LiveFile struct {
	Path     string // as it was set: links are followed when it is read
	Layout   nginxconf.Layout
	Whole    map[Color]string // the file, or the folder, of each color, of which it is a copy, or leads to; nil: words decide
	Released bool             // those are folders that nobody looks into: an app runs from there
}

// Validate finds what cannot work, as health.Mistakes at their settings.
func (f LiveFile) Validate() error {
	var m health.Mistakes
	if !strings.HasPrefix(f.Path, "/") {
		m.Add(fmt.Errorf("%q is not an absolute path", f.Path), "file")
	}
	if f.Whole == nil {
		m.Add(f.Layout.Validate())
		return m.Found()
	}
	for _, color := range []Color{Blue, Green} {
		m.Add(f.validateWhole(color), string(color)+"_file")
	}
	return m.Found()
}

func (f LiveFile) validateWhole(color Color) error {
	path := f.Whole[color]
	switch {
	case path == "":
		return errors.New("each color needs a file of its own")
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%q is not an absolute path", path)
	case color == Green && filepath.Clean(path) == filepath.Clean(f.Whole[Blue]):
		return fmt.Errorf("it is the same as blue's, %q", path)
	case filepath.Clean(path) == filepath.Clean(f.Path):
		return fmt.Errorf("it is the live file itself, %q", path)
	}
	return nil
}

// read reads the file, or the folder, that the live path leads to.
func (f LiveFile) read() (*livefile.File, error) {
	file, err := f.readAt(f.Path)
	if err != nil || f.Whole == nil {
		return file, err
	}
	if step, linked := f.selecting(); linked {
		file.Home = step.At
	}
	return file, nil
}

func (f LiveFile) readAt(path string) (*livefile.File, error) {
	info, err := os.Stat(path)
	switch isFolder := err == nil && info.IsDir(); {
	case isFolder && f.Released:
		return livefile.NameFolder(path)
	case isFolder && f.Whole != nil:
		return livefile.ReadFolder(path)
	}
	return livefile.Read(path)
}

// understand finds out what the file says.
func (f LiveFile) understand(file *livefile.File) (meaning, error) {
	if f.Whole != nil {
		return f.readWhole(file)
	}
	return nginxconf.Read(file.Bytes, f.Layout)
}

// doubts are why it is not safe from others: what it could lead to counts as
// well.
func (f LiveFile) doubts() []error {
	if f.Released {
		return f.doubtsOfLink()
	}
	doubts := trust.Doubts(f.Path)
	for _, color := range []Color{Blue, Green} {
		if path, is := f.Whole[color]; is {
			doubts = append(doubts, trust.Doubts(path)...)
		}
	}
	return doubts
}

// doubtsOfLink: what stands in a release is its deployer's, and an app of his runs
// it. Who may lead the link elsewhere is another matter.
func (f LiveFile) doubtsOfLink() []error {
	home, err := f.home()
	if err != nil {
		return nil
	}
	folder, err := trust.OpenFolder(filepath.Dir(home))
	if err != nil {
		return nil
	}
	defer folder.Close()
	if doubt := folder.Safe(); doubt != nil {
		return []error{doubt}
	}
	return nil
}

// home is where another file takes the place of the live one: where the lock
// stands.
func (f LiveFile) home() (string, error) {
	if f.Whole != nil {
		if step, linked := f.selecting(); linked {
			return step.At, nil
		}
	}
	return livefile.Resolve(f.Path)
}
