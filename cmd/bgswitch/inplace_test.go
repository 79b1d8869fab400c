package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
)

// victimIn is a victim whose files are below dir and whose nginx is another
// than usual; nil where only root could have it.
func victimIn(t *testing.T, dir string, o nginxtest.Options) *victim {
	t.Helper()
	site, err := nginxtest.StartSite(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Stop(); err != nil {
			t.Error(err)
		}
	})
	return victimOf(t, site)
}

// mountedVictim is one whose nginx has the live file mounted by itself, by a
// shell's command, so that it has to be written in place, and whose colors'
// addresses are of different lengths, so that each write has several steps.
func mountedVictim(t *testing.T, mount string) *victim {
	t.Helper()
	dir := t.TempDir()
	launch := []string{"unshare", "-m", "sh", "-c", mount + ` && exec "$@"`, filepath.Join(dir, "conf.d", "active_upstream.conf")}
	v := victimIn(t, dir, nginxtest.Options{Workers: 1, Launch: launch})
	listener, err := net.Listen("tcp", "127.0.0.100:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: v.Green}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	v.Green.Addr = listener.Addr().String()
	if err := os.WriteFile(v.Settings, []byte(v.SettingsText("")), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

// between says that the live file is the old or the new one, or one of them
// with the newlines that even out their lengths; nginx accepts it.
func (v *victim) between(what string) {
	v.t.Helper()
	content := strings.TrimRight(v.read(v.Live), "\n") + "\n"
	if v.files()[content] == "" {
		v.t.Errorf("%s: the live file is neither the old nor the new one: %q", what, content)
	}
	if err := v.Test(); err != nil {
		v.t.Errorf("%s: %v", what, err)
	}
}

// A file that is written in place has no moment in which a killed switch leaves
// anything but the old or the new meaning, and the next switch makes it whole.
// Where its folder cannot be written, what a killed one leaves is below the state
// folder.
func TestKilledWhileWritingInPlace(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	for _, test := range []struct {
		name, mount string
		inside      bool // bgswitch runs among nginx's mounts
	}{
		{"seen by nginx alone", `mount --bind "$0" "$0"`, false},
		{"in a read-only folder", mountedReadOnly, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := mountedVictim(t, test.mount)
			left := filepath.Dir(v.Live)
			if test.inside {
				v.inside = []string{"nsenter", "-m", "-t", fmt.Sprint(v.PID)}
				left = filepath.Join(v.StateDir, ".mounted-*")
			}
			v.killedInPlace(left, 1)
		})
	}
}

// The file is mounted into a container by itself.
func TestKilledWhileWritingInPlaceForAContainer(t *testing.T) {
	t.Parallel()
	v := victimOf(t, containerSite(t, nginxtest.ContainerOptions{Workers: 1, Mount: nginxtest.MountFile, ReadOnly: true}))
	v.killedInPlace(filepath.Dir(v.Live), stride())
}

const mountedReadOnly = `f=${0%/*} && mount --bind $f $f && mount --bind "$0" "$0" && mount -o remount,ro,bind $f`

// Two sites of one state folder meet at a file beside which nothing can stand.
func TestMountedFileHasOneLock(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	v := mountedVictim(t, mountedReadOnly)
	v.inside = []string{"nsenter", "-m", "-t", fmt.Sprint(v.PID)}
	text := v.SettingsText(fmt.Sprintf("  other: {file: %s, blue: %s, green: %s}\n", v.Live, v.Blue.Addr, v.Green.Addr))
	if err := os.WriteFile(v.Settings, []byte(strings.Replace(text, "timeout: 2s", "timeout: 1m", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	v.Green.Mute(true)
	first := make(chan int)
	go func() {
		code, _ := v.bgswitch("to", "green", "--site", "myapp")
		first <- code
	}()
	if err := nginxtest.Eventually(patience, func() error {
		if v.Green.Asked() == 0 {
			return errors.New("nobody has asked green")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if code, out := v.bgswitch("to", "green", "--site", "other", "--force"); code != exitBusy {
		t.Errorf("the second exits %d, want %d: %s", code, exitBusy, out)
	}
	v.Green.Mute(false)
	if code := <-first; code != exitDone {
		t.Errorf("the first exits %d", code)
	}
}

// killedInPlace kills switches at every stride-th of their steps; left is where
// what they leave has to be.
func (v *victim) killedInPlace(left string, stride int) {
	v.t.Helper()
	if code, out := v.bgswitch("to", "green", "--verbose"); code != exitDone || !strings.Contains(out, "in place") {
		v.t.Fatalf("exits %d, and not by writing in place: %s", code, out)
	}
	v.agree("at first", "blue")
	inode := inodeOf(v.t, v.Live)
	stop := v.steady()
	colors := []string{"green", "blue"}
	round, found := 0, 0
	v.everyStep(0, stride, func(p point) bool {
		if !soaking() && !writing[p.call] {
			return true
		}
		round++
		v.agree("before", colors[round%2])
		r := v.at(p, killed, "to", colors[(round+1)%2])
		what := "killed before " + p.String()
		v.between(what)
		found += len(v.left(left))
		v.agree(what, colors[(round/2)%2])
		if kept := append(v.left(filepath.Dir(v.Live)), v.left(filepath.Join(v.StateDir, "*"))...); len(kept) != 0 {
			v.t.Errorf("%s: left after the next switch: %v", what, kept)
		}
		return r.met
	})
	stop()
	if found == 0 {
		v.t.Errorf("no killed switch has left anything in %s", left)
	}
	if now := inodeOf(v.t, v.Live); now != inode {
		v.t.Errorf("the file is inode %d, was %d: nginx would not see it", now, inode)
	}
}

// left are the files of ours in a folder.
func (v *victim) left(folder string) []string {
	found, _ := filepath.Glob(filepath.Join(folder, ".active_upstream.conf.bgswitch-*"))
	return found
}

// writing are the calls between which a write in place stands half way; the
// others are met by a switch that exchanges files, too.
var writing = map[string]bool{"write": true, "pwrite64": true, "fsync": true, "ftruncate": true, "unlinkat": true, "renameat": true}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return statOf(info).Ino
}

// bgswitch that runs where nginx runs, in the same nested pid namespace, works
// as anywhere: there the master is process 1, and it is the right one.
func TestInsideTheNestedPIDNamespace(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root, rightstest.OwnMounts)
	v := newVictim(t)
	if err := v.Site.Nginx.Stop(); err != nil {
		t.Fatal(err)
	}
	inner := v.inNamespace()
	for _, color := range []string{"green", "blue"} {
		code, out := v.run(exec.Command("nsenter", "-t", inner, "-p", "-m", v.program, "to", color))
		if code != exitDone {
			t.Fatalf("to %s exits %d: %s", color, code, out)
		}
		if got := nginxtest.Answers(v.URL(), 20); got[color] != 20 || v.whole("inside") != color {
			t.Errorf("after the switch to %s: %v", color, got)
		}
		v.nothingLeft("inside")
	}
	if code, out := v.bgswitch("to", "green"); code != exitDone {
		t.Errorf("from outside it exits %d: %s", code, out)
	}
}
