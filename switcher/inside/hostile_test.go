package inside

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgswitch/health"
	"bgswitch/switcher/aside"
	"bgswitch/switcher/command"
	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

const live = "/etc/nginx/conf.d/app.conf"

func signalled() context.Context { return context.Background() }

// What entered is not to be found in the container, or cannot be written, even
// where the kernel runs it in the place of nginx.
func TestExecutableIsOutOfReach(t *testing.T) {
	t.Parallel()
	before := sum(t)
	for name, bounding := range map[string]uint64{"usual": usual, "every capability": ^uint64(0)} {
		t.Run(name, func(t *testing.T) {
			c := newCell(t, cellOptions{Bounding: bounding})
			c.holds("executable")
			c.write("interpreted", interpretedBy(t, "/proc/self/exe"), 0o755)
			if out, err := c.instead("interpreted").plays("executable"); err != nil || !strings.HasSuffix(out, "tried\n") || strings.Contains(out, "GOT") {
				t.Errorf("as an interpreter: %v\n%s", err, out)
			}
			c.write("script", "#!/proc/self/exe\n", 0o755)
			if out, err := c.instead("script").plays("executable"); err == nil || !strings.Contains(err.Error(), "run its program") {
				t.Errorf("as a script: %v\n%s", err, out)
			}
		})
	}
	copied, err := sealedCopy()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copied.WriteAt([]byte("overwritten"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("the copy can be written: %v", err)
	}
	if !bytes.Equal(sum(t), before) {
		t.Error("our executable was changed")
	}
}

func sum(t *testing.T) []byte {
	t.Helper()
	executable, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	all := sha256.Sum256(executable)
	return all[:]
}

// instead runs another program of the cell than its first process's.
func (c *cell) instead(path string) *cell {
	c.t.Helper()
	exe, err := os.OpenFile(filepath.Join(c.root, path), unix.O_PATH, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { exe.Close() })
	other, process := *c, *c.Process
	process.exe, other.Process = exe, &process
	return &other
}

// interpretedBy is a program that the kernel has to load another one for
// (PT_INTERP, elf(5)).
func interpretedBy(t *testing.T, interpreter string) string {
	t.Helper()
	ours, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	const header, program, base = 64, 56, uint64(0x10000000)
	at := uint64(header + 2*program)
	length := uint64(len(interpreter) + 1)
	var elf bytes.Buffer
	for _, part := range []any{
		ours[:16], uint16(2), ours[18:20], uint32(1), base, uint64(header), uint64(0), uint32(0), // e_type to e_flags
		[6]uint16{header, program, 2},
		[2]uint32{3, 4}, [6]uint64{at, base + at, base + at, length, length, 1},
		[2]uint32{1, 5}, [6]uint64{0, base, base, at + length, at + length, 0x1000},
		append([]byte(interpreter), 0),
	} {
		if err := binary.Write(&elf, binary.NativeEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return elf.String()
}

// Nothing of ours goes in.
func TestNothingOfOursGoesIn(t *testing.T) {
	left, right, err := os.Pipe() // a descriptor that somebody forgot
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	defer right.Close()
	for _, file := range []*os.File{left, right} {
		if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := sessionKeys()
	if err != nil {
		keys = -1
	}
	c := newCell(t, cellOptions{Bounding: usual})
	c.holds("descriptors")
	c.holds("kernel", fmt.Sprint(keys))
}

// Its rights are those of the first process, and no more can be had.
func TestRights(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]cellOptions{
		"root, usual":      {Bounding: usual, Filtered: true},
		"root, all":        {Bounding: ^uint64(0)},
		"root, nothing":    {Filtered: true},
		"root, given up":   {Bounding: usual, Watch: "giving up"},
		"a user":           {UID: 101, Bounding: usual},
		"a user, filtered": {UID: 101, Filtered: true},
		"a user, by file":  {UID: 101, Bounding: usual, Gives: 1 << unix.CAP_NET_BIND_SERVICE},
		"its own users":    {Bounding: usual, Users: 64001},
		"one of its own":   {UID: 101, Bounding: usual, Users: 64001},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCell(t, o)
			out, err := c.plays("rights")
			want := rightsOf(fmt.Sprint(c.pid)) + "tried\n"
			if o.Users != 0 { // as they are called inside
				want = strings.ReplaceAll(strings.ReplaceAll(want, "64102", "101"), "64001", "0")
				want = strings.ReplaceAll(want, "64008", "7")
			}
			if o.Watch != "" { // what it acts with is all that is permitted
				want = strings.ReplaceAll(want, "CapPrm [0000000000000401]", "CapPrm [0000000000000400]")
			}
			if o.Gives != 0 { // they come from here, not from the file
				for _, set := range []string{"CapInh", "CapAmb"} {
					want = strings.ReplaceAll(want, set+" [0000000000000000]", set+" [0000000000000400]")
				}
			}
			if err != nil || out != want || o.Gives != 0 && !strings.Contains(want, "CapEff [0000000000000400]") {
				t.Errorf("%v, got\n%s\nwant\n%s", err, out, want)
			}
			if o.Bounding == 0 || o.UID != 0 {
				c.holds("forbidden")
			}
			if o.Filtered {
				c.holds("system calls")
			}
		})
	}
}

// What is read of a process that becomes another one meanwhile counts for
// neither: in a user namespace of its own, or as root's program, it shows rights
// that it does not have where it was.
func TestRightsOfAnother(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Namespaces)
	refuses := func(p *Process) {
		t.Helper()
		if r, err := p.readRights(); err == nil || !strings.Contains(err.Error(), "has been replaced by another process") {
			t.Errorf("%v: %+v", err, r)
		}
	}
	t.Run("user namespace", func(t *testing.T) {
		p, changes := openChanging(t)
		changes()
		refuses(p)
	})
	t.Run("program", func(t *testing.T) {
		c := newCell(t, cellOptions{Bounding: usual, Watch: "another"})
		program, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		c.write("another", string(program), 0o755)
		c.write("tmp/told", "", 0o644)
		if line := c.hears(); line != "ready" {
			t.Fatal(line)
		}
		refuses(c.Process)
	})
}

