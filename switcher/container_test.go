package switcher_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher"
	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// containerStand is a site whose nginx is in a container, and whose settings say
// nothing of it.
func containerStand(t *testing.T, o nginxtest.ContainerOptions) *stand {
	t.Helper()
	rightstest.Needs(t, rightstest.Namespaces)
	site, err := nginxtest.StartContainerSite(rightstest.OpenFolder(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &stand{Site: site, Switcher: switcherFor(t, site), t: t}
	s.Switcher.Nginx = &nginx.Nginx{}
	return s
}

// Whatever way the live file comes into a container, a switch there and back is
// tested, proved and fast as on the host.
func TestSwitchInAContainer(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]nginxtest.ContainerOptions{
		"folder":             {},
		"folder, read-only":  {ReadOnly: true},
		"file":               {Mount: nginxtest.MountFile},
		"file, read-only":    {Mount: nginxtest.MountFile, ReadOnly: true},
		"its own":            {Mount: nginxtest.MountNone},
		"the host's network": {HostNetwork: true},
		"the host's pids":    {HostPIDs: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := containerStand(t, o)
			for _, to := range []switcher.Color{switcher.Green, switcher.Blue} {
				s.switchesAsOnTheHost(to)
			}
		})
	}
}

// On a busy machine nginx may be faster than our looks, now and then.
func TestFastHandover(t *testing.T) {
	t.Parallel()
	for name, standOf := range map[string]func(t *testing.T) *stand{
		"on the host":    func(t *testing.T) *stand { return newStand(t, nginxtest.Options{}) },
		"in a container": func(t *testing.T) *stand { return containerStand(t, nginxtest.ContainerOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := standOf(t)
			to := switcher.Blue
			s.eventually(func() error {
				to = to.Other()
				result, err := s.to(to)
				if err == nil && result.Record.Generation.Handover != nginx.HandoverFast {
					err = errors.New("nginx ended the old workers")
				}
				return err
			})
		})
	}
}

func (s *stand) switchesAsOnTheHost(to switcher.Color) {
	s.t.Helper()
	before := s.live()
	from := map[switcher.Color]string{switcher.Blue: s.Blue.Addr, switcher.Green: s.Green.Addr}
	result, err := s.to(to)
	if err != nil {
		s.t.Fatalf("%v\nnginx said:\n%s", err, s.Container.Said())
	}
	if want := strings.Replace(before, from[to.Other()], from[to], 1); s.live() != want {
		s.t.Errorf("the file holds %q, want %q", s.live(), want)
	}
	s.answers(to, 20)
	g := result.Record.Generation
	if g == nil || g.Master != s.PID || result.Record.Proof != "generation" {
		s.t.Errorf("proof %q, generation %+v; the master is %d", result.Record.Proof, g, s.PID)
	}
	if len(result.Verdicts) != 1 || !result.Verdicts[0].Healthy {
		s.t.Errorf("verdicts: %v", result.Verdicts)
	}
	for _, note := range result.Notes {
		if !strings.Contains(note, "mounted by itself") {
			s.t.Errorf("a note: %s", note)
		}
	}
}

// Where several containers are shown the file, nobody can tell which is meant: it
// is said which there are, and the settings may say which it is.
func TestTwoContainersWithOneFile(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	other := s.another(nginxtest.ContainerOptions{Mount: nginxtest.MountFile})
	failed := s.refuses(switcher.Failed, fmt.Sprintf("process %d", other.PID))
	for _, says := range []string{fmt.Sprintf("process %d", s.PID), s.Container.Inside} {
		if !strings.Contains(failed.Error(), says) {
			t.Errorf("it does not name %s: %v", says, failed)
		}
	}
	if !strings.Contains(failed.Hint, "nginx: {container: NAME}") {
		t.Errorf("the hint is %q", failed.Hint)
	}
	if st := s.Status(t.Context()); !errors.Is(st.Running.Err, nginx.ErrSeveral) || st.Running.Is != nil {
		t.Errorf("status: %v, loaded %v", st.Running.Err, st.Running.Is)
	}
	s.Switcher.Nginx.MasterPID = other.PID
	failed = s.refuses(switcher.Unhealthy, "app-green") // the other one knows no app
	if !strings.Contains(failed.Error(), "refused") && !strings.Contains(failed.Error(), "resolve") {
		t.Errorf("asked from elsewhere: %v", failed)
	}
	s.Switcher.Nginx.MasterPID = s.PID
	s.switchesAsOnTheHost(switcher.Green)
}

