package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bgswitch/switcher/rightstest"
)

// hostOf is a host with these files.
func hostOf(t *testing.T, files map[string]string) *host {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, is := cutLink(text); is {
			must(t, os.Symlink(target, path))
			continue
		}
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return &host{Host: Host{Root: root, Program: "/usr/local/bin/bgswitch", Now: time.Now()}, asRoot: "as root"}
}

func cutLink(text string) (target string, is bool) {
	if len(text) > 3 && text[:3] == "-> " {
		return text[3:], true
	}
	return "", false
}

// A rule of sudo's permits what it says, and nothing besides.
func TestSudo(t *testing.T) {
	t.Parallel()
	const program = "/usr/local/bin/bgswitch"
	for rules, want := range map[string]string{
		"deploy ALL=(root) NOPASSWD: " + program + " to blue, " + program + " to green":          "",
		"deploy ALL=(root) NOPASSWD: " + program + " to *":                                       "`" + program + " to \\*` has a wildcard",
		"deploy ALL = NOPASSWD: " + program:                                                      "permits any arguments",
		"deploy ALL = NOPASSWD: " + program + ` ""`:                                              "",
		"deploy ALL = NOPASSWD: \\\n  " + program + " to blue, \\\n  " + program + " to g[a-z]*": "has a wildcard",
		"deploy ALL = NOPASSWD: /usr/local/bin/":                                                 "permits every program",
		"deploy ALL = NOPASSWD: /usr/*/bin/bg*":                                                  "permits every program",
		"deploy ALL = NOPASSWD: /usr/sbin/nginx":                                                 "permits nginx with any arguments",
		"deploy ALL = NOPASSWD: /usr/sbin/nginx -s reload":                                       "",
		"deploy ALL = NOPASSWD: /usr/sbin/nginx -t -c /srv/nginx.conf":                           "permits nginx with a configuration",
		"deploy ALL = NOPASSWD: /usr/sbin/nginx -tc /srv/nginx.conf":                             "permits nginx with a configuration",
		"deploy ALL = NOPASSWD: /usr/sbin/nginx -t -c/srv/nginx.conf":                            "permits nginx with a configuration",
		"deploy ALL = NOPASSWD: sha256:abc " + program + " verify *":                             "has a wildcard.* => write out what may be typed: `" + program + " verify`",
		"deploy ALL = NOPASSWD: sha512: abc " + program + " to blue":                             "",
		"deploy ALL = NOPASSWD: ^" + program + "$ ^.*$":                                          "has a wildcard",
		"deploy ALL = NOPASSWD: " + program + " ^verify [a-z -]+$":                               "has a wildcard",
		"# deploy ALL = NOPASSWD: " + program:                                                    "",
		"root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL":                                        "",
		"User_Alias OPS = bgswitch, deploy":                                                      "",
		"Cmnd_Alias GO = " + program + " to ^(blue|green)$":                                      "",
		"Cmnd_Alias GO = " + program + " ^to .*$":                                                "has a wildcard",
		"nagios ALL=(root) NOPASSWD: /opt/bin/bgswitch verify --metrics-file *":                  "has a wildcard",
		"Defaults!" + program + ` env_keep += "BGSWITCH_RELEASE BGSWITCH_REASON"`:                "",
		`Defaults env_keep += "BGSWITCH_*"`:                                                      "name other settings",
	} {
		h := hostOf(t, map[string]string{"etc/sudoers": "@includedir /etc/sudoers.d\n", "etc/sudoers.d/bgswitch": rules + "\n", "etc/sudoers.d/not.read": "x ALL = " + program + "\n"})
		found := h.sudo()
		if want == "" {
			match(t, found)
			continue
		}
		match(t, found, `problem : /etc/sudoers.d/bgswitch:\d.* `+want+`.*   # .visudo -f /etc/sudoers.d/bgswitch.$`)
	}
	match(t, hostOf(t, nil).sudo())
}

// What may not be read is not taken for well.
func TestSudoUnread(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideNobody(t) {
		return
	}
	h := hostOf(t, map[string]string{"etc/sudoers": "#includedir sudoers.d\n", "etc/sudoers.d/x": ""})
	must(t, os.Chmod(filepath.Join(h.Root, "etc/sudoers.d/x"), 0))
	match(t, h.sudo(), "unknown : whether sudo lets somebody do more than was meant: .*permission denied => as root")
}