// openChanging opens a process of one thread that enters a user namespace of its
// own when it is told to.
func openChanging(t *testing.T) (*Process, func()) {
	t.Helper()
	var told [2]int
	if err := unix.Pipe2(told[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	var b becoming
	b.does("wait", unix.SYS_READ, uintptr(told[0]), at(&b, new(byte)), 1)
	b.does("change", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	b.does("wait", unix.SYS_SELECT, 0, 0, 0, 0, 0)
	syscall.ForkLock.Lock()
	pid, errno := forked(&cloneArgs{exit: uint64(unix.SIGCHLD)}, b.calls, new([2]uint64), ^uintptr(0))
	syscall.ForkLock.Unlock()
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() {
		_ = unix.Kill(int(pid), unix.SIGKILL)
		_, _ = unix.Wait4(int(pid), nil, 0, nil)
		b.kept.Unpin()
		_, _ = unix.Close(told[0]), unix.Close(told[1])
	})
	p, err := Open(int(pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, func() {
		_, _ = unix.Write(told[1], []byte{0})
		ours, _ := os.Readlink("/proc/self/ns/user")
		err := nginxtest.Eventually(nginxtest.Patience, func() error {
			theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
			if err == nil && theirs == ours {
				err = errors.New("it is in our user namespace")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// It is where the first process is in each hierarchy of cgroups, so that it may
// use no other devices, and no more of anything.
func TestCgroups(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual})
	var all []string
	for _, hierarchy := range []string{".", "unified", "devices", "memory", "pids"} {
		root := filepath.Join("/sys/fs/cgroup", hierarchy)
		folder := filepath.Join(root, fmt.Sprintf("bgswitch-test-%d", c.pid))
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil || os.Mkdir(folder, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			if err := nginxtest.Eventually(nginxtest.Patience, func() error { return os.Remove(folder) }); err != nil {
				t.Error(err)
			}
		})
		if os.WriteFile(filepath.Join(folder, "cgroup.procs"), fmt.Append(nil, c.pid), 0) == nil {
			all = append(all, folder)
		}
	}
	t.Cleanup(func() { c.end.Close() })
	if len(all) == 0 {
		rightstest.Without(t, "the right to make a cgroup")
	}
	var err error
	if c.Process, err = Open(c.pid); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := c.plays("rights")
	if want := rightsOf(fmt.Sprint(c.pid)) + "tried\n"; err != nil || out != want || !strings.Contains(out, "bgswitch-test-") {
		t.Errorf("in %v: %v, got\n%s\nwant\n%s", all, err, out, want)
	}
}

// Where it cannot enter the one that says which devices it may use, nothing is run.
func TestNoDevicesOfTheHost(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual})
	for procs, must := range map[string]bool{"gone/cgroup.procs": true, "gone/too/cgroup.procs": false} {
		c.rights.Cgroups = []cgroup{{procs, must}}
		out, err := c.plays("descriptors")
		if must != (err != nil && strings.Contains(err.Error(), "enter its cgroup")) || must && out != "" {
			t.Errorf("%s: %v, %s", procs, err, out)
		}
	}
}

// Nothing can be run in a container that is paused, and where it is paused only
// just then, that holds nobody up.
func TestPaused(t *testing.T) {
	t.Parallel()
	for _, f := range []struct{ hierarchy, file, freeze, thaw string }{
		{".", "cgroup.freeze", "1", "0"},
		{"unified", "cgroup.freeze", "1", "0"},
		{"freezer", "freezer.state", "FROZEN", "THAWED"},
	} {
		if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", f.hierarchy, "cgroup.procs")); err != nil {
			continue // cgroups are laid out in another way here
		}
		t.Run(f.hierarchy, func(t *testing.T) {
			t.Parallel()
			c := newCell(t, cellOptions{Bounding: usual})
			folder := filepath.Join("/sys/fs/cgroup", f.hierarchy, fmt.Sprintf("bgswitch-test-%d", c.pid))
			state := filepath.Join(folder, f.file)
			if os.Mkdir(folder, 0o755) != nil {
				rightstest.Without(t, "the right to make a cgroup")
			}
			t.Cleanup(func() {
				if err := nginxtest.Eventually(nginxtest.Patience, func() error { return os.Remove(folder) }); err != nil {
					t.Error(err)
				}
			})
			if os.WriteFile(filepath.Join(folder, "cgroup.procs"), fmt.Append(nil, c.pid), 0) != nil || os.WriteFile(state, []byte(f.freeze), 0) != nil {
				rightstest.Without(t, "the right to freeze a cgroup")
			}
			t.Cleanup(func() {
				if err := os.WriteFile(state, []byte(f.thaw), 0); err != nil {
					t.Error(err)
				}
				c.end.Close()
			})
			err := nginxtest.Eventually(nginxtest.Patience, func() error {
				if !c.Paused() {
					return errors.New("it is not paused")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			p, err := Open(c.pid)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := p.Run(t.Context(), Program{}); !errors.Is(err, ErrPaused) {
				t.Errorf("got %v", err)
			}
			ended := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			go func() {
				_, err := p.run(ctx, Program{Args: []string{"play", "descriptors"}})
				ended <- err
			}()
			select {
			case err := <-ended:
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			case <-time.After(nginxtest.Patience):
				t.Error("it does not end")
			}
		})
	}
}

// A program of root's makes nobody root.
func TestNoNewPrivileges(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{UID: 101, Bounding: usual})
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	c.write("set-user-ID", string(program), 0o755|os.ModeSetuid)
	c.holds("set-user-ID")
}

// Whoever enters is seen by nobody in there.
func TestNobodySeesWhoEnters(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: ^uint64(0), Watch: "watching"})
	for range 20 {
		c.holds("descriptors")
	}
	c.end.Close()
	if line := c.hears(); line != "tried" {
		t.Error(line)
	}
}

// Where the container has the host's pids, it sees who enters, and gets hold of
// nothing.
func TestNobodyGetsHoldOfWhoEnters(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual, Watch: "hunting", HostPIDs: true})
	ctx, cancel := context.WithTimeout(t.Context(), nginxtest.Patience) // who is traced stands still
	defer cancel()
	check := health.Defaults()
	check.Attempts = 1
	for range 20 {
		c.holds("descriptors")
		c.Ask(ctx, health.Asker{}, check, []health.Backend{{Name: "nobody", Network: "tcp", Address: "127.0.0.1:1"}})
		if ctx.Err() != nil {
			t.Fatal("what asks stands still")
		}
	}
	c.end.Close()
	for line := c.hears(); line != "tried"; line = c.hears() {
		if line != "seen true" {
			t.Fatal(line)
		}
	}
}

// What is run kills nobody but itself.
func TestItKillsNobody(t *testing.T) {
	t.Parallel()
	newCell(t, cellOptions{Bounding: usual}).holds("killing")
}

// All that was started ends, however it tries to stay: with the program, with
// ctx, with us.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	t.Run("after the program", func(t *testing.T) {
		t.Parallel()
		c := newCell(t, cellOptions{Bounding: usual})
		c.holds("leaving")
		c.isAlone()
	})
	t.Run("after ctx", func(t *testing.T) {
		t.Parallel()
		c := newCell(t, cellOptions{Bounding: usual})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			c.awaits("tmp/there")
			cancel()
		}()
		out, err := c.Run(ctx, Program{Args: []string{"play", "hanging"}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v\n%s", err, out)
		}
		c.isAlone()
	})
	t.Run("after us", func(t *testing.T) {
		t.Parallel()
		c := newCell(t, cellOptions{Bounding: usual})
		caller := exec.Command("/proc/self/exe", "play", "caller", fmt.Sprint(c.pid))
		if err := caller.Start(); err != nil {
			t.Fatal(err)
		}
		c.awaits("tmp/there")
		_ = caller.Process.Kill()
		_ = caller.Wait()
		c.isAlone()
	})
}