// another is one more container that is shown the file.
func (s *stand) another(o nginxtest.ContainerOptions) *nginxtest.Container {
	s.t.Helper()
	o.From = filepath.Dir(s.Live)
	o.Names = map[string]string{"app-blue": "127.0.0.1", "app-green": "127.0.0.1"}
	dir, err := os.MkdirTemp(s.Dir, "another")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	other, err := nginxtest.StartContainer(dir, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := other.Stop(); err != nil {
			s.t.Error(err)
		}
	})
	return other
}

// Whoever may make a user namespace has a root of his own there, and mounts the
// file into it: nobody believes him, until he is named.
func TestAStrangersContainer(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	his := s.another(nginxtest.ContainerOptions{User: 64001})
	s.switchesAsOnTheHost(switcher.Green)
	if err := s.Container.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := s.to(switcher.Blue)
	if !errors.Is(err, nginx.ErrNotHere) || strings.Contains(err.Error(), fmt.Sprint(his.PID)) {
		t.Errorf("%v, want that there is none", err)
	}
	s.Switcher.Nginx.MasterPID = his.PID
	if st := s.Status(t.Context()); st.Running.Err != nil || st.Running.Workers.Master != his.PID {
		t.Errorf("named, it is not found: %v, %d", st.Running.Err, st.Running.Workers.Master)
	}
}

