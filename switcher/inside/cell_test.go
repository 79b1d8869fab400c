package inside

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// What a runtime lets root in a container do (moby's default capabilities).
const usual = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID | 1<<unix.CAP_KILL |
	1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETPCAP | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW |
	1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_MKNOD | 1<<unix.CAP_AUDIT_WRITE | 1<<unix.CAP_SETFCAP

// cellOptions are a cell's.
type cellOptions struct {
	UID      int
	Bounding uint64
	Filtered bool   // its system calls are, as a runtime filters them
	Watch    string // what its first process plays; empty: it waits
	HostPIDs bool   // it has those of the host
	Jail     bool   // its root folder is below that of its mounts
	Gives    uint32 // capabilities that its program gives whoever runs it
	Users    int    // the user of the host whose own users it has; 0: it has ours
}

// cell is a hostile container: its program is this test, which plays what its
// arguments say.
type cell struct {
	*Process
	t    *testing.T
	root string // its root folder, on the host
	pid  int
	said *bufio.Reader // by its first process
	end  io.Closer     // ends it
}

func newCell(t *testing.T, o cellOptions) *cell {
	t.Helper()
	rightstest.Needs(t, rightstest.Namespaces)
	if !static() {
		rightstest.Without(t, "a test that runs without a C library (CGO_ENABLED=0)")
	}
	c := &cell{t: t, root: rightstest.OpenFolder(t)}
	if o.Jail {
		c.root += "/jail"
	}
	for _, folder := range []string{"proc", "dev", "tmp", "etc/nginx/conf.d"} {
		if err := os.MkdirAll(filepath.Join(c.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.write("etc/nginx/conf.d/app.conf", "live", 0o644)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	c.write("nginx", string(program), 0o755)
	c.write("dev/null", "", 0o666)
	if err := nginxtest.GiveAway(c.root, o.Users); err != nil {
		t.Fatal(err)
	}
	if o.Gives != 0 {
		given := make([]byte, 20) // struct vfs_cap_data of the kernel's include/uapi/linux/capability.h
		binary.LittleEndian.PutUint32(given, 0x02000001)
		binary.LittleEndian.PutUint32(given[4:], o.Gives)
		if err := unix.Setxattr(filepath.Join(c.root, "nginx"), "security.capability", given, 0); err != nil {
			rightstest.Without(t, "a file system that keeps the capabilities of files")
		}
	}
	options, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	first := exec.Command("/proc/self/exe", "play", "container", c.root, string(options))
	first.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS}
	if o.HostPIDs {
		first.SysProcAttr.Cloneflags &^= syscall.CLONE_NEWPID
	}
	first.Stderr = os.Stderr
	if o.Users != 0 {
		first.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		first.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: o.Users, Size: 200}}
		first.SysProcAttr.GidMappings = first.SysProcAttr.UidMappings
		first.SysProcAttr.GidMappingsEnableSetgroups = true
		first.SysProcAttr.Credential = &syscall.Credential{}
	}
	stdin, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = first.Process.Kill()
		_ = first.Wait()
	})
	c.pid, c.said, c.end = first.Process.Pid, bufio.NewReader(stdout), stdin
	if line := c.hears(); line != "ready" {
		t.Fatalf("the cell said %q", line)
	}
	if c.Process, err = Open(c.pid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// static says that the kernel loaded no other program to run this one (AT_BASE,
// getauxval(3)).
func static() bool {
	vector, err := unix.Auxv()
	return err == nil && !slices.ContainsFunc(vector, func(v [2]uintptr) bool { return v[0] == 7 && v[1] != 0 })
}

func (c *cell) write(path, content string, mode os.FileMode) {
	c.t.Helper()
	path = filepath.Join(c.root, path)
	if err := nginxtest.WriteRunnable(path, []byte(content), mode); err != nil {
		c.t.Fatal(err)
	}
}

// hears is the next line of the first process.
func (c *cell) hears() string {
	line, _ := c.said.ReadString('\n')
	return strings.TrimSpace(line)
}

// plays runs the cell's program, to play something.
func (c *cell) plays(what string, over ...string) (string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), nginxtest.Patience)
	defer cancel()
	out, err := c.Run(ctx, Program{Args: append([]string{"play", what}, over...)})
	return string(out), err
}

// holds makes sure that what was tried did not come about.
func (c *cell) holds(what string, args ...string) {
	c.t.Helper()
	out, err := c.plays(what, args...)
	if err != nil || !strings.HasSuffix(out, "tried\n") || strings.Contains(out, "GOT") {
		c.t.Errorf("%s: %v\n%s", what, err, out)
	}
}

// contain makes a container of this process, and becomes its program.
func contain(root, options string) error {
	runtime.LockOSThread()
	var o cellOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	top := root
	if o.Jail {
		top = filepath.Dir(root)
	}
	for _, m := range []struct {
		what, at, kind string
		flags          uintptr
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{top, top, "", unix.MS_BIND},
		{"proc", root + "/proc", "proc", 0},
		{"/dev/null", root + "/dev/null", "", unix.MS_BIND},
	} {
		if err := unix.Mount(m.what, m.at, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	for _, err := range []error{unix.Chdir(top), unix.PivotRoot(".", "."), unix.Unmount(".", unix.MNT_DETACH), unix.Chdir("/")} {
		if err != nil {
			return err
		}
	}
	if o.Jail {
		for _, err := range []error{unix.Chroot("/jail"), unix.Chdir("/")} {
			if err != nil {
				return err
			}
		}
	}
	if err := confine(o); err != nil {
		return err
	}
	return syscall.Exec("/nginx", []string{"nginx: master process", "play", cmp.Or(o.Watch, "waiting")}, []string{"OURS=the container's"})
}

func confine(o cellOptions) error {
	last, err := lastCapability()
	if err != nil {
		return err
	}
	for one := range last + 1 {
		if o.Bounding>>one&1 == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, one, 0, 0, 0); err != nil {
				return err
			}
		}
	}
	unix.Umask(0o027)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 99, Max: 100}); err != nil {
		return err
	}
	if o.Filtered {
		allow := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
		if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, 1, 0, at(&becoming{}, &unix.SockFprog{Len: 1, Filter: &allow[0]})); errno != 0 {
			return errno
		}
	}
	if o.UID == 0 {
		return nil
	}
	if err := unix.Setgroups([]int{o.UID, 7}); err != nil {
		return err
	}
	if err := unix.Setresgid(o.UID, o.UID, o.UID); err != nil {
		return err
	}
	return unix.Setresuid(o.UID, o.UID, o.UID)
}