func (c *cell) awaits(path string) {
	c.t.Helper()
	err := nginxtest.Eventually(nginxtest.Patience, func() error {
		_, err := os.Stat(filepath.Join(c.root, path))
		return err
	})
	if err != nil {
		c.t.Error(err)
	}
}

// isAlone makes sure that nobody holds on to what one that stays holds.
func (c *cell) isAlone() {
	c.t.Helper()
	file, err := os.Open(filepath.Join(c.root, "tmp/staying"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	err = nginxtest.Eventually(5*time.Second, func() error { return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		c.t.Errorf("somebody stayed: %v", err)
	}
}

// However much it says, little is kept, and the time it takes is its own.
func TestFlood(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual})
	said := command.Output{Limit: 1000}
	out, err := c.Run(t.Context(), Program{Args: []string{"play", "flooding"}, Stdout: &said})
	if err != nil || len(out) != command.OutputLimit || len(said.Bytes) != 1000 || !said.Cut {
		t.Errorf("%v; kept %d and %d bytes", err, len(out), len(said.Bytes))
	}
}

// What stands in for a file is what it was, and is there for the program alone.
func TestContentStays(t *testing.T) {
	t.Parallel()
	for name, bounding := range map[string]uint64{"usual": usual, "every capability but to mount": ^uint64(1 << unix.CAP_SYS_ADMIN)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCell(t, cellOptions{Bounding: bounding})
			c.write("tmp/another", "another", 0o644)
			content := aside.Content{Over: live, Bytes: []byte("candidate"), Mode: 0o666}
			out, err := c.Run(t.Context(), Program{Args: []string{"play", "overwriting", live}, Over: []aside.Content{content}})
			if want := "it holds \"candidate\", <nil>\ntried\n"; err != nil || string(out) != want {
				t.Errorf("%v, got\n%s\nwant\n%s", err, out, want)
			}
			if text, err := os.ReadFile(filepath.Join(c.root, live)); string(text) != "live" {
				t.Errorf("the live file holds %q, %v", text, err)
			}
		})
	}
}

