package inside

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// play is what this test does as the program of a cell, by its name. It says GOT
// of what must not come about, and "tried" at its end.
func play(what string, args []string) {
	if what == "container" {
		fmt.Println(contain(args[0], args[1]))
		return
	}
	map[string]func(args []string){
		"waiting":      playWaiting,
		"watching":     playWatching,
		"hunting":      playHunting,
		"giving up":    playGivingUp,
		"another":      playAnother,
		"executable":   playExecutable,
		"descriptors":  playDescriptors,
		"rights":       playRights,
		"forbidden":    playForbidden,
		"system calls": playSystemCalls,
		"kernel":       playKernel,
		"set-user-ID":  playSetUserID,
		"killing":      playKilling,
		"hanging":      playHanging,
		"leaving":      playLeaving,
		"staying":      playStaying,
		"flooding":     playFlooding,
		"overwriting":  playOverwriting,
		"until told":   playUntilTold,
		"refusing":     playRefusing,
		"caller":       playCaller,
	}[what](args)
}

func tried(what string, err error) {
	if err == nil {
		fmt.Println("GOT", what)
	}
}

func done() { fmt.Println("tried") }

// playWaiting is a master.
func playWaiting([]string) {
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// playGivingUp is a master that may do less than it could have again.
func playGivingUp([]string) {
	data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_NET_BIND_SERVICE, Permitted: 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_CHOWN}}
	var b becoming
	header, sets := at(&b, &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}), at(&b, &data[0])
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, header, sets, 0); errno != 0 {
		fmt.Println(errno)
	}
	playWaiting(nil)
}

// playAnother is a master that becomes another program when it is told to.
func playAnother([]string) {
	fmt.Println("ready")
	awaited("/tmp/told")
	fmt.Println(syscall.Exec("/another", []string{"nginx: master process", "play", "waiting"}, nil))
}

// playWatching is a master that looks for whoever enters its container.
func playWatching([]string) {
	untilTheEnd(others)
	done()
}

// untilTheEnd does something again and again in a master.
func untilTheEnd(do func()) {
	ended := make(chan bool)
	go func() {
		playWaiting(nil)
		close(ended)
	}()
	for {
		do()
		select {
		case <-ended:
			return
		default:
		}
	}
}

// playHunting is a master that tries to get hold of whoever enters.
func playHunting([]string) {
	seen := false
	untilTheEnd(func() {
		processes, _ := filepath.Glob("/proc/[0-9]*")
		for _, process := range processes {
			// One with two pids is about to be the container's own program.
			title, _ := os.ReadFile(process + "/cmdline")
			status, _ := readStatus(process + "/status")
			if string(title) != name+"\x00" || len(status.fields("NSpid")) != 1 {
				continue
			}
			seen = true
			for _, file := range []string{"/exe", "/root", "/cwd", "/fd/0", "/fd/1", "/fd/3", "/fd/4"} {
				_, err := os.Open(process + file)
				tried(process+file, err)
			}
			if maps, _ := os.ReadFile(process + "/maps"); len(maps) > 0 { // of one that ends they are empty
				fmt.Println("GOT", process+"/maps")
			}
			pid, _ := strconv.Atoi(filepath.Base(process))
			_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0)
			if errno == 0 {
				fmt.Println("GOT", process, "traced")
			}
		}
	})
	fmt.Println("seen", seen)
	done()
}

// others are the processes to be seen beside the first one, which this is.
func others() {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if process != "/proc/1" {
			fmt.Println("GOT a process to look at:", process)
		}
	}
}

// playExecutable tries to write every program but its own that it can see.
func playExecutable([]string) {
	own, _ := os.Stat("/nginx")
	processes, _ := filepath.Glob("/proc/[0-9]*/exe")
	maps, _ := filepath.Glob("/proc/self/map_files/*")
	parents := fmt.Sprintf("/proc/%d/exe", os.Getppid())
	for _, path := range slices.Concat(processes, maps, []string{"/proc/self/exe", parents, "/proc/self/fd/3"}) {
		info, err := os.Stat(path)
		if err != nil || os.SameFile(info, own) {
			continue
		}
		name, _ := os.Readlink(path)
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteAt([]byte("overwritten"), 0)
		}
		tried(path+" written, which is "+name, err)
	}
	done()
}

// playDescriptors looks for more than three pipes, one of them at its end, and
// for more of an environment than the usual path.
func playDescriptors([]string) {
	for fd := range 1024 {
		link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && (fd > 2 || !strings.HasPrefix(link, "pipe:")) {
			fmt.Println("GOT descriptor", fd, link)
		}
	}
	if n, err := os.Stdin.Read(make([]byte, 1)); err != io.EOF {
		fmt.Println("GOT input", n, err)
	}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PATH=") {
			fmt.Println("GOT", variable)
		}
	}
	done()
}

// rightsShown are the lines of proc_pid_status(5) that playRights shows.
var rightsShown = []string{"Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp"}

func playRights([]string) {
	fmt.Print(rightsOf("self"))
	done()
}

