package switcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/moment"
	"bgswitch/switcher/statedir"
)

// Blocks are those that hold now, newest first. After an error nobody knows
// whether a color is blocked.
func (s *Switcher) Blocks() (holding []statedir.Block, err error) {
	all, err := s.State.Blocks()
	for _, b := range all {
		if b.Holds(time.Now()) {
			holding = append(holding, b)
		}
	}
	return holding, err
}

// Block keeps everybody from a color, in addition to what does so already. until
// may be the zero time.
func (s *Switcher) Block(ctx context.Context, color Color, reason string, until time.Time, by statedir.Signature) (statedir.Block, error) {
	block := statedir.Block{Color: color, Reason: statedir.Text(foreign.Line(reason)), Signature: by, Until: statedir.Moment{Time: until}}
	err := s.State.ChangeBlocks(ctx, func(all []statedir.Block) ([]statedir.Block, error) {
		return append([]statedir.Block{block}, all...), nil
	})
	return block, s.blocksUnchanged("block "+string(color), err)
}

// Unblock lifts all blocks of a color, and returns those that held.
func (s *Switcher) Unblock(ctx context.Context, color Color, by statedir.Signature) (lifted []statedir.Block, err error) {
	if holding, err := s.State.Blocks(); err == nil && len(holding) == 0 {
		return nil, nil // and no folder is made
	}
	err = s.State.ChangeBlocks(ctx, func(all []statedir.Block) ([]statedir.Block, error) {
		for i := range all {
			if b := &all[i]; b.Color == color && b.Holds(by.Time) {
				b.Lifted = &by
				lifted = append(lifted, *b)
			}
		}
		return all, nil
	})
	return lifted, s.blocksUnchanged("unblock "+string(color), err)
}

// blocksUnchanged is why blocks are as they were, or nobody knows what they are.
func (s *Switcher) blocksUnchanged(step string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &Error{Outcome: Failed, Step: step, Err: err, Hint: s.AsRoot()}
	}
	if _, unread := s.State.Blocks(); unread != nil {
		return &Error{Outcome: Failed, Step: step, Err: err, Hint: s.hintBlocks(unread)}
	}
	return &Error{Outcome: Failed, Step: step, Err: err, Hint: s.hintStatus()}
}

// hintBlocks is for blocks that cannot be read.
func (s *Switcher) hintBlocks(unread error) string {
	return s.hintUnread(unread, s.State.BlocksPath(), "nothing is blocked")
}

// blocked objects to a color that is blocked, and where nobody knows whether it
// is. Who only looks, and may not read it, is told that: an error.
func (p *part) blocked(to Color) (against Objections, err error) {
	holding, err := p.Blocks()
	if errors.Is(err, fs.ErrPermission) && p.survey.request.DryRun {
		return nil, fmt.Errorf("it is unknown whether %s is blocked: %w", to, err)
	}
	if err != nil {
		return Objections{{What: fmt.Sprintf("it is unknown whether %s is blocked: %v", to, err), Hints: []string{p.hintBlocks(err)}}}, nil
	}
	for _, b := range holding {
		if b.Color == to {
			against = append(against, Objection{What: BlockWords(b), Hints: []string{fmt.Sprintf("`%s` lifts it", p.Command("unblock", string(to)))}})
		}
	}
	return against, nil
}

// BlockWords are a block in one line.
func BlockWords(b statedir.Block) string {
	by := ""
	if b.Who != "" {
		by = "by "
	}
	return fmt.Sprintf("%s is blocked %s%s", b.Color, by, GivenWords(b))
}

// GivenWords are who blocked, where and when, and why, as far as that is known.
func GivenWords(b statedir.Block) string {
	words := "since " + moment.Text(b.Time)
	if b.Who != "" {
		words = fmt.Sprintf("%s on %s %s", b.Who, b.Host, words)
	}
	if !b.Until.IsZero() {
		words += ", until " + moment.Text(b.Until.Time)
	}
	if b.Reason != "" {
		words += ": " + string(b.Reason)
	}
	return words
}