// A root folder below that of the mounts is the root folder.
func TestJail(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual, Jail: true})
	content := aside.Content{Over: live, Bytes: []byte("candidate"), Mode: 0o644}
	out, err := c.Run(t.Context(), Program{Args: []string{"play", "overwriting", "/../" + live}, Over: []aside.Content{content}})
	if want := "it holds \"candidate\", <nil>\ntried\n"; err != nil || string(out) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, out, want)
	}
	c.holds("kernel", "-1")
}

// A path leads nowhere but inside, and to the file that was looked at.
func TestLinks(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual})
	conf := filepath.Join(c.root, "etc/nginx/conf.d")
	was, err := os.Stat(filepath.Join(c.root, live))
	if err != nil {
		t.Fatal(err)
	}
	judged := aside.FileOf(was)
	c.write("tmp/app.conf", "inside", 0o644)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "app.conf"), []byte("outside"), 0o644); err != nil {
		t.Fatal(err)
	}
	lays := func(was *aside.File) error {
		content := aside.Content{Over: live, Bytes: []byte("candidate"), Mode: 0o644, Was: was}
		_, err := c.Run(t.Context(), Program{Args: []string{"play", "overwriting", live}, Over: []aside.Content{content}})
		return err
	}
	if err := lays(&judged); err != nil {
		t.Errorf("as it was: %v", err)
	}
	for _, link := range []struct {
		name, to string
		want     error // of what was not looked at before
	}{
		{"inside", "/tmp", nil},
		{"outside", "../../../../../../../../.." + outside, unix.ENOENT},
		{"outside, by no ..", outside, unix.ENOENT},
		{"of /proc", "/proc/1/root/tmp", unix.EXDEV},
	} {
		if err := errors.Join(os.RemoveAll(conf), os.Symlink(link.to, conf)); err != nil {
			t.Fatal(err)
		}
		if err := lays(nil); link.want == nil && err != nil || link.want != nil && (err == nil || !strings.Contains(err.Error(), link.want.Error())) {
			t.Errorf("%s: %v, want %v", link.name, err, link.want)
		}
		if err := lays(&judged); link.want == nil && !errors.Is(err, aside.ErrMoved) {
			t.Errorf("%s, looked at before: %v", link.name, err)
		}
	}
}