// A container that shares the host's pids, with the very same paths, is no second
// master of the host's own site; and neither is that of the container's.
func TestAContainerBesideTheHost(t *testing.T) {
	t.Parallel()
	host := newStand(t, nginxtest.Options{})
	s := containerStand(t, nginxtest.ContainerOptions{HostPIDs: true})
	if err := os.MkdirAll(s.Container.Root+host.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(host.Conf)
	if err == nil {
		err = os.WriteFile(s.Container.Root+host.Conf, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []switcher.Color{switcher.Green, switcher.Blue} {
		if _, err := host.to(to); err != nil {
			t.Fatal(err)
		}
		host.answers(to, 10)
		s.switchesAsOnTheHost(to)
	}
	// The host's nginx is found, and does not read this file.
	s.Switcher.Nginx = &nginx.Nginx{Binary: host.Switcher.Nginx.Binary, Conf: host.Conf, Prefix: host.Dir}
	s.switchesAsOnTheHost(switcher.Green)
	// A container is shown the host's file, and the host reads it.
	host.another(nginxtest.ContainerOptions{})
	result, err := host.to(switcher.Green)
	if err != nil || result.Record.Generation.Master != host.PID {
		t.Errorf("%v, %+v", err, result.Record.Generation)
	}
	host.answers(switcher.Green, 10)
}

// hangs makes every program hang that is begun in a container: its loader waits for
// somebody to write into a FIFO (ld.so(8)).
func (s *stand) hangs(c *nginxtest.Container) {
	s.t.Helper()
	if err := unix.Mkfifo(c.Root+"/etc/ld.so.preload", 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// inTime switches within a time after which nothing that hangs has been given up yet.
func (s *stand) inTime(limit time.Duration) error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	began := time.Now()
	_, err := s.Switch(ctx, switcher.Request{To: switcher.Green})
	if took := time.Since(began); took > 45*time.Second {
		s.t.Errorf("it took %s", took)
	}
	return err
}

// The host's nginx reads the file: no container that is shown it, too, is asked
// anything, so that none can hold a switch up.
func TestAContainerThatHangsBesideTheHost(t *testing.T) {
	t.Parallel()
	host := newStand(t, nginxtest.Options{})
	host.hangs(host.another(nginxtest.ContainerOptions{}))
	if err := host.inTime(40 * time.Second); err != nil {
		t.Fatal(err)
	}
	host.answers(switcher.Green, 10)
}

// What hangs in a container is given up when the caller gives up.
func TestAContainerThatHangs(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	s.hangs(s.Container)
	before := s.live()
	if err := s.inTime(2 * time.Second); err == nil || !strings.Contains(err.Error(), "interrupted before anything changed") {
		t.Errorf("%v, want that it was interrupted", err)
	}
	if s.live() != before {
		t.Errorf("the file holds %q", s.live())
	}
}

// Who has broken into something beside nginx in a container may call himself its
// master, with its own binary even: he is not.
func TestAFakeMasterInAContainer(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	binary, err := nginxtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	const title = "nginx: master process nginx -g daemon off;"
	enter := []string{"nsenter", "--target", fmt.Sprint(s.PID), "--mount", "--pid", "--net", "--"}
	s.begin(append(enter, "setpriv", "--reuid=33", "--regid=33", "--clear-groups", binary, "-p", "/tmp", "-g",
		"daemon off; pid /tmp/his.pid; error_log /tmp/his.log;", "-c", s.his(""))...) // his nginx
	s.begin(append(enter, "bash", "-c", `exec -a "$0" sleep 100`, title)...) // root's sleep
	s.eventually(func() error {
		var n int
		for _, pid := range nginx.AnyMasters() {
			if a, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid)); a == s.mounts() {
				n++
			}
		}
		if n != 3 {
			return fmt.Errorf("%d call themselves a master, want 3", n)
		}
		return nil
	})
	s.switchesAsOnTheHost(switcher.Green)
}

func (s *stand) mounts() string {
	link, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", s.PID))
	return link
}

// The container is named by a first process that is no nginx, as an image's init
// is: whoever has broken into something else in there does not speak for it.
func TestAFakeMasterInANamedContainer(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	binary, err := nginxtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	enter := []string{"nsenter", "--target", fmt.Sprint(s.PID), "--mount"}
	s.Switcher.Nginx.MasterPID = s.begin(append(enter, "--", "sleep", "1000")...).Process.Pid
	his := s.his("include /etc/nginx/conf.d/*.conf;")
	s.begin(append(enter, "--pid", "--net", "--", "setpriv", "--reuid=33", "--regid=33", "--clear-groups", binary, "-p", "/tmp", "-g",
		"daemon off; pid /tmp/his.pid; error_log /tmp/his.log;", "-c", his)...)
	s.eventually(func() error {
		_, err := os.Stat(s.Container.Root + "/tmp/his.pid")
		if at, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", s.Switcher.Nginx.MasterPID)); at != s.mounts() {
			err = errors.New("the first process is not there yet")
		}
		return err
	})
	s.switchesAsOnTheHost(switcher.Green)
}

// A pid in the settings that is not, or no more, that of an nginx in a container
// says nothing of whether nginx runs: what is wrong is the setting.
func TestNamedByTheWrongPID(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	s := newStand(t, nginxtest.Options{})
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[int][2]string{
		gone.Process.Pid: {"does not exist", "remove `pid`"},
		s.PID:            {"is an nginx of this host", "remove `pid`"},
		os.Getpid():      {"and no nginx runs in its container", "remove `pid`"},
	} {
		s.Switcher.Nginx.MasterPID = pid
		failed := s.refuses(switcher.Failed, fmt.Sprintf("process %d, which the settings name", pid))
		if !strings.Contains(failed.Error(), want[0]) || !strings.Contains(failed.Hint, want[1]) || strings.Contains(failed.Error(), "not running") {
			t.Errorf("%v\n%s", failed, failed.Hint)
		}
	}
}

// his is a configuration in the container that anybody may run.
func (s *stand) his(more string) string {
	s.t.Helper()
	if err := os.Chmod(s.Container.Root+"/tmp", 0o777); err != nil {
		s.t.Fatal(err)
	}
	var temporary string
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path /tmp/%s; ", kind, kind)
	}
	text := "events {} http { access_log off; " + temporary + more + "server { listen 9999; } }"
	if err := os.WriteFile(s.Container.Root+"/tmp/his.conf", []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return "/tmp/his.conf"
}

// nginx in the container says yes and does no: what its stderr says is told where
// that goes to a file, and the old file comes back either way.
func TestNginxInAContainerDoesNotTakeIt(t *testing.T) {
	t.Parallel()
	for _, mount := range []string{nginxtest.MountFolder, nginxtest.MountFile} {
		t.Run(mount, func(t *testing.T) {
			t.Parallel()
			log, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			o := nginxtest.ContainerOptions{Mount: mount}
			if mount == nginxtest.MountFile {
				o.Stderr = log
			}
			s := containerStand(t, o)
			before := s.live()
			taken := nginxtest.ContainerOptions{HTTP: "server { listen 127.0.0.2:8080; }"} // blue has it
			if err := s.Container.WriteConf(taken); err != nil {
				t.Fatal(err)
			}
			_, err = s.to(switcher.Green)
			var failed *switcher.Error
			if !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack {
				t.Fatalf("%v, want it to be rolled back", err)
			}
			if told := strings.Contains(err.Error(), "bind() to 127.0.0.2:8080 failed"); told != (o.Stderr != nil) {
				t.Errorf("its log is told: %v; %v", told, err)
			}
			if s.live() != before {
				t.Errorf("the file holds %q", s.live())
			}
			s.answers(switcher.Blue, 10)
		})
	}
}

// nginx in the container refuses the new file: neither the live one nor nginx
// itself has noticed.
func TestNginxInAContainerRefuses(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{HTTP: "map $host $x { default 1; include /etc/nginx/*.map; }"})
	before := s.Workers()
	if err := os.WriteFile(s.Container.Root+"/etc/nginx/x.map", []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	failed := s.refuses(switcher.NotAccepted, "x.map")
	if !strings.Contains(failed.Error(), "container") {
		t.Errorf("it does not say where: %v", failed)
	}
	s.reads(s.Blue.Addr)
	if !slices.Equal(before, s.Workers()) {
		t.Errorf("workers %v, then %v", before, s.Workers())
	}
}

// A container that stops in the middle of a switch, and starts again or not.
func TestContainerStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	for range 5 {
		s := containerStand(t, nginxtest.ContainerOptions{})
		before := s.live()
		stop := s.whenOursStandsThere(func() { _ = s.Container.Stop() })
		_, err := s.to(switcher.Green)
		if !stop() {
			t.Fatalf("ours never stood there: %v", err)
		}
		if err == nil {
			continue // it stopped too late
		}
		var failed *switcher.Error
		if !errors.As(err, &failed) || failed.Outcome != switcher.RolledBack && failed.Outcome != switcher.Stuck {
			t.Fatalf("%v, want it to fail", err)
		}
		if !errors.Is(err, nginx.ErrMasterEnded) && !errors.Is(err, nginx.ErrNotRunning) {
			t.Errorf("it does not say that nginx has ended: %v", err)
		}
		if s.live() != before {
			t.Errorf("the file holds %q", s.live())
		}
		s.nothingBeside()
		return
	}
	t.Error("it stopped too late each time")
}

