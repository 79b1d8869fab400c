package switcher

import (
	"context"
	"fmt"
	"time"

	"bgswitch/health"
)

// How answers through nginx are believed: several in a row on fresh
// connections. Where the workers cannot be seen, the row has to last longer
// than old and new workers answer side by side.
const (
	confirmAnswers  = 5
	confirmWindow   = 300 * time.Millisecond
	confirmPause    = 10 * time.Millisecond
	confirmPatience = 2 * time.Second  // with answers that are wrong; a slow one is waited for
	startPatience   = 30 * time.Second // with an app that has just been started
	confirmTimeout  = 10 * time.Second
	statusTimeout   = 2 * time.Second
)

// answered makes sure that a color answers through nginx: several times in a
// row, for as long as window. Who has to wait long is told.
func (s *Switcher) answered(ctx context.Context, want Color, window time.Duration) error {
	patience := s.Site.Patience()
	if window > 0 {
		patience += confirmPatience
	}
	w := s.waiting(patience)
	w.saidAt = time.Now()
	return s.answersInRow(ctx, want, window, func(_ Color, said string) bool {
		if time.Since(w.saidAt) >= tellAtMost {
			w.tell(fmt.Sprintf("%s to answer at %s", want, s.Site.Confirm.URL), said)
		}
		return time.Now().Before(w.until)
	})
}

// stillAnswers is answered where nothing was loaded just now: when another color
// answers, no patience makes it this one.
func (s *Switcher) stillAnswers(ctx context.Context, want Color, window time.Duration) error {
	until := time.Now().Add(confirmPatience)
	return s.answersInRow(ctx, want, window, func(got Color, _ string) bool {
		return got == "" && time.Now().Before(until)
	})
}

// answersInRow asks as long as answers are right, and goes on after a wrong one
// where the caller says so.
func (s *Switcher) answersInRow(ctx context.Context, want Color, window time.Duration, goOn func(got Color, said string) bool) error {
	var row int
	var since time.Time
	for {
		got, said, _ := s.answer(ctx, confirmTimeout)
		if got != want {
			row = 0
			if !goOn(got, said) || pause(ctx) != nil {
				return fmt.Errorf("%s does not answer at %s: %s", want, s.Site.Confirm.URL, said)
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

// Patience is how long the answers of a site that confirms may be wrong: an app that
// was just started takes its time.
func (s Site) Patience() time.Duration {
	switch {
	case s.Confirm.Patience > 0:
		return s.Confirm.Patience
	case len(s.Restart) > 0:
		return startPatience
	}
	return confirmPatience
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(confirmPause):
		return nil
	}
}

// answer asks once through nginx; said tells what came when it was no color, and
// nobody that there was nobody to ask.
func (s *Switcher) answer(ctx context.Context, timeout time.Duration) (color Color, said string, nobody bool) {
	page, err := s.Asker.Get(ctx, s.Site.Confirm.URL, s.Site.Confirm.Host, timeout)
	if err != nil {
		return "", err.Error(), page.Nobody
	}
	color, said = s.Site.Confirm.tells(page)
	return color, said, false
}

// tells says which color a page came from, and what came in words.
func (c Confirm) tells(page health.Page) (Color, string) {
	color := c.Tells(page)
	if color == "" {
		return "", fmt.Sprintf("status %d, with the mark of neither color, or of both: %s", page.Status, page.Quoted())
	}
	return color, fmt.Sprintf("%s answered", color)
}

// untold asks once and returns what came that tells no color, if anything did.
// A live color that hangs must not keep anybody from leaving it for long.
func (s *Switcher) untold(ctx context.Context) string {
	got, said, _ := s.answer(ctx, statusTimeout)
	if got != "" {
		return ""
	}
	return said
}
