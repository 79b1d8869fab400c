package nginx_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

const nobody = 65534

// shared lets several nginx listen on one port.
var shared = nginxtest.Options{Workers: 1, Listen: "127.0.0.1:%d reuseport"}

// second starts another master of the same configuration, and leaves the pid
// file to the first.
func (r *running) second(argv ...string) int {
	r.t.Helper()
	pid := beside(r.t, nil, append(argv, "-p", r.Dir, "-c", r.Conf)...)
	eventually(r.t, func() error {
		text, err := os.ReadFile(r.PIDFile)
		if err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(r.PID) {
			err = errors.New("the second has not written its pid")
		}
		return err
	})
	titled(r.t, pid, "nginx: master process")
	r.names(r.PID)
	return pid
}

// names has the pid file name a process.
func (r *running) names(pid int) {
	r.t.Helper()
	r.write(r.PIDFile, fmt.Sprintln(pid))
}

// fails makes sure that no master is found, for a reason.
func (r *running) fails(why error, says string) {
	r.t.Helper()
	m, err := only(r.ours)
	if err == nil {
		m.Close()
		r.t.Errorf("found process %d", m.PID)
		return
	}
	if !errors.Is(err, why) || !strings.Contains(err.Error(), says) {
		r.t.Errorf("got %q, want %q that says %q", err, why, says)
	}
}

// A title is anybody's to choose.
func TestNobodyIsAMasterByItsTitle(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]*syscall.Credential{"of the same user": nil, "of a stranger": {Uid: nobody, Gid: nobody}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if user != nil {
				rightstest.Needs(t, rightstest.Root)
			}
			r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, "")
			title := fmt.Sprintf("nginx: master process %s -p %s -c %s", binary(t), r.Dir, r.Conf)
			fake := beside(t, user, "bash", "-c", `exec -a "$0" sleep 100`, title)
			titled(t, fake, title)
			r.isMaster()
			r.names(fake)
			r.fails(nginx.ErrNotProved, "/sleep, not ")
		})
	}
}

func TestAnotherBuildIsNoSecondMaster(t *testing.T) {
	t.Parallel()
	r := start(t, rightstest.OpenFolder(t), shared, "")
	other := filepath.Join(t.TempDir(), "nginx")
	copyTo(t, other, binary(t))
	r.second(other)
	r.isMaster()
}

func TestNginxInAChrootIsNoSecondMaster(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	r := start(t, rightstest.OpenFolder(t), shared, "")
	r.second(append(rightstest.Chroot(t), binary(t))...)
	r.isMaster()
	r.isMasterToNobody(binary(t))
}

// Its workers go on taking connections.
func TestASecondMasterThatIsStoppedCounts(t *testing.T) {
	t.Parallel()
	r := start(t, rightstest.OpenFolder(t), shared, "")
	second := r.second(binary(t))
	r.pause(second)
	r.fails(nginx.ErrNotProved, fmt.Sprintf("two masters run with this configuration, processes %d and %d", r.PID, second))
}

// pause stops a process, and waits until it stands still.
func (r *running) pause(pid int) {
	r.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, func() error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && !strings.Contains(string(stat), ") T ") {
			err = fmt.Errorf("not stopped: %s", stat)
		}
		return err
	})
}

// A package that was upgraded leaves the running nginx with an executable that
// has no name any more.
func TestAReplacedBinaryIsStillOurs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(rightstest.OpenFolder(t), "nginx")
	copyTo(t, path, binary(t))
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, path+" -p . -c nginx.conf")
	r.ours.Binary = path
	copyTo(t, path+".new", binary(t))
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	r.isMaster()
	r.ours.Binary = binary(t)
	r.fails(nginx.ErrNotProved, "runs "+path)
}

// A script in the binary's place may run any nginx: then the user decides.
func TestAScriptMayStandForTheBinary(t *testing.T) {
	t.Parallel()
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, "")
	r.ours.Binary = filepath.Join(t.TempDir(), "nginx")
	if err := nginxtest.WriteRunnable(r.ours.Binary, []byte("#!/bin/sh\nexec "+binary(t)+` "$@"`), 0o755); err != nil {
		t.Fatal(err)
	}
	r.isMaster()
	rightstest.Needs(t, rightstest.Root)
	title := fmt.Sprintf("nginx: master process %s -p %s -c %s", binary(t), r.Dir, r.Conf)
	fake := beside(t, &syscall.Credential{Uid: nobody, Gid: nobody}, "bash", "-c", `exec -a "$0" sleep 100`, title)
	titled(t, fake, title)
	r.isMaster()
	if err := os.Chown(r.PIDFile, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	r.names(fake)
	r.fails(nginx.ErrNotProved, "has no rights")
}

// In a user namespace of his own any user mounts what he likes.
func TestAStrangersNamespaceHoldsNoMaster(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	stranger := &syscall.Credential{Uid: nobody, Gid: nobody}
	if err := exec.Command("setpriv", "--reuid", "65534", "unshare", "-U", "true").Run(); err != nil {
		rightstest.Without(t, "user namespaces")
	}
	const title = "nginx: master process nginx"
	fake := beside(t, stranger, "unshare", "-U", "-r", "bash", "-c", `exec -a "$0" sleep 100`, title)
	titled(t, fake, title)
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, "")
	if any := nginx.AnyMasters(); slices.Contains(any, fake) || !slices.Contains(any, r.PID) {
		t.Errorf("masters are %v, want %d among them, and not %d", any, r.PID, fake)
	}
}

// A pid file on the command line is none of the configuration's.
func TestAPIDFileOfTheCommandLine(t *testing.T) {
	t.Parallel()
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1},
		`sh -c 'sed -i "/^pid /d" nginx.conf; exec "$0" -p . -c nginx.conf -g "env A; pid own.pid;"' `+binary(t))
	r.isMaster()
	if err := os.WriteFile(filepath.Join(r.Dir, "own.pid"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := r.ours.FindMaster()
	if err == nil {
		m.Close()
		t.Error("found by a pid file that names another process")
	}
}

// Whoever is not shown another user's processes cannot say that they are gone.
func TestAHiddenMasterIsNotGone(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, "")
	out := r.seenByNobody(binary(t), "unshare", "-m", "sh", "-c", `mount -t proc -o hidepid=2 proc /proc && exec "$0"`)
	if want := fmt.Sprintf("proved false, running true, here true, permitted false: .*process %d, which cannot be seen", r.PID); !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("got %s, want %s", out, want)
	}
}

// seenByNobody is what nobody sees of a master, the binary being that one.
func (r *running) seenByNobody(binary string, through ...string) string {
	r.t.Helper()
	argv := append(through, os.Args[0])
	look := exec.Command(argv[0], argv[1:]...)
	look.Env = append(os.Environ(), hiddenConf+"="+r.Conf, "BGSWITCH_TEST_NGINX="+binary)
	out, err := look.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func lookAsNobody(conf string) {
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
		fmt.Println(err)
		return
	}
	binary, _ := nginxtest.Binary()
	_, err := only(&nginx.Nginx{Binary: binary, Conf: conf})
	fmt.Printf("proved %t, running %t, here %t, permitted %t: %v", !errors.Is(err, nginx.ErrNotProved), !errors.Is(err, nginx.ErrNotRunning), !errors.Is(err, nginx.ErrNotHere), !errors.Is(err, fs.ErrPermission), err)
}
