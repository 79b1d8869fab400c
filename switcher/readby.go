package switcher

import (
	"bytes"
	"path/filepath"
	"slices"

	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// readBy says whether nginx read the live file with that content: where a link
// decides, by way of that link, for past it nothing would change. Of a folder it
// learns what nginx reads there.
func (c *Change) readBy(dump *nginx.Dump, content []byte) bool {
	if c.Relink == nil {
		return dump.Reads(c.view.at, content)
	}
	passages := c.through(dump)
	if !c.file.IsFolder() {
		return slices.ContainsFunc(passages, func(p nginx.Passage) bool { return dump.Held(p, content) })
	}
	folder := c.file
	if bytes.Equal(content, c.After) {
		folder = c.Relink.To
	}
	c.below = nil
	for _, p := range passages {
		file, err := livefile.Read(filepath.Join(folder.Path, p.Rest))
		if err != nil || !dump.Held(p, file.Bytes) {
			return false
		}
		if !slices.Contains(c.below, p.Rest) {
			c.below = append(c.below, p.Rest)
		}
	}
	return len(c.below) > 0
}

// through are the files that nginx read by way of the link that stands there now.
func (c *Change) through(dump *nginx.Dump) []nginx.Passage {
	if c.Relink == nil {
		return nil
	}
	link, err := livefile.ReadLink(c.Relink.Link.Path)
	if err != nil {
		return nil
	}
	return dump.Through(link)
}