// Whether verify runs is told by what it leaves, and by what ought to run it.
func TestSchedules(t *testing.T) {
	t.Parallel()
	const run = "/usr/local/bin/bgswitch verify --quiet"
	timer := map[string]string{
		"etc/systemd/system/bgswitch-verify.timer":   "[Timer]\nOnCalendar=*:0/1\n",
		"etc/systemd/system/bgswitch-verify.service": "[Service]\nExecStart=" + run + "\n",
	}
	enabled := map[string]string{"etc/systemd/system/timers.target.wants/bgswitch-verify.timer": "-> /etc/systemd/system/bgswitch-verify.timer"}
	for name, text := range timer {
		enabled[name] = text
	}
	const never, longAgo, justNow = -1, 3 * time.Hour, time.Second
	for name, c := range map[string]struct {
		files   map[string]string
		last    time.Duration // that it ran
		written time.Duration // that cron's line was
		want    []string
	}{
		"nothing":                            {nil, never, 0, []string{`advice : no cron line and no timer runs verify: .* => init --cron$`}},
		"nothing, and it runs":               {nil, justNow, 0, nil},
		"nothing, and it ran":                {nil, longAgo, 0, []string{"advice : no cron line"}},
		"a comment":                          {map[string]string{"etc/crontab": "# * * * * * root " + run + "\n"}, never, longAgo, []string{"advice : no cron line"}},
		"cron":                               {map[string]string{"etc/crontab": "17 * * * * root x\n* * * * * root " + run + "\n"}, justNow, longAgo, nil},
		"cron, new":                          {map[string]string{"etc/crontab": "* * * * * root " + run + "\n"}, never, justNow, nil},
		"cron never ran":                     {map[string]string{"etc/cron.d/bgswitch": "\n* * * * * root " + run + "\n"}, never, longAgo, []string{"problem : /etc/cron.d/bgswitch:2 has not run: .* => .look. shows"}},
		"cron stopped":                       {map[string]string{"var/spool/cron/crontabs/root": "*/5 * * * * " + run + "\n"}, longAgo, longAgo, []string{"problem : /var/spool/cron/crontabs/root:1 does not run any more: the site was last verified "}},
		"cron of twice a day":                {map[string]string{"etc/crontabs/root": "0 0,12 * * * " + run + "\n"}, longAgo, longAgo, nil},
		"cron of every hour":                 {map[string]string{"etc/cron.hourly/bgswitch": "#!/bin/sh\n" + run + "\n"}, longAgo, longAgo, []string{"problem : /etc/cron.hourly/bgswitch:2 does not run"}},
		"another's table":                    {map[string]string{"var/spool/cron/crontabs/nobody": "* * * * * true bgswitch verify\n"}, never, longAgo, []string{"advice : no cron line"}},
		"a name with a dot":                  {map[string]string{"etc/cron.d/bgswitch.cron": "* * * * * root " + run + "\n"}, never, longAgo, []string{"advice : no cron line"}},
		"folders where files are looked for": {map[string]string{"var/spool/cron/crontabs/x": "", "etc/cron.d/bgswitch/x": "", "etc/cron.hourly/bgswitch/x": ""}, never, longAgo, []string{"advice : no cron line"}},
		"a timer":                            {enabled, justNow, longAgo, nil},
		"a timer never ran":                  {enabled, never, longAgo, []string{"problem : bgswitch-verify.timer has not run: .* => systemctl status bgswitch-verify.timer$"}},
		"a timer, not enabled":               {timer, never, longAgo, []string{"advice : bgswitch-verify.timer is there and not enabled: .* => systemctl enable --now bgswitch-verify.timer$"}},
		"cron, and a timer that is not enabled": {map[string]string{
			"etc/crontab": "*/30 * * * * root " + run + "\n", "etc/systemd/system/bgswitch-verify.timer": timer["etc/systemd/system/bgswitch-verify.timer"],
			"etc/systemd/system/bgswitch-verify.service": timer["etc/systemd/system/bgswitch-verify.service"],
		}, longAgo, longAgo, []string{"problem : /etc/crontab:1 does not run any more"}},
		"a timer of another": {map[string]string{"etc/systemd/system/x.timer": "[Timer]\n", "etc/systemd/system/x.service": "ExecStart=/bin/true\n"}, justNow, longAgo, nil},
		"a timer by another name": {map[string]string{"lib/systemd/system/x.timer": "[Timer]\nUnit=y.service\nOnUnitActiveSec=5min\n", "lib/systemd/system/y.service": "ExecStart=" + run}, longAgo, longAgo,
			[]string{"advice : x.timer is there and not enabled"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostOf(t, c.files)
			written := h.Now.Add(-c.written)
			for file := range c.files {
				if path := filepath.Join(h.Root, file); filepath.Base(filepath.Dir(path)) != "timers.target.wants" {
					must(t, os.Chtimes(path, written, written))
				}
			}
			var last time.Time
			if c.last != never {
				last = h.Now.Add(-c.last)
			}
			h.findSchedules()
			match(t, h.unwatched(last, "look", "init --cron"), c.want...)
		})
	}
}

