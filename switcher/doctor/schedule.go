package doctor

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgswitch/switcher/moment"
)

// schedule is something that runs `bgswitch verify`.
type schedule struct {
	at      string        // a line of a file of cron's, or a timer
	every   time.Duration // how often, about
	since   time.Time     // when the file was written
	timer   string        // the unit; empty: it is cron's
	enabled bool
}

// Where cron's lines and systemd's units stand: crontab(5) of Debian, Red Hat and
// Alpine, systemd.unit(5).
var (
	cronTables  = []string{"/etc/crontab", "/var/spool/cron/crontabs/root", "/var/spool/cron/root", "/etc/crontabs/root"} // others' do not run it with its rights
	unitFolders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
	often       = map[string]time.Duration{"/etc/cron.hourly": time.Hour, "/etc/cron.daily": 24 * time.Hour, "/etc/periodic/15min": 15 * time.Minute, "/etc/periodic/hourly": time.Hour, "/etc/periodic/daily": 24 * time.Hour}
)

// verifies finds a line that runs it.
var verifies = regexp.MustCompile(`^[^#]*\bbgswitch\b.*\bverify\b`)

// findSchedules reads all that may run verify on this host.
func (h *host) findSchedules() {
	for _, table := range cronTables {
		h.cronFile(table, cronEvery)
	}
	h.cronFolder("/etc/cron.d", cronEvery)
	for folder, every := range often {
		h.cronFolder(folder, func(string) time.Duration { return every })
	}
	for _, folder := range unitFolders {
		for _, name := range h.in(folder) {
			if timer, is := strings.CutSuffix(name, ".timer"); is {
				h.timer(folder, timer)
			}
		}
	}
}

// in are the names in a folder that may not be there.
func (h *host) in(folder string) []string {
	names, err := h.names(folder)
	h.note(err)
	return names
}

func (h *host) note(err error) {
	if err != nil && !isMissing(err) {
		h.unread = append(h.unread, err)
	}
}

// cronName is what the names of the files are made of that cron(8) and run-parts(8)
// of Debian read: none with a dot.
var cronName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (h *host) cronFolder(folder string, every func(line string) time.Duration) {
	for _, name := range h.in(folder) {
		if file := path.Join(folder, name); cronName.MatchString(name) && h.onlyRoots(file) {
			h.cronFile(file, every)
		}
	}
}

func (h *host) cronFile(name string, every func(line string) time.Duration) {
	text, err := h.read(name)
	if h.note(err); err != nil {
		return
	}
	for i, line := range strings.Split(string(text), "\n") {
		if verifies.MatchString(line) {
			h.schedules = append(h.schedules, schedule{at: at(name, i+1), every: every(line), since: h.changed(name), enabled: true})
		}
	}
}

// cronEvery is how often a line of crontab(5) runs, by its minutes and hours.
func cronEvery(line string) time.Duration {
	fields := strings.Fields(line)
	switch {
	case fields[0] == "@hourly":
		return time.Hour
	case len(fields) < 2 || strings.HasPrefix(fields[0], "@"):
		return 24 * time.Hour
	}
	if n := times(fields[0], 60); n > 1 {
		return time.Hour / time.Duration(n)
	}
	return 24 * time.Hour / time.Duration(max(1, times(fields[1], 24)))
}

// times is how many of all a field of crontab(5) means.
func times(field string, all int) (n int) {
	for part := range strings.SplitSeq(field, ",") {
		span, step, _ := strings.Cut(part, "/")
		every, _ := strconv.Atoi(step)
		count := 1
		if first, last, isRange := strings.Cut(span, "-"); span == "*" {
			count = all
		} else if isRange {
			from, _ := strconv.Atoi(first)
			to, _ := strconv.Atoi(last)
			count = to - from + 1
		}
		n += (count + max(every, 1) - 1) / max(every, 1)
	}
	return max(n, 1)
}