// A file that is replaced while the program runs may have been read.
func TestMoved(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual})
	c.write("etc/nginx/conf.d/new", "new", 0o644)
	moved := make(chan error, 1)
	go func() {
		c.awaits("tmp/there")
		folder := filepath.Join(c.root, "etc/nginx/conf.d")
		moved <- errors.Join(os.Rename(filepath.Join(folder, "new"), filepath.Join(folder, "app.conf")), os.WriteFile(filepath.Join(c.root, "tmp/told"), nil, 0o644))
	}()
	content := aside.Content{Over: live, Bytes: []byte("candidate"), Mode: 0o644}
	out, err := c.Run(t.Context(), Program{Args: []string{"play", "until told"}, Over: []aside.Content{content}})
	if !errors.Is(err, aside.ErrMoved) || command.Exited(err) {
		t.Errorf("%v\n%s", err, out)
	}
	if err := <-moved; err != nil {
		t.Error(err)
	}
}

// A no is a no, and its words are there.
func TestRefusing(t *testing.T) {
	t.Parallel()
	c := newCell(t, cellOptions{Bounding: usual})
	out, err := c.plays("refusing")
	if !command.Exited(err) || err.Error() != "exit status 3" || out != "no\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// Only root enters anything, and nobody by hand.
func TestNobodyEnters(t *testing.T) {
	if !rightstest.InsideNobody(t) {
		return
	}
	if _, err := Open(os.Getpid()); !errors.Is(err, ErrRights) {
		t.Error(err)
	}
	args := os.Args
	defer func() { os.Args = args }()
	os.Args = []string{name}
	Main() // and it comes back
}
