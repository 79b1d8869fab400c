package switcher

import (
	"errors"
	"fmt"
	"path/filepath"

	"bgswitch/nginxconf"
	"bgswitch/switcher/aside"
	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// Change is one live file under a switch: how nginx sees it, what it was and
// what it becomes. Where it is right already, nginx only has to load it.
type Change struct {
	Edit

	of      LiveFile
	words   []deciding // of all sites that stand in it
	file    *livefile.File
	view    view
	ahead   view             // of what a link leads to then
	below   []string         // in a folder: what nginx reads there
	journal *journal.Journal // of the file; nil in a dry run

	// From prepare on.
	opened      *livefile.Opened      // the very file that nginx has to open
	replacement *livefile.Replacement // nil where the file is right already
	inPlace     bool                  // our bytes are in the file
}

// deciding is a word, and the color that it becomes.
type deciding struct {
	nginxconf.Word
	to Color
}

func (c *Change) decide(words []nginxconf.Word, to Color) {
	for _, w := range words {
		c.words = append(c.words, deciding{w, to})
	}
}

// add takes in what becomes of the file for another site. What that decides by has
// to say, with the others switched, what it said before.
func (c *Change) add(edit Edit, of LiveFile, plan Plan) error {
	read, err := nginxconf.Read(c.After, of.Layout)
	if of.Whole != nil || c.of.Whole != nil || err == nil && read.Live() != plan.From {
		err = errors.New("two of the sites decide by the same part of it")
	}
	if err == nil {
		c.After, err = read.Edit(plan.To)
	}
	if err != nil {
		return refuse(NotAccepted, "switch them one after the other", fmt.Errorf("%s: %w", c.Path, err))
	}
	c.decide(edit.Words, plan.To)
	return nil
}

// needed says whether the file has to be replaced.
func (c *Change) needed() bool { return c.Changes() }

// Why a link cannot be led elsewhere for a container.
var (
	errMountedAlone = errors.New("nginx has a mount of its own where the link leads, and would not see the link change")
	errNotMounted   = errors.New("nginx cannot see where the link would lead")
)

// writtenOver says that the file is written in place.
func (c *Change) writtenOver() bool { return c.Relink == nil && c.view.inPlace() }

// replaceable finds out, without writing, whether the file could be replaced.
func (c *Change) replaceable() error {
	switch {
	case !c.needed():
		return nil
	case c.Relink == nil:
		return c.file.Replaceable(c.view.inPlace())
	case c.view.alone:
		return fmt.Errorf("%w: %s", errMountedAlone, c.view.at)
	case c.ahead.pid != c.view.pid:
		return fmt.Errorf("%w: %s", errNotMounted, c.Relink.To.Path)
	}
	return c.Relink.Link.Replaceable(false)
}

// content is what stands in for the live file in a test aside: where a link
// leads elsewhere, over what it leads to now, for nothing can be mounted over a
// link.
func (c *Change) content() nginx.Content {
	like := c.file
	if c.Relink != nil {
		like = c.Relink.To
	}
	content := nginx.Content{Over: c.view.at, Was: c.wasThere()}
	if like.IsFolder() {
		content.Folder = c.ahead.at
		return content
	}
	content.UID, content.GID = like.Owner()
	content.Bytes, content.Mode = c.After, like.Mode()
	return content
}

// wasThere is the file that was read, where its path is somebody else's.
func (c *Change) wasThere() *aside.File {
	if c.view.pid == 0 || c.file.IsLink() {
		return nil
	}
	is := c.file.Identity()
	return &aside.File{Device: is.Device, Inode: is.Inode}
}

// prepare writes the journal and the new file; tested says that nginx has
// accepted it, with are the places of all that change together, where they are
// several. After an error forget has to follow.
func (c *Change) prepare(tested bool, with []journal.Place) (err error) {
	if !c.needed() {
		return c.openAsLed(c.file)
	}
	c.replacement = c.replaced()
	entry := c.entry(tested, with)
	if err := c.journal.Begin(entry); err != nil {
		return err
	}
	synced := begun(c.journal.Sync) // both wait for the disk
	err = errors.Join(c.replacement.Prepare(), synced())
	if err == nil && !entry.Whole { // it has to be found after a power cut: the file is not sure to be right without it
		err = c.journal.SyncNames()
	}
	if err == nil {
		err = c.open()
	}
	return err
}

func (c *Change) replaced() *livefile.Replacement {
	if c.Relink != nil {
		return livefile.New(c.Relink.Link, []byte(c.Relink.Text), false, "")
	}
	return livefile.New(c.file, c.After, c.writtenOver(), c.journal.Folder)
}

// forget leaves nothing of a change that was prepared, or was to be, but an empty
// journal.
func (c *Change) forget() error {
	if c.replacement == nil {
		return nil
	}
	return errors.Join(c.replacement.Forget(), c.journal.Forget())
}

// entry is what the journal says of the change. What a kill may tear, or leave
// half done, or nginx has not accepted, is not whole yet.
func (c *Change) entry(tested bool, with []journal.Place) journal.Entry {
	r := c.replacement
	e := journal.Entry{
		Kept: filepath.Base(r.Kept), Before: r.Old.Hash(), After: livefile.Hash(r.Bytes),
		InPlace: r.InPlace, Whole: tested && !r.InPlace && len(with) == 0, With: with,
	}
	if c.Relink != nil {
		e.Link, e.Led, e.Leads = true, string(r.Old.Bytes), string(r.Bytes)
	}
	return e
}

// open opens the file that nginx will have to open, before it is put: nobody
// can come between.
func (c *Change) open() (err error) {
	switch {
	case c.Relink != nil:
		return c.openAs(c.Relink.To)
	case c.replacement.InPlace:
		c.opened, err = livefile.Open(c.file.Path, c.Before)
	default:
		c.opened, err = livefile.Open(c.replacement.Kept, c.After)
	}
	return err
}

// openAs opens a file, or a folder, as it was read.
func (c *Change) openAs(file *livefile.File) (err error) {
	if !file.IsFolder() {
		c.opened, err = livefile.Open(file.Path, file.Bytes)
		return err
	}
	c.opened, err = livefile.OpenFolder(file, c.of.readAt)
	if err == nil {
		err = c.opened.Watch(c.below)
	}
	return err
}

// openAsLed is openAs for what stands there now.
func (c *Change) openAsLed(file *livefile.File) error {
	err := c.openAs(file)
	if err == nil && c.Relink != nil {
		err = c.opened.LedToBy(file.Named)
	}
	return err
}

// watch opens the files in a folder that nginx has to open, once they are known.
func (c *Change) watch() error {
	if !c.file.IsFolder() || len(c.opened.Files) > 0 {
		return nil
	}
	return c.opened.Watch(c.below)
}

// put puts the new file in place and makes sure that it stands there.
func (c *Change) put() error {
	if !c.needed() {
		return nil
	}
	if err := c.replacement.Put(); err != nil {
		return err
	}
	c.inPlace = true
	if c.Relink != nil {
		return c.opened.LedToBy(c.file.Named)
	}
	if err := c.opened.StandsAt(c.file.Path, c.After); err != nil {
		return err
	}
	return c.view.holds(c.After)
}

// touched says whether there is anything to take back. A put that failed has
// taken itself back, as a rule.
func (c *Change) touched() bool {
	return c.needed() && c.replacement != nil && (c.inPlace || c.replacement.IsPut())
}

// back brings the old bytes back, and opens what stands there then. What a link
// leads to is nothing that was ever written: whatever it has become is what nginx
// has to load.
func (c *Change) back() error {
	if c.needed() {
		if err := c.replacement.Restore(); err != nil {
			return err
		}
	}
	before := c.opened
	defer func() { _ = before.Close() }()
	c.inPlace = false
	file, err := c.file, error(nil)
	if c.Relink != nil {
		file, err = c.of.read()
	}
	if err != nil {
		return err
	}
	if c.below = nil; c.needed() && file.Hash() != c.file.Hash() {
		c.replacement.Notes = append(c.replacement.Notes, fmt.Errorf("%w: %s", livefile.ErrChanged, file.Path))
	}
	return c.openAsLed(file)
}

// unchanged says whether the live path still names what was put, and holds it;
// touched, that somebody had his hands on it all the same.
func (c *Change) unchanged() (touched bool, err error) { return c.opened.Unchanged() }

// given is the file that nginx was given, as the name in the settings led to it
// when it was read, or, where a link was led elsewhere, since.
func (c *Change) given() livefile.Identity {
	identity := c.opened.Identity()
	if c.Relink != nil {
		return identity
	}
	identity.LinksNS = c.file.Identity().LinksNS
	return identity
}

// finish removes the old file. The error wraps livefile.ErrChanged where
// somebody wrote to that one meanwhile, and says where it stands.
func (c *Change) finish() error {
	if c.replacement == nil {
		return nil
	}
	return c.replacement.Forget()
}

// notes are what went wrong besides, with the file right.
func (c *Change) notes() []error {
	if c.replacement == nil {
		return nil
	}
	return c.replacement.Notes
}

func (c *Change) close() {
	if c.opened != nil {
		_ = c.opened.Close()
	}
}