// Its runtime starts it again at once: the new one is told, too.
func TestContainerIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	before := s.live()
	var next *nginxtest.Container
	stop := s.whenOursStandsThere(func() {
		_ = s.Container.Stop()
		next = s.another(nginxtest.ContainerOptions{})
	})
	result, err := s.to(switcher.Green)
	if !stop() {
		t.Fatalf("ours never stood there: %v", err)
	}
	if g := result.Record.Generation; g == nil || g.Master != next.PID {
		t.Errorf("%v: proved by %+v, want process %d", err, g, next.PID)
	}
	var failed *switcher.Error
	if errors.As(err, &failed) && (failed.Outcome != switcher.RolledBack || s.live() != before) || err == nil && s.live() == before {
		t.Errorf("%v, and the file holds %q", err, s.live())
	}
}

// What is known of it is known as on the host, and where it is, is said.
func TestStatusOfAContainer(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{Mount: nginxtest.MountFile})
	known := func(is, given bool) {
		t.Helper()
		st := s.Status(t.Context())
		if in := st.Running.Container; in == nil || in.At != s.Container.Inside || in.PID != s.PID {
			t.Errorf("it is in %+v", st.Running.Container)
		}
		if st.Running.Is == nil && given || st.Running.Is != nil && *st.Running.Is != is {
			t.Errorf("loaded: %v: %s", st.Running.Is, st.Running.Why)
		}
		for color, verdicts := range st.Colors {
			if !health.Healthy(verdicts) {
				t.Errorf("%s: %v", color, verdicts)
			}
		}
		if len(st.Drift) > 0 == is {
			t.Errorf("drift: %v", st.Drift)
		}
	}
	known(true, false) // no record yet
	s.switchesAsOnTheHost(switcher.Green)
	known(true, true)
	if way := s.WayBack(t.Context(), false); way.Err != nil || !way.Tested {
		t.Errorf("the way back: %v, tested %v", way.Err, way.Tested)
	}
	if err := os.WriteFile(s.Live, []byte(nginxtest.LiveFile(s.Blue.Addr)), 0o644); err != nil {
		t.Fatal(err)
	}
	known(false, true)
	if verdicts := s.Check(t.Context(), switcher.Blue); !health.Healthy(verdicts) {
		t.Errorf("blue: %v", verdicts)
	}
}