// cron does not read what others than root may write.
func TestScheduleOfOthers(t *testing.T) {
	t.Parallel()
	h := hostOf(t, map[string]string{"etc/cron.d/bgswitch": "* * * * * root bgswitch verify\n"})
	file := filepath.Join(h.Root, "etc/cron.d/bgswitch")
	for mode, want := range map[os.FileMode]int{0o644: 1, 0o664: 0, 0o646: 0} {
		must(t, os.Chmod(file, mode))
		h.schedules = nil
		if h.findSchedules(); len(h.schedules) != want {
			t.Errorf("of mode %o: found %+v, want %d", mode, h.schedules, want)
		}
	}
}

func TestHowOften(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]time.Duration{
		"* * * * * root x": time.Minute, "*/5 * * * * x": 5 * time.Minute, "0,30 * * * * x": 30 * time.Minute, "0-59/10 * * * * x": 10 * time.Minute,
		"5 * * * * x": time.Hour, "5 */6 * * * x": 6 * time.Hour, "5 4 * * * x": 24 * time.Hour, "@hourly x": time.Hour, "@reboot x": 24 * time.Hour,
	} {
		if got := cronEvery(line); got != want {
			t.Errorf("%s: every %v, want %v", line, got, want)
		}
	}
	for calendar, want := range map[string]time.Duration{"*:0/1": time.Minute, "*:0/15": 15 * time.Minute, "*:*": time.Minute, "minutely": time.Minute, "*:00/5:00": 5 * time.Minute, "hourly": time.Hour, "daily": 24 * time.Hour} {
		if got := timerEvery("[Timer]\nOnCalendar = " + calendar + "\n"); got != want {
			t.Errorf("%s: every %v, want %v", calendar, got, want)
		}
	}
}

// Where a folder may not be looked into, it is not known that nothing runs verify.
func TestSchedulesUnread(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideNobody(t) {
		return
	}
	h := hostOf(t, map[string]string{"var/spool/cron/crontabs/root": ""})
	folder := filepath.Join(h.Root, "var/spool/cron/crontabs")
	must(t, os.Chmod(folder, 0))
	t.Cleanup(func() { must(t, errors.Join(os.Chmod(folder, 0o755))) })
	h.findSchedules()
	match(t, h.unwatched(time.Time{}, "look", "init"), "unknown : whether a cron line or a timer verifies the site: .* => as root")
}

// What the examples set up is what is looked for.
func TestExamplesAreWell(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for example, at := range map[string]string{
		"sudoers.d/bgswitch": "etc/sudoers", "ci/sudoers": "etc/sudoers.d/ci", "monitoring/sudoers": "etc/sudoers.d/monitoring",
		"cron.d/bgswitch": "etc/cron.d/bgswitch", "systemd/bgswitch-verify.timer": "lib/systemd/system/bgswitch-verify.timer", "systemd/bgswitch-verify.service": "lib/systemd/system/bgswitch-verify.service",
	} {
		text, err := os.ReadFile(filepath.Join("../../examples", example))
		must(t, err)
		files[at] = string(text)
	}
	files["etc/sudoers"] += "\n@includedir /etc/sudoers.d\n"
	h := hostOf(t, files)
	match(t, h.sudo())
	h.findSchedules()
	if len(h.schedules) != 2 || h.schedules[0].every != time.Minute || h.schedules[1].every != time.Minute || h.schedules[1].enabled {
		t.Errorf("found %+v", h.schedules)
	}
}