func rightsOf(process string) string {
	var shown strings.Builder
	status, _ := readStatus("/proc/" + process + "/status")
	for _, name := range rightsShown {
		fmt.Fprintln(&shown, name, status.fields(name))
	}
	limits, _ := os.ReadFile("/proc/" + process + "/limits")
	cgroups, _ := os.ReadFile("/proc/" + process + "/cgroup")
	return shown.String() + string(limits) + string(cgroups)
}

// playForbidden tries what takes a capability.
func playForbidden([]string) {
	tried("a mount", unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""))
	tried("a device", unix.Mknod("/tmp/sda", unix.S_IFBLK|0o600, 8<<8))
	tried("another root folder", unix.Chroot("/tmp"))
	tried("another name of the machine", unix.Sethostname([]byte("mine")))
	tried("another user", unix.Setresuid(1, 1, 1))
	tried("another's file", os.Chown("/tmp", 5, 5))
	_, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	tried("a raw socket", err)
	done()
}

// playSystemCalls tries what a runtime refuses to everybody.
func playSystemCalls([]string) {
	attributes := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	tried("users of its own", (&exec.Cmd{Path: "/nginx", Args: []string{"nginx", "play", "refusing"}, SysProcAttr: attributes}).Start())
	tried("users of its own", unix.Unshare(unix.CLONE_NEWUSER))
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	tried("keys", err)
	_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
	tried("a ring", wasRefused(errno))
	_, _, errno = unix.Syscall(unix.SYS_USERFAULTFD, 1, 0, 0)
	tried("page faults", wasRefused(errno))
	done()
}

// wasRefused is nil where a call was looked at more closely.
func wasRefused(errno syscall.Errno) error {
	if errno == unix.EPERM {
		return errno
	}
	return nil
}

// playKernel looks for files of the kernel's, and for what it shares with whoever
// entered: a session, keys.
func playKernel(args []string) {
	for _, path := range []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/kcore", "/proc/keys"} {
		_, err := os.Stat(path)
		tried(path, err)
	}
	others()
	tried("a file in /proc to write", unix.Access("/proc/self/oom_score_adj", unix.W_OK))
	if sid, _ := unix.Getsid(0); sid != os.Getpid() {
		fmt.Println("GOT a session", sid)
	}
	if keys, _ := sessionKeys(); strconv.Itoa(keys) == args[0] {
		fmt.Println("GOT keys", keys)
	}
	done()
}

func sessionKeys() (int, error) {
	return unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
}

func playSetUserID([]string) {
	out, err := exec.Command("/set-user-ID", "play", "rights").CombinedOutput()
	fmt.Printf("%s%v\n", out, err)
	if strings.Contains(string(out), "Uid [101 0") || !strings.Contains(string(out), "Uid [101 101 101 101]") {
		fmt.Println("GOT another user")
	}
	done()
}

// playKilling kills all that it can.
func playKilling([]string) {
	for _, pid := range []int{0, -1, os.Getppid()} {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	done()
}

// playStaying stays, whatever happens, and holds what it was given.
func playStaying([]string) {
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	file, err := os.Create("/tmp/staying")
	if err == nil {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
	}
	if err == nil {
		err = os.WriteFile("/tmp/there", nil, 0o600)
	}
	fmt.Println(err)
	for {
		time.Sleep(time.Hour)
	}
}

func leaveOneBehind() {
	staying := exec.Command("/nginx", "play", "staying")
	staying.Stdout, staying.Stderr = os.Stdout, os.Stderr
	staying.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := staying.Start(); err != nil {
		fmt.Println(err)
	}
	awaited("/tmp/there")
}

func awaited(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func playLeaving([]string) {
	leaveOneBehind()
	done()
}

func playHanging([]string) {
	signal.Ignore(unix.SIGTERM)
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	leaveOneBehind()
	for {
		time.Sleep(time.Hour)
	}
}

func playFlooding([]string) {
	much := []byte(strings.Repeat("\x1b]0;mine\a", 1<<17))
	for range 1 << 30 / len(much) {
		_, _ = os.Stdout.Write(much)
	}
	_, _ = os.Stderr.Write(much)
	done()
}

// playOverwriting tries to get at what stands in for a file.
func playOverwriting(args []string) {
	path := args[0]
	_, err := os.OpenFile(path, os.O_WRONLY, 0)
	tried("it, open", err)
	tried("it, cut", os.Truncate(path, 0))
	tried("its mode", os.Chmod(path, 0o777))
	tried("it, removed", os.Remove(path))
	tried("another in its place", os.Rename("/tmp/another", path))
	text, err := os.ReadFile(path)
	fmt.Printf("it holds %q, %v\n", text, err)
	done()
}

func playUntilTold([]string) {
	_ = os.WriteFile("/tmp/there", nil, 0o600)
	awaited("/tmp/told")
	done()
}

func playRefusing([]string) {
	fmt.Fprintln(os.Stderr, "no")
	os.Exit(3)
}

// playCaller runs something inside, on the host, until it is killed.
func playCaller(args []string) {
	pid, _ := strconv.Atoi(args[0])
	p, err := Open(pid)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := p.Run(signalled(), Program{Args: []string{"play", "hanging"}})
	fmt.Println(string(out), err)
}
