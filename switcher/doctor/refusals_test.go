package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/nginxconf"
	"bgswitch/switcher"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"

	"golang.org/x/sys/unix"
)

// What would refuse a switch, or undo it, is found before anybody needs one.
func TestWhatWouldRefuse(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	for name, c := range map[string]struct {
		do   func(*patient)
		want []string
	}{
		"not included": {func(p *patient) {
			other := filepath.Join(p.Dir, "other.conf")
			p.write(other, p.filled(upstream))
			p.s.Site.Files[0].Path = other
		}, []string{`problem decides: \S+/other.conf is not part of \S+/nginx.conf; nginx did not read it: .* => include \S+/other.conf;   # in \S+/nginx.conf; or set .file:.`}},
		"nginx -t fails already": {func(p *patient) { p.write(filepath.Join(p.Dir, "conf.d/zz.conf"), "nonsense;\n") },
			[]string{`problem refused: nginx refuses the configuration: \[emerg\].*unknown directive "nonsense" in \S+/zz.conf:1; nobody can switch`}},
		"immutable": {func(p *patient) { frozen(p.t, p.Live) },
			[]string{`problem frozen: nobody can switch, not even root: .* => chattr -i \S+/active_upstream.conf$`}},
		"immutable folder": {func(p *patient) { frozen(p.t, filepath.Dir(p.Live)) },
			[]string{`problem frozen: nobody can switch, not even root: .* => chattr -i \S+/conf.d$`}},
		"writable by others": {func(p *patient) { must(p.t, os.Chmod(filepath.Dir(p.Live), 0o777)) },
			[]string{`problem rights: others may write \S+/conf.d \(mode 0777\): who may write .* => chmod go-w \S+/conf.d$`}},
		"another's": {func(p *patient) { must(p.t, os.Chown(p.Live, 65534, 65534)) },
			[]string{`problem rights: \S+ belongs to user 65534: .* => chown -h root \S+/active_upstream.conf$`}},
		"two names": {func(p *patient) { must(p.t, os.Link(p.Live, filepath.Join(p.Dir, "second"))) },
			[]string{`problem rights: .*hard link.* => give the live file only one name`}},
		"state of everybody": {func(p *patient) { must(p.t, os.Chmod(p.s.State.Path, 0o777)) },
			[]string{`problem state: others may write .* => fix it: chmod go-w `, `unknown schedule: `}},
		"history of everybody": {func(p *patient) { must(p.t, os.Chmod(p.s.State.Path, 0o755)) },
			[]string{`advice rights: others can enter \S+ \(mode 0755; it should be 0700\) => chmod -R go= \S+/state/myapp`}},
		"not understood": {func(p *patient) { p.write(p.Live, "nonsense {") },
			[]string{`problem refused: `, `problem file: `}},
		"pid file is empty": {func(p *patient) { p.write(p.PIDFile, "") },
			[]string{`problem nginx: the pid file does not lead to the running nginx: process \d+ runs with this configuration, but the pid file \S+ is empty .* => .echo \d+ >\S+/nginx.pid.;`}},
		"pid file is stale": {func(p *patient) { p.write(p.PIDFile, fmt.Sprint(ended(p.t))) },
			[]string{`problem nginx: the pid file does not lead to the running nginx: .* but the pid file \S+ names process \d+, which does not exist => .echo \d+ >\S+/nginx.pid.; or, if .pid. was changed`}},
		"not running": {func(p *patient) { must(p.t, p.Nginx.Stop()) },
			[]string{`problem nginx: nginx is not running: .* => start nginx`}},
		"edited and not loaded": {func(p *patient) { p.write(p.Live, p.filled("upstream myapp { server GREEN; }")) },
			[]string{`problem drift: the file says green, but blue answers => bgswitch to green`}},
		"neither mark": {func(p *patient) { p.confirms("X-Color: azure", "X-Color: teal") },
			[]string{`problem same: `, `problem confirm: what answers at http://\S+/ carries the mark of neither color, so every switch is rolled back: status 200, .* => .curl -si http://`}},
		"nobody where confirm asks": {func(p *patient) { p.s.Site.Confirm.URL = health.MustParseURL("http://127.0.0.1:1/") },
			[]string{`problem confirm: nobody answers at http://\S+, where .confirm. asks.* => set .confirm: \{url`}},
		"marks the wrong way round": {func(p *patient) { p.confirms("X-Color: green", "X-Color: blue") },
			[]string{`problem confirm: blue, asked itself, says that it is green: every switch is rolled back => exchange`}},
		"idle without its mark": {func(p *patient) { p.confirms("X-Color: blue", "X-Color: teal") },
			[]string{`problem confirm: green answers where .confirm. asks, but without its mark \("green"\): a switch to it would be rolled back => let green send .*: X-Color: teal`}},
		"the same process": {func(p *patient) { p.s.Site.Confirm = nil },
			[]string{`problem same: blue and green are the same process, \d+ \(doctor.test\): .* => start green as a process of its own`}},
		"the same address": {func(p *patient) {
			p.s.Site.Confirm = nil
			_, port, _ := strings.Cut(p.Blue.Addr, ":")
			p.s.Site.Files[0].Layout[0].Colors[switcher.Green] = []nginxconf.Value{address(p.t, "localhost:"+port)}
		}, []string{`problem same: 127.0.0.1:\d+, blue, and localhost:\d+, green, lead to the same address`}},
		"redirects": {func(p *patient) {
			p.s.Site.Check.Path = "/login"
			to := redirecting(p.t, "/login/")
			p.s.Site.URLs = map[switcher.Color]health.URL{switcher.Green: to}
			p.s.Site.Confirm = nil
			p.s.Site.Files[0].Layout[0].Colors[switcher.Green] = []nginxconf.Value{address(p.t, "127.0.0.1:1")}
		}, []string{`problem redirect: green: the health check is answered with a redirect to /login/, which is not followed: green is never healthy => check: \{path: /login/\}   # in the settings`}},
		"history by a former name": {func(p *patient) {
			old := statedir.Of(p.StateDir, "shop")
			record := statedir.Record{Time: time.Now().Add(-time.Hour)}
			record.Path = statedir.Text(p.Live)
			must(p.t, errors.Join(old.Create(), old.Append(record), statedir.Of(p.StateDir, "other").Create()))
		}, []string{`advice former: \S+/state/shop holds switches of the same live file, by a former name .* => mv \S+/state/shop /var/backups/ && rm -f \S+/state/shop.status.json`}},
		"history where it has no name": {func(p *patient) {
			was := p.s.State
			p.s.State = statedir.Of(p.StateDir, "file_active_upstream")
			must(p.t, os.Rename(was.Path, p.s.State.Path))
		}, []string{`advice former: the history of the site lies in \S+/file_active_upstream, by the name .* => mv \S+/file_active_upstream \S+/myapp && rm -f \S+/file_active_upstream.status.json`}},
		"a clock that was set back": {func(p *patient) {
			must(p.t, p.s.State.Append(statedir.Record{Time: time.Now().Add(time.Hour)}))
		}, []string{`problem clock: the clock of this host is wrong, or was: a switch was recorded at .*, which is still to come => timedatectl set-ntp true`}},
		"a clock that nobody keeps": {func(p *patient) { p.host.Steady = func() (bool, error) { return false, nil } },
			[]string{`advice clock: nothing keeps the clock of this host right`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, well(), upstream)
			p.t = t
			c.do(p)
			p.finds(c.want...)
		})
	}
}

func frozen(t testing.TB, path string) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	flags, err := unix.IoctlGetInt(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags|unix.STATX_ATTR_IMMUTABLE)
	}
	if err != nil {
		rightstest.Without(t, "file flags (chattr +i): "+err.Error())
	}
	t.Cleanup(func() { must(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags)) })
}

// ended is the number of a process that was there.
func ended(t testing.TB) int {
	t.Helper()
	process, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	must(t, err)
	_, err = process.Wait()
	must(t, err)
	return process.Pid
}

func redirecting(t testing.TB, to string) health.URL {
	t.Helper()
	server := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
	t.Cleanup(server.Close)
	return health.MustParseURL(server.URL + "/login")
}
