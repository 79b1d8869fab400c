package switcher

import (
	"context"
	"fmt"
	"time"
)

// How answers through nginx are believed: several in a row on fresh
// connections. Where the workers cannot be seen, the row has to last longer
// than old and new workers answer side by side (100 ms in nginx, and what it
// takes to start many workers).
const (
	confirmAnswers  = 5
	confirmWindow   = 300 * time.Millisecond
	confirmPause    = 10 * time.Millisecond
	confirmPatience = 2 * time.Second
)

// confirm makes sure that the target answers through nginx.
func (sw *switching) confirm(ctx context.Context) error {
	if err := sw.answered(ctx, sw.plan.To); err != nil {
		return err
	}
	sw.proof = "identity"
	return nil
}

func (sw *switching) answered(ctx context.Context, want Color) error {
	window, patience := time.Duration(0), confirmPatience
	if sw.master == nil {
		window, patience = confirmWindow, sw.limit
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var row int
	var since time.Time
	for {
		got, said := sw.Switcher.answer(ctx)
		if got != want {
			row = 0
			if ctx.Err() != nil || sw.pause(ctx) != nil {
				return fmt.Errorf("%s does not answer at %s: %s", want, withoutUser(sw.Site.Confirm.URL), said)
			}
			continue
		}
		if row++; row == 1 {
			since = time.Now()
		}
		if row >= confirmAnswers && time.Since(since) >= window {
			return nil
		}
	}
}

func (sw *switching) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(confirmPause):
		return nil
	}
}

// answer asks once through nginx; said tells what came when it was no color.
func (s *Switcher) answer(ctx context.Context) (Color, string) {
	page, err := s.Asker.Get(ctx, s.Site.Confirm.URL, s.Site.Confirm.Host, confirmTimeout)
	if err != nil {
		return "", err.Error()
	}
	color := s.Site.Confirm.answers(page)
	if color == "" {
		return "", fmt.Sprintf("status %d, with the mark of neither color, or of both: %.80q", page.Status, page.Body)
	}
	return color, fmt.Sprintf("%s answered", color)
}