// timer is a unit whose service runs it.
func (h *host) timer(folder, name string) {
	unit, text := name+".timer", ""
	if raw, err := h.read(path.Join(folder, unit)); err == nil {
		text = string(raw)
	}
	service := name + ".service"
	if named := setting(text, "Unit"); named != "" {
		service = named
	}
	for _, beside := range unitFolders {
		raw, err := h.read(path.Join(beside, service))
		if err != nil {
			continue
		}
		if run := setting(string(raw), "ExecStart"); verifies.MatchString(run) {
			h.schedules = append(h.schedules, schedule{at: unit, timer: unit, every: timerEvery(text), since: h.changed(path.Join(folder, unit)), enabled: h.wanted(unit)})
		}
		return
	}
}

func setting(unit, name string) string {
	for line := range strings.Lines(unit) {
		if key, value, is := strings.Cut(strings.TrimSpace(line), "="); is && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

var everyMinutes = regexp.MustCompile(`^\*(?::0?\d*/(\d+)|:\*)(?::0+)?$`)

// timerEvery is how often a timer elapses (systemd.time(7)), an hour where that is
// written in another way than for minutes.
func timerEvery(text string) time.Duration {
	calendar := setting(text, "OnCalendar")
	if every, err := time.ParseDuration(strings.ReplaceAll(setting(text, "OnUnitActiveSec"), "min", "m")); err == nil {
		return every
	}
	match := everyMinutes.FindStringSubmatch(calendar)
	switch {
	case calendar == "minutely", match != nil && match[1] == "":
		return time.Minute
	case match != nil:
		n, _ := strconv.Atoi(match[1])
		return time.Duration(max(n, 1)) * time.Minute
	case calendar == "daily":
		return 24 * time.Hour
	}
	return time.Hour
}

// wanted says whether a timer is enabled: a link in some unit's folder of wants.
func (h *host) wanted(unit string) bool {
	for _, folder := range unitFolders {
		for _, name := range h.in(folder) {
			if strings.HasSuffix(name, ".wants") && slices.Contains(h.in(path.Join(folder, name)), unit) {
				return true
			}
		}
	}
	return false
}

// unwatched judges when verify was last run for a site; the zero time: never. verify
// and begin are commands: that runs it, and that has cron run it.
func (h *host) unwatched(last time.Time, verify, begin string) []Finding {
	if len(h.schedules) == 0 {
		return h.unscheduled(last, begin)
	}
	s := slices.MinFunc(h.schedules, func(a, b schedule) int {
		switch {
		case a.enabled && !b.enabled:
			return -1
		case b.enabled && !a.enabled:
			return 1
		}
		return cmp.Compare(a.every, b.every)
	})
	late := 2*s.every + 5*time.Minute
	status := "`" + verify + "` shows whether it works; `systemctl status cron` whether cron runs"
	if s.timer != "" {
		status = "systemctl status " + s.timer
	}
	switch {
	case h.Now.Sub(last) <= late:
		return nil
	case !s.enabled:
		return []Finding{advice("systemctl enable --now "+s.timer, "%s is there and not enabled: nobody hears of it when the way back closes", s.timer)}
	case last.IsZero() && h.Now.Sub(s.since) <= late:
		return nil // its time has not come yet
	case last.IsZero():
		return []Finding{problem(status, "%s has not run: nobody has verified the site yet", s.at)}
	}
	return []Finding{problem(status, "%s does not run any more: the site was last verified %s", s.at, moment.Text(last))}
}

// unscheduled: a monitoring system may run it from elsewhere.
func (h *host) unscheduled(last time.Time, begin string) []Finding {
	const lately = time.Hour
	if h.Now.Sub(last) <= lately {
		return nil
	}
	if len(h.unread) > 0 {
		return []Finding{unknown(h.asRoot, "whether a cron line or a timer verifies the site: %v", h.unread[0])}
	}
	return []Finding{advice(begin, "no cron line and no timer runs verify: nobody hears of it when the way back closes")}
}