// A runtime is asked for a name alone, by its own command.
func TestContainerByName(t *testing.T) {
	rightstest.Needs(t, rightstest.Namespaces)
	s := containerStand(t, nginxtest.ContainerOptions{})
	s.another(nginxtest.ContainerOptions{})
	folder := t.TempDir()
	docker := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = 'inspect --type container --format {{.State.Pid}} -- web-1' ] && echo %d || { echo \"no such: $*\" >&2; exit 1; }\n", s.PID)
	if err := nginxtest.WriteRunnable(filepath.Join(folder, "docker"), []byte(docker), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	s.Switcher.Nginx.ContainerName = "web-2"
	if failed := s.refuses(switcher.Failed, "no such: inspect"); !strings.Contains(failed.Hint, "remove `container`") {
		t.Errorf("the hint is %q", failed.Hint)
	}
	s.Switcher.Nginx.ContainerName = "web-1"
	s.switchesAsOnTheHost(switcher.Green)
	if in := s.Status(t.Context()).Running.Container; in == nil || in.Name != "web-1" {
		t.Errorf("it is in %+v", in)
	}
	s.switchesAsOnTheHost(switcher.Blue)
	if err := nginxtest.WriteRunnable(filepath.Join(folder, "docker"), []byte("#!/bin/sh\necho 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if failed := s.refuses(switcher.Failed, "container web-1 has stopped"); !strings.Contains(failed.Hint, "docker start web-1") {
		t.Errorf("the hint is %q", failed.Hint)
	}
	if st := s.Status(t.Context()); len(st.Drift) != 1 || st.Drift[0].Key != switcher.DriftStopped {
		t.Errorf("drift: %v", st.Drift)
	}
}

// A user namespace of its own, as a rootless runtime or a remapping one makes it,
// is entered where it is named; an old worker that is busy is counted.
func TestSwitchInAUserNamespace(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{User: 64001})
	named := s.Switcher.Nginx
	// A configuration of no nginx on this host, whatever else runs on it.
	s.Switcher.Nginx = &nginx.Nginx{Conf: filepath.Join(s.Dir, "none.conf")}
	s.refuses(switcher.Failed, "none.conf")
	s.Switcher.Nginx = named
	s.Switcher.Nginx.MasterPID = s.PID
	held := s.hold()
	defer held.Close()
	s.switchesAsOnTheHost(switcher.Green)
	if st := s.Status(t.Context()); len(st.Running.Workers.Draining) != 1 {
		t.Errorf("draining: %v", st.Running.Workers.Draining)
	}
}

// The folder is shown, and another file lies over this one in there.
func TestContainerWithAnotherFileOverIt(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	over := exec.Command("nsenter", "--target", fmt.Sprint(s.PID), "--mount", "--", "mount", "--bind", "/etc/hosts", s.Container.Inside)
	if said, err := over.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	s.Switcher.Nginx.MasterPID = s.PID
	s.refuses(switcher.Failed, "does not see the live file")
}

// A link among the files of a folder that a container is shown is led elsewhere
// as on the host.
func TestLinkInAContainer(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	whole := map[switcher.Color]string{}
	for color, addr := range map[switcher.Color]string{switcher.Blue: s.Blue.Addr, switcher.Green: s.Green.Addr} {
		whole[color] = filepath.Join(filepath.Dir(s.Live), string(color)+".upstream")
		if err := os.WriteFile(whole[color], []byte(nginxtest.LiveFile(addr)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Remove(s.Live), os.Symlink("blue.upstream", s.Live)); err != nil {
		t.Fatal(err)
	}
	s.Switcher.Site.Files = []switcher.LiveFile{{Path: s.Live, Whole: whole}}
	site := health.MustParseURL(s.URL()) // no file says where to ask a color
	s.Switcher.Site.URLs = map[switcher.Color]health.URL{switcher.Blue: site, switcher.Green: site}
	for _, to := range []switcher.Color{switcher.Green, switcher.Blue} {
		if _, err := s.to(to); err != nil {
			t.Fatal(err)
		}
		s.answers(to, 20)
		if link, _ := os.Readlink(s.Live); link != string(to)+".upstream" {
			t.Errorf("the link leads to %s", link)
		}
	}
}

// Another nginx elsewhere sees the file, as one that is given a whole tree of the
// host's for its pages, and does not read it.
func TestAnotherThatOnlySeesTheFile(t *testing.T) {
	t.Parallel()
	s := containerStand(t, nginxtest.ContainerOptions{})
	another := newStand(t, nginxtest.Options{Launch: rightstest.Chroot(t)})
	for _, to := range []switcher.Color{switcher.Green, switcher.Blue} {
		s.switchesAsOnTheHost(to)
	}
	another.Switcher.Nginx.Binary = "/nowhere/nginx" // there is none on the host
	if _, err := another.to(switcher.Green); err != nil {
		t.Errorf("the other one's file: %v", err)
	}
	another.answers(switcher.Green, 10)
	if err := s.Container.Stop(); err != nil {
		t.Fatal(err)
	}
	s.Switcher.Nginx.Reload = []string{"true"} // which reaches one that nobody sees
	if _, err := s.to(switcher.Green); err == nil || !strings.Contains(err.Error(), "nothing else could prove a switch") {
		t.Errorf("%v, want that only `confirm` could prove it", err)
	}
}
