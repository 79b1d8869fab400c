package nginx

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bgswitch/switcher/foreign"
	"bgswitch/switcher/root"
)

// errorLog is nginx's error log from a moment on. It gives the reason of a
// failure, never the proof of a success: at level `error` a good load logs
// nothing, and a configuration may send its log elsewhere.
type errorLog struct {
	master int                      // as it is called in the log
	open   func() (*os.File, error) // an error where it is none that can be read
	offset int64
	inode  os.FileInfo
	rest   string       // a line that is not whole yet
	lines  []logged     // of the worst levels, whoever logged them
	ours   map[int]bool // the master, and the workers that it starts, as they are called in the log
	known  map[int]bool // the same, as they are called here
}

// logged is one line and the process it comes from.
type logged struct {
	pid  int
	text string
}

// errorLog remembers where the log ends now. A log that cannot be read has
// nothing to say.
func (n *Nginx) errorLog(m *Master) *errorLog {
	log := &errorLog{master: innerPID(m.PID), open: n.openLog(m), ours: map[int]bool{}, known: map[int]bool{}}
	log.add(m.PID)
	file, err := log.open()
	if err != nil {
		return log
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		log.offset, log.inode = info.Size(), info
	}
	return log
}

// add adds a process to those that are ours. In its own pid namespace, and so
// in the log, it may be called otherwise than here.
func (l *errorLog) add(pid int) {
	if !l.known[pid] {
		l.known[pid], l.ours[innerPID(pid)] = true, true
	}
}

// stderrs are paths that mean the stderr of whoever opens them.
var stderrs = []string{"stderr", "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"}

// openLog is how to open the log, where that is a file: also one that the master
// has for its stderr. Images link theirs to that, and no link of /proc is
// followed below another root.
func (n *Nginx) openLog(m *Master) func() (*os.File, error) {
	path, files := n.errorLogPath(), n.files
	_, err := files.Stat(path)
	if slices.Contains(stderrs, path) || err != nil && n.Within != nil {
		path, files = fmt.Sprintf("/proc/%d/fd/2", m.PID), root.Root{}
	}
	return func() (*os.File, error) { return files.OpenOrdinary(path) } // to open a pipe would make us one of its readers
}

func (n *Nginx) errorLogPath() string {
	path, err := n.directive("error_log")
	if err != nil || path == "" {
		b, err := n.paths()
		if err != nil {
			return ""
		}
		path = b.errorLog
	}
	if slices.Contains(stderrs, path) {
		return path
	}
	if strings.HasPrefix(path, "syslog:") || strings.HasPrefix(path, "memory:") {
		return ""
	}
	path, err = n.absolute(path)
	if err != nil {
		return ""
	}
	return filepath.Clean(path)
}

// logReadLimit bounds what is read of the log at once.
const logReadLimit = 256 << 10

// read takes in what was appended since the last call; a log that was rotated
// or truncated is read from its start.
func (l *errorLog) read() {
	file, err := l.open()
	if err != nil {
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return
	}
	if l.inode == nil || !os.SameFile(info, l.inode) || info.Size() < l.offset {
		l.offset, l.inode = 0, info
	}
	if info.Size() == l.offset {
		return
	}
	text, err := io.ReadAll(io.NewSectionReader(file, l.offset, min(info.Size()-l.offset, logReadLimit)))
	if err != nil {
		return
	}
	l.offset += int64(len(text))
	l.take(string(text))
}

// logLine is how ngx_log_error_core writes: time, [level], pid#tid: text.
var logLine = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(emerg|alert|crit)\] (\d+)#\d+: (.*)$`)

// A log may be written by anybody who can: what is kept of it is bounded.
const (
	lineLimit = 4 << 10 // nginx's own have 2048 bytes (NGX_MAX_ERROR_STR in src/core/ngx_log.h)
	mostLines = 500     // that are kept
)

func (l *errorLog) take(text string) {
	lines := strings.Split(l.rest+text, "\n")
	rest := lines[len(lines)-1]
	l.rest = strings.Clone(rest[:min(len(rest), lineLimit+1)])
	for _, line := range lines[:len(lines)-1] {
		if len(line) > lineLimit {
			continue
		}
		match := logLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		if pid, err := strconv.Atoi(match[2]); err == nil {
			l.keep(logged{pid, "[" + match[1] + "] " + match[3]})
		}
	}
}

// keep keeps the first lines that are ours, and of others', which may turn out
// to be ours, as many as there is room for.
func (l *errorLog) keep(line logged) {
	if len(l.lines) >= mostLines {
		l.lines = slices.DeleteFunc(l.lines, func(kept logged) bool { return !l.ours[kept.pid] })
	}
	if len(l.lines) < mostLines {
		l.lines = append(l.lines, line)
	}
}

// said is what our processes have logged: another nginx, or somebody's
// `nginx -t`, may write to the same file.
func (l *errorLog) said() []string {
	l.read()
	var said []string
	for _, line := range l.lines {
		if l.ours[line.pid] {
			said = append(said, line.text)
		}
	}
	return said
}

// refused says that the master seems to have given up on a load: an [emerg]
// line of its own, but not of a bind() that it will try again (five times,
// 500 ms apart, ngx_open_listening_sockets in src/core/ngx_connection.c).
func (l *errorLog) refused() bool {
	return l.emergency(func(text string) bool {
		return !strings.Contains(text, "bind() to") && !strings.Contains(text, "listen() to")
	})
}

// alarmed says that the master has logged an [emerg] of any kind.
func (l *errorLog) alarmed() bool { return l.emergency(func(string) bool { return true }) }

// leftDead says that the master has logged of a worker that it will not be
// started again: it has ended of its own, with code 2 (ngx_process_get_status in
// src/os/unix/ngx_process.c).
func (l *errorLog) leftDead() bool {
	return l.masterSaid("[alert]", func(text string) bool { return strings.Contains(text, "cannot be respawned") })
}

func (l *errorLog) emergency(counts func(text string) bool) bool {
	return l.masterSaid("[emerg]", counts)
}

func (l *errorLog) masterSaid(level string, counts func(text string) bool) bool {
	l.read()
	for _, line := range l.lines {
		if line.pid == l.master && strings.HasPrefix(line.text, level) && counts(line.text) {
			return true
		}
	}
	return false
}

// reason is the first line that says why a load failed; the final line of a
// failed bind only says that it gave up.
func (l *errorLog) reason() string {
	said := l.said()
	if len(said) == 0 {
		return ""
	}
	return foreign.Excerpt(said[0])
}
