package nginx

import "time"

const (
	// startResolution is how exactly a start can be held against a file's time:
	// the kernel counts starts in ticks of 10 ms and file times in its own.
	startResolution = 20 * time.Millisecond
	// startTakes is the longest that nginx takes from its start to its pid file:
	// it reads the whole configuration before.
	startTakes = time.Minute
)

// StartedAfter says that the master started to read its files after a moment of
// the wall clock, for certain. One that went to the background was forked by
// the one that had read them (ngx_daemon, after ngx_init_cycle). A start is
// counted since boot, so that a clock that was set since would move it: the pid
// file, which nginx writes once, when it has started
// (ngx_create_pidfile in src/core/nginx.c main), holds what the clock said then.
func (m *Master) StartedAfter(t time.Time) bool {
	info, err := m.files.Stat(m.pidFile)
	if err != nil {
		return false
	}
	started, written := m.id.started(), info.ModTime()
	if started.After(written.Add(startResolution)) || written.Sub(started) > startTakes {
		return false
	}
	if m.forked {
		started = started.Add(-startTakes)
	}
	return started.After(t.Add(startResolution))
}
