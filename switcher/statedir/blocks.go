package statedir

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"bgswitch/nginxconf"
	"bgswitch/switcher/lock"
)

// Block is a reason not to go to a color, kept until someone lifts it or its time
// is over.
type Block struct {
	Color  nginxconf.Color `json:"color"`
	Reason Text            `json:"reason"`
	Signature
	Until  Moment     `json:"until"`
	Lifted *Signature `json:"lifted"`
}

// Signature is who did something, where and when.
type Signature struct {
	Who  Text      `json:"who"`
	Host Text      `json:"host"`
	Time time.Time `json:"time"`
}

// Holds says whether nobody is to go to the color at a time.
func (b Block) Holds(at time.Time) bool {
	return b.Lifted == nil && (b.Until.IsZero() || at.Before(b.Until.Time))
}

func (b Block) validate() error {
	if _, err := nginxconf.ParseColor(string(b.Color)); err != nil || b.Time.IsZero() {
		return errors.New("there is a block that is not valid")
	}
	return nil
}

const (
	blocksFile   = "blocks.json"
	blocksLock   = "blocks.lock"
	blocksSchema = 1
	blocksWait   = 5 * time.Second // for another one who blocks or lifts
	keptBlocks   = 100             // of those that hold, and of those that are over
)

// ReasonLimit is how long the reason of a block may be, in bytes.
const ReasonLimit = 500

// blocks is what stands in the file. One of a later version is not understood, and
// so no block is taken for none.
type blocks struct {
	Schema int     `json:"schema"`
	Blocks []Block `json:"blocks"` // newest first
}

// BlocksPath is the file that the blocks are kept in.
func (f Folder) BlocksPath() string { return filepath.Join(f.Path, blocksFile) }

// Blocks are all that are known, newest first. After an error nobody knows whether
// a color is blocked.
func (f Folder) Blocks() ([]Block, error) {
	var b blocks
	found, err := f.Load(blocksFile, &b)
	if !found || err != nil {
		return nil, err
	}
	if b.Schema != blocksSchema {
		return nil, fmt.Errorf("%s: it was written by another version of bgswitch", f.BlocksPath())
	}
	for _, block := range b.Blocks {
		if err := block.validate(); err != nil {
			return nil, fmt.Errorf("%s: %w", f.BlocksPath(), err)
		}
	}
	return b.Blocks, nil
}

// ChangeBlocks replaces the blocks, for good when it returns. Whoever is killed
// here leaves the old ones or the new ones. Of those that are over the newest are
// kept.
func (f Folder) ChangeBlocks(ctx context.Context, change func([]Block) ([]Block, error)) (err error) {
	if err := f.Create(); err != nil {
		return err
	}
	held, err := lock.Take(ctx, filepath.Join(f.Path, blocksLock), blocksWait, blocksLock, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	all, err := f.Blocks()
	if err != nil {
		return err
	}
	if all, err = change(all); err != nil {
		return err
	}
	kept := map[bool]int{}
	all = slices.DeleteFunc(all, func(b Block) bool {
		holds := b.Holds(time.Now())
		kept[holds]++
		return !holds && kept[holds] > keptBlocks
	})
	if kept[true] > keptBlocks {
		return fmt.Errorf("%d blocks are in force already", keptBlocks)
	}
	return f.Store(blocksFile, blocks{blocksSchema, all})
}
