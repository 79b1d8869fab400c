package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// progress is what is told while somebody waits: on a terminal one line that is
// written over, elsewhere a line for each change.
type progress struct {
	*terminal
	inPlace bool
	shown   bool
	said    string
	saidAt  time.Time
}

// sayAtMost is how often a change is told where each takes a line.
const sayAtMost = time.Second

func (t *terminal) progress() *progress {
	return &progress{terminal: t, inPlace: isTerminal(t.stderr) && os.Getenv("TERM") != "dumb"}
}

// tell tells what is so, and what changes with every moment.
func (p *progress) tell(what, moment string) {
	switch {
	case p.quiet:
	case p.inPlace:
		p.shown = true
		fmt.Fprintf(p.stderr, "\r"+eraseRight+"%s", cut(string(inked("%s, %s", what, moment)), p.width()))
	case what != p.said && time.Since(p.saidAt) >= sayAtMost:
		p.said, p.saidAt = what, time.Now()
		p.say(what + ", " + moment)
	}
}

// end removes the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.stderr, "\r"+eraseRight)
	}
}

// width is how many columns a line may have without becoming two.
func (p *progress) width() int {
	if file, ok := p.stderr.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 1 {
			return int(size.Col) - 1
		}
	}
	return 79
}

func cut(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width])
	}
	return text
}
