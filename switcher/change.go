package switcher

import (
	"bytes"
	"errors"
	"path/filepath"

	"bgswitch/switcher/journal"
	"bgswitch/switcher/livefile"
	"bgswitch/switcher/nginx"
)

// Change is one live file under a switch: how nginx sees it, what it was and
// what it becomes. Where it is right already, nginx only has to load it.
type Change struct {
	Edit

	file    *livefile.File
	view    view
	journal *journal.Journal // of the file; nil in a dry run

	// From prepare on.
	opened      *livefile.Opened      // the very file that nginx has to open
	replacement *livefile.Replacement // nil where the file is right already
	inPlace     bool                  // our bytes are in the file
}

// needed says whether the file has to be replaced.
func (c *Change) needed() bool { return c.Changes() }

// replaceable finds out, without writing, whether the file could be replaced.
func (c *Change) replaceable() error {
	if !c.needed() {
		return nil
	}
	return c.file.Replaceable(c.view.inPlace())
}

// content is what stands in for the live file in a test aside.
func (c *Change) content() nginx.Content {
	uid, gid := c.file.Owner()
	return nginx.Content{Over: c.view.at, Bytes: c.After, Mode: c.file.Mode(), UID: uid, GID: gid}
}

// prepare writes the journal and the new file; tested says that nginx has
// accepted it, with are the places of all that change together, where they are
// several. After an error forget has to follow.
func (c *Change) prepare(tested bool, with []journal.Place) (err error) {
	if !c.needed() {
		c.opened, err = livefile.Open(c.file.Path, c.After)
		return err
	}
	c.replacement = livefile.New(c.file, c.After, c.view.inPlace(), c.journal.Folder)
	entry := c.entry(tested, with)
	if err := c.journal.Begin(entry); err != nil {
		return err
	}
	synced := make(chan error, 1)
	go func() { synced <- c.journal.Sync(!entry.Whole) }() // both wait for the disk
	if err = errors.Join(c.replacement.Prepare(), <-synced); err == nil {
		c.opened, err = c.open()
	}
	return err
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
	return journal.Entry{
		Kept: filepath.Base(r.Kept), Before: c.file.Hash(), After: livefile.Hash(c.After),
		InPlace: r.InPlace, Whole: tested && !r.InPlace && len(with) == 0, With: with,
	}
}

// open opens the file that nginx will have to open, before it is put: nobody
// can come between.
func (c *Change) open() (*livefile.Opened, error) {
	if c.replacement.InPlace {
		return livefile.Open(c.file.Path, c.Before)
	}
	return livefile.Open(c.replacement.Kept, c.After)
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
	if err := c.opened.StandsAt(c.file.Path, c.After); err != nil {
		return err
	}
	return c.view.holds(c.After)
}

// touched says whether there is anything to take back. A put that failed has
// taken itself back, as a rule.
func (c *Change) touched() bool {
	if !c.needed() || c.replacement == nil {
		return false
	}
	if c.inPlace {
		return true
	}
	now, err := livefile.Read(c.file.Path)
	return err != nil || bytes.Equal(now.Bytes, c.After)
}

// back brings the old bytes back, and opens what stands there then.
func (c *Change) back() error {
	if c.needed() {
		if err := c.replacement.Restore(); err != nil {
			return err
		}
	}
	opened, err := livefile.Open(c.file.Path, c.Before)
	if err != nil {
		return err
	}
	c.close()
	c.opened, c.inPlace = opened, false
	return nil
}

// unchanged says whether the live path still names what was put, and holds it;
// touched, that somebody had his hands on it all the same.
func (c *Change) unchanged() (touched bool, err error) { return c.opened.Unchanged() }

// given is the file that nginx was given, as the name in the settings led to it
// when it was read.
func (c *Change) given() livefile.Identity {
	identity := c.opened.Identity()
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
