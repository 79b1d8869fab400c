package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"

	"golang.org/x/sys/unix"
)

// screen is a terminal with a window, as far as a program of ours moves about
// in it (ECMA-48; xterm's ctlseqs). What it does not know is a mistake.
type screen struct {
	t          *testing.T
	ours       *os.File
	lock       sync.Mutex
	rows, cols int
	cells      [][]rune
	row, col   int
	scrolled   []string // what has left at the top
	noWrap     bool
	all        string // that was ever written
	unknown    []string
	left       string // of a sequence that has only begun
	ended      chan struct{}
}

// newTerminal is a new pseudo-terminal (pts(4)): our side of it, and the name of the other.
func newTerminal(t *testing.T) (ours *os.File, theirs string) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return ours, fmt.Sprintf("/dev/pts/%d", number)
}

// onScreen starts a program whose terminal it is.
func onScreen(t *testing.T, rows, cols int, cmd *exec.Cmd) *screen {
	t.Helper()
	ours, name := newTerminal(t)
	theirs, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	s := &screen{t: t, ours: ours, ended: make(chan struct{})}
	s.resize(rows, cols)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		buffer := make([]byte, 1<<16)
		for {
			n, err := ours.Read(buffer)
			s.show(string(buffer[:n]))
			if err != nil { // EIO, once nobody has the other side open
				return
			}
		}
	}()
	return s
}

func (s *screen) types(keys string) {
	s.t.Helper()
	if _, err := s.ours.WriteString(keys); err != nil {
		s.t.Error(err)
	}
}

func (s *screen) resize(rows, cols int) {
	s.t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	cells := make([][]rune, rows)
	for i := range cells {
		cells[i] = slices.Repeat([]rune{' '}, cols)
		if i < s.rows {
			copy(cells[i], s.cells[i])
		}
	}
	s.rows, s.cols, s.cells, s.row, s.col = rows, cols, cells, min(s.row, rows-1), min(s.col, cols-1)
	size := unix.Winsize{Row: uint16(rows), Col: uint16(cols)}
	if err := unix.IoctlSetWinsize(int(s.ours.Fd()), unix.TIOCSWINSZ, &size); err != nil {
		s.t.Fatal(err)
	}
}

var sequence = regexp.MustCompile(`^\x1b\[(\??)(\d*(?:;\d*)*)([@-~])`)

func (s *screen) show(text string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.all += text
	text = s.left + text
	s.left = ""
	for i := 0; i < len(text); {
		if text[i] != 0x1b {
			r := []rune(text[i:min(len(text), i+4)])[0]
			s.put(r)
			i += len(string(r))
			continue
		}
		found := sequence.FindStringSubmatch(text[i:])
		if found == nil {
			s.left = text[i:]
			return
		}
		s.obey(found[1]+found[3], found[2], found[0])
		i += len(found[0])
	}
}

func (s *screen) put(r rune) {
	switch {
	case r == '\r':
		s.col = 0
	case r == '\n':
		s.feed()
	case r == '\b':
		s.col = max(0, s.col-1)
	default:
		if s.col == s.cols && s.noWrap {
			s.col--
		} else if s.col == s.cols {
			s.col = 0
			s.feed()
		}
		s.cells[s.row][s.col] = r
		s.col++
	}
}

func (s *screen) feed() {
	if s.row++; s.row == s.rows {
		s.row--
		s.scrolled = append(s.scrolled, strings.TrimRight(string(s.cells[0]), " "))
		s.cells = append(s.cells[1:], slices.Repeat([]rune{' '}, s.cols))
	}
}

func (s *screen) obey(what, number, whole string) {
	switch {
	case what == "m":
	case what == "H" && number == "":
		s.row, s.col = 0, 0
	case what == "K" && number == "":
		s.erase(s.row, s.col)
	case what == "J" && number == "":
		s.erase(s.row, s.col)
		for row := s.row + 1; row < s.rows; row++ {
			s.erase(row, 0)
		}
	case what == "?l" && number == "7", what == "?h" && number == "7":
		s.noWrap = what == "?l"
	default:
		s.unknown = append(s.unknown, strconv.Quote(whole))
	}
}

func (s *screen) erase(row, from int) {
	for col := from; col < s.cols; col++ {
		s.cells[row][col] = ' '
	}
}

// shows are the lines that can be seen, without the empty ones below them.
func (s *screen) shows() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	var lines []string
	for _, cells := range s.cells {
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// wrote says whether something was ever written to it.
func (s *screen) wrote(text string) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return strings.Contains(s.all, text)
}

// until waits for something to be seen.
func (s *screen) until(what string, seen func(shown string) bool) string {
	s.t.Helper()
	shown := ""
	if err := nginxtest.Eventually(patience, func() error {
		if shown = s.shows(); !seen(shown) {
			return fmt.Errorf("%s is not seen", what)
		}
		return nil
	}); err != nil {
		s.t.Fatalf("%v:\n%s", err, shown)
	}
	return shown
}
