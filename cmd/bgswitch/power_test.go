package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// FS_IOC_SHUTDOWN ends a file system as a power cut does: with NOLOGFLUSH, what
// is not on the disk by then is lost (linux/ext4.h).
const (
	shutdownFS   = 0x8004587d // _IOR('X', 125, __u32)
	noLogFlush   = 2
	imageSize    = 64 << 20
	unmountLimit = time.Minute // where the machine is busy
)

// machine is a site that lives on a disk of its own, whose power can be cut.
type machine struct {
	*victim
	image, options, root string
	nginx                *exec.Cmd
}

func newMachine(t *testing.T, options string, stateElsewhere bool) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{image: filepath.Join(dir, "disk"), options: options, root: filepath.Join(dir, "root")}
	for _, err := range []error{os.WriteFile(m.image, nil, 0o600), os.Truncate(m.image, imageSize), os.Mkdir(m.root, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m.victim = &victim{t: t}
	m.system("mkfs.ext4", "-q", "-F", m.image)
	m.mount()
	t.Cleanup(m.unmount)
	m.victim = victimIn(t, filepath.Join(m.root, "site"), nginxtest.Options{Workers: 1})
	if stateElsewhere { // a sync of the state's disk is none of the live file's
		m.StateDir = filepath.Join(dir, "state")
		if err := os.WriteFile(m.Settings, []byte(m.SettingsText("")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Site.Nginx.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.kill)
	m.boot()
	return m
}

func (m *machine) system(argv ...string) {
	m.t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
}

func (m *machine) mount() {
	m.t.Helper()
	m.system("mount", "-t", "ext4", "-o", strings.TrimSuffix("loop,"+m.options, ","), m.image, m.root)
}

// unmount waits until nobody has the disk any more: a test in a private mount
// namespace, whoever's it is, takes a copy of all mounts with it.
func (m *machine) unmount() {
	m.t.Helper()
	if err := nginxtest.Eventually(unmountLimit, func() error { return unix.Unmount(m.root, 0) }); err != nil {
		m.t.Fatalf("unmount %s: %v", m.root, err)
	}
	if err := nginxtest.Eventually(unmountLimit, func() error {
		out, err := exec.Command("losetup", "-j", m.image).Output()
		if err == nil && len(out) > 0 {
			err = fmt.Errorf("still there: %s", out)
		}
		return err
	}); err != nil {
		m.t.Fatal(err)
	}
}

// boot starts nginx from what the disk holds.
func (m *machine) boot() {
	m.t.Helper()
	binary, err := nginxtest.Binary()
	if err != nil {
		m.t.Fatal(err)
	}
	m.nginx = exec.Command(binary, "-p", m.Dir, "-c", m.Conf)
	m.nginx.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.nginx.Start(); err != nil {
		m.t.Fatal(err)
	}
	if err := nginxtest.Eventually(patience, func() error {
		if got := nginxtest.Answers(m.URL(), 1); got["blue"]+got["green"] != 1 {
			return fmt.Errorf("answers %v", got)
		}
		return nil
	}); err != nil {
		m.t.Fatalf("nginx does not start from what the disk holds: %v", err)
	}
}

func (m *machine) kill() {
	if m.nginx != nil {
		_ = syscall.Kill(-m.nginx.Process.Pid, syscall.SIGKILL)
		_ = m.nginx.Wait()
		m.nginx = nil
	}
}

// cut ends the file system, and then the process that was at work on it.
func (m *machine) cut(disk *os.File) func(pid int) {
	return func(pid int) {
		if err := unix.IoctlSetPointerInt(int(disk.Fd()), shutdownFS, noLogFlush); err != nil {
			m.t.Errorf("FS_IOC_SHUTDOWN: %v", err)
		}
		if pid != 0 {
			killed(pid)
		}
	}
}

// round switches, cuts the power before a step, or after the end where the step
// does not come, and boots again.
func (m *machine) round(p point, from, to string) (met bool) {
	m.t.Helper()
	m.agree("before the cut", from)
	disk, err := os.Open(m.root)
	if err != nil {
		m.t.Fatal(err)
	}
	defer disk.Close() // also where the round ends early
	if err := unix.Syncfs(int(disk.Fd())); err != nil {
		m.t.Fatal(err)
	}
	r := m.at(p, m.cut(disk), "to", to)
	if !r.met {
		m.cut(disk)(0)
	}
	disk.Close()
	m.kill()
	m.unmount()
	m.mount()
	what := "power cut before " + p.String()
	got := m.whole(what)
	if told := r.code == exitDone || strings.Contains(r.out, to+" is live"); told && got != to {
		m.t.Errorf("%s: %s was live by what was said, and the disk says %s: %q", what, to, got, r.out)
	}
	m.boot()
	m.agree(what, to)
	return r.met
}

// What was told to be done is on the disk of a file system that helps with
// nothing, and nginx starts from what a cut in the middle leaves.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	m := newMachine(t, "noauto_da_alloc", true)
	if !m.round(point{"pidfd_send_signal", 1}, "blue", "green") {
		t.Error("nginx was told nothing")
	}
	m.round(point{}, "green", "blue")
}

// A power cut before any step leaves the whole old or the whole new file, nginx
// starts from it, and what was told to be done is on the disk.
func TestPowerCutBeforeEveryStep(t *testing.T) {
	if !soaking() {
		t.Skip("this takes minutes: part of `task soak`")
	}
	rightstest.Needs(t, rightstest.Root)
	for name, c := range map[string]struct {
		options        string
		stateElsewhere bool
	}{
		"by default":            {},
		"noauto_da_alloc":       {options: "noauto_da_alloc"},
		"data=writeback":        {options: "data=writeback"},
		"state on another disk": {options: "noauto_da_alloc", stateElsewhere: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, c.options, c.stateElsewhere)
			colors := []string{"green", "blue"}
			round := 0
			m.everyStep(0, 1, func(p point) bool {
				round++
				return m.round(p, colors[round%2], colors[(round+1)%2])
			})
			if m.round(point{}, "blue", "green") {
				t.Error("a step came that there is not")
			}
		})
	}
}
