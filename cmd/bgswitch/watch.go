package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"bgswitch/switcher"
	"bgswitch/switcher/foreign"
	"bgswitch/switcher/moment"

	"golang.org/x/sys/unix"
)

// How often `status --watch` looks, and how long it marks what has changed.
const (
	watchEvery = time.Second
	markFor    = 10 * time.Second
)

// watch is a status that is looked at again and again. On a terminal it stands
// in its place, at the top of a screen that is the terminal's own: there is
// nothing to be restored, whatever ends us. Elsewhere it is printed whenever
// something in it has changed: how long answers take is nothing.
type watch struct {
	*terminal
	look  func(context.Context) []switcher.Status
	live  bool                 // it is a terminal that can move its cursor
	seen  map[string]time.Time // the lines of the last look, and when each was new; nil: there was none
	lines []string             // as they are shown
	at    time.Time
}

// watching looks until it is interrupted, or nobody is there to read.
func (t *terminal) watching(ctx context.Context, look func(context.Context) []switcher.Status) error {
	w := &watch{terminal: t, look: look, live: isTerminal(t.stdout) && os.Getenv("TERM") != "dumb" && !t.json}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	err := w.begin()
	for err == nil && ctx.Err() == nil && !w.unread() {
		next := time.After(watchEvery)
		if err = w.again(ctx); err == nil {
			err = w.wait(ctx, next, resized)
		}
	}
	w.end()
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EIO) { // the reader, or the terminal, is gone
		return nil
	}
	return err
}

// again looks once more. What an interruption cut short is not shown.
func (w *watch) again(ctx context.Context) error {
	statuses := w.look(ctx)
	if ctx.Err() != nil {
		return nil
	}
	w.at = time.Now()
	news := w.take(statuses)
	switch {
	case w.live:
		return w.draw()
	case !news:
		return nil
	case w.json:
		encoder := json.NewEncoder(foreign.JSON{To: w.stdout})
		encoder.SetEscapeHTML(false)
		return encoder.Encode(statusObjectOf(statuses, w.at))
	}
	block := append([]string{moment.Text(w.at)}, w.lines...)
	_, err := io.WriteString(w.stdout, strings.Join(block, "\n")+"\n\n")
	return err
}

func (w *watch) wait(ctx context.Context, next <-chan time.Time, resized <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next:
			return nil
		case <-resized:
			if err := w.draw(); err != nil {
				return err
			}
		}
	}
}

// take takes a look in, and says whether there is anything new in it.
func (w *watch) take(statuses []switcher.Status) (news bool) {
	seen := map[string]time.Time{}
	w.lines = nil
	for i, st := range statuses {
		if i > 0 {
			w.lines = append(w.lines, "")
		}
		steady := w.rendered(steady(st))
		for j, line := range w.rendered(st) {
			key := st.Site + "\n" + steady[j]
			came, known := w.seen[key]
			if !known && w.seen != nil {
				came = w.at
			}
			seen[key], news = came, news || !known
			w.lines = append(w.lines, string(w.mark(w.at.Sub(came) < markFor))+line)
		}
	}
	news = news || len(seen) != len(w.seen)
	w.seen = seen
	return news
}

func (w *watch) mark(changed bool) ink {
	if !changed {
		return "  "
	}
	return w.painted(sgrBold, "*") + " "
}

// rendered are the lines of a site's status.
func (w *watch) rendered(st switcher.Status) []string {
	var text bytes.Buffer
	into := terminal{stdout: &text, paint: w.paint}
	into.showStatus(st)
	for _, warning := range st.Warnings {
		into.line("note", warning)
	}
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

// steady is a status without what is another one each time.
func steady(st switcher.Status) switcher.Status {
	st.Colors = maps.Clone(st.Colors)
	for color, verdicts := range st.Colors {
		st.Colors[color] = slices.Clone(verdicts)
		for i := range verdicts {
			st.Colors[color][i].Latency = 0
		}
	}
	return st
}

// What a terminal does (ECMA-48; DECAWM as in xterm's ctlseqs).
const (
	goHome     = "\x1b[H"
	eraseRight = "\x1b[K"
	eraseBelow = "\x1b[J"
	wrapOff    = "\x1b[?7l"
	wrapOn     = "\x1b[?7h"
)

// begin moves what the screen shows out of the way, to where it can be scrolled
// back to.
func (w *watch) begin() error {
	if !w.live {
		return nil
	}
	_, err := io.WriteString(w.stdout, strings.Repeat("\n", w.rows()))
	return err
}

// end leaves what was seen last, without the ^C.
func (w *watch) end() {
	if w.live {
		_, _ = io.WriteString(w.stdout, "\r"+eraseRight) // the terminal may be gone
	}
}

// draw writes over what stands there, line by line and in one write, so that
// nothing flickers. A line that is too long ends with the window.
func (w *watch) draw() error {
	if !w.live {
		return nil
	}
	foot := moment.Clock(w.at) + "  each second, until Ctrl-C"
	lines := w.lines
	if room := w.rows() - 2; room > 0 && len(lines) > room {
		foot = moment.Clock(w.at) + fmt.Sprintf("  %d more lines", len(lines)-room)
		lines = lines[:room]
	}
	lines = append(slices.Clone(lines), string(w.painted(sgrDim, foot)))
	_, err := io.WriteString(w.stdout, wrapOff+goHome+strings.Join(lines, eraseRight+"\r\n")+eraseRight+"\r\n"+eraseBelow+wrapOn)
	return err
}

// rows is the height of the window; 0: unknown.
func (w *watch) rows() int {
	file, is := w.stdout.(*os.File)
	if !is {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Row)
}

// unread says that nobody reads any more, where that can be known (poll(2)).
func (w *watch) unread() bool {
	file, is := w.stdout.(*os.File)
	if !is {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(file.Fd())}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}
