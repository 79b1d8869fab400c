package nginx_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginx"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// Only where no nginx of the configuration is to be found on this host may
// another one, in a container say, be meant.
func TestWhetherOneIsHere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		here    bool
		prepare func(r *running)
	}{
		{"no binary", false, func(r *running) { r.ours.Binary = "/nowhere/nginx" }},
		{"no configuration", false, func(r *running) { r.ours.Conf = "/nowhere/nginx.conf" }},
		{"ended", false, (*running).end},
		{"ended, the pid file empty", false, func(r *running) { r.end(); r.write(r.PIDFile, "") }},
		{"ended, the pid file stale", false, func(r *running) { r.end(); r.names(deadPID(r.t)) }},
		{"ended, another process has its pid", false, func(r *running) { r.end(); r.names(1) }},
		{"in a pid namespace", false, func(r *running) { r.end(); r.inside() }},
		{"in a pid namespace, its pid known here", false, func(r *running) { r.end(); r.names(r.inside()) }},

		{"the pid file is lost", true, func(r *running) { r.remove(r.PIDFile) }},
		{"another process has its pid", true, func(r *running) { r.names(1) }},
		{"the pid file is nonsense", true, func(r *running) { r.write(r.PIDFile, "twelve") }},
		{"killed, its workers go on", true, (*running).kill},
		{"a binary upgrade", true, func(r *running) { copyTo(r.t, r.PIDFile+".oldbin", r.PIDFile) }},
		{"stopped", true, func(r *running) { r.pause(r.PID) }},
		{"a configuration that is not understood", true, func(r *running) { r.write(r.Conf, "user 'x'y;") }},
		{"another configuration", true, func(r *running) { copyTo(r.t, r.Conf+".other", r.Conf); r.ours.Conf += ".other" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(c.name, "in a pid namespace") {
				rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
			}
			r := alone(t)
			c.prepare(r)
			r.isHere(c.here)
		})
	}
}

// alone is an nginx with a binary of its own, so that what is left of others
// on this host is not taken for one of it.
func alone(t *testing.T) *running {
	t.Helper()
	own := filepath.Join(rightstest.OpenFolder(t), "nginx")
	copyTo(t, own, binary(t))
	r := start(t, rightstest.OpenFolder(t), nginxtest.Options{Workers: 1}, own+" -p . -c nginx.conf")
	r.ours.Binary = own
	return r
}

// isHere says of a master that cannot be had whether it is on this host.
func (r *running) isHere(want bool) {
	r.t.Helper()
	m, err := r.ours.FindMaster()
	if err == nil {
		m.Close()
		r.t.Fatal("found one")
	}
	if here := !errors.Is(err, nginx.ErrNotHere); here != want {
		r.t.Errorf("is here: %t, want %t: %v", here, want, err)
	}
}

func (r *running) end() {
	r.t.Helper()
	if err := r.Stop(); err != nil {
		r.t.Fatal(err)
	}
}

// kill ends the master alone.
func (r *running) kill() {
	r.t.Helper()
	if err := r.Signal(syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, func() error {
		if syscall.Kill(r.PID, 0) == nil {
			return errors.New("the master is still there")
		}
		return nil
	})
}

// inside runs nginx as process 1 of a pid namespace of its own.
func (r *running) inside() (pid int) {
	r.t.Helper()
	outer := beside(r.t, nil, "unshare", "-p", "-f", "--mount-proc", "--kill-child", r.ours.Binary, "-p", r.Dir, "-c", r.Conf)
	eventually(r.t, func() error {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", outer, outer))
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(list)))
		}
		return err
	})
	titled(r.t, pid, "nginx: master process")
	return pid
}

func (r *running) write(path, text string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) remove(path string) {
	r.t.Helper()
	if err := os.Remove(path); err != nil {
		r.t.Fatal(err)
	}
}

func deadPID(t *testing.T) int {
	t.Helper()
	done := exec.Command("true")
	if err := done.Run(); err != nil {
		t.Fatal(err)
	}
	return done.Process.Pid
}
