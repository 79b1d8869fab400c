package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"bgswitch/switcher/journal"
	"bgswitch/switcher/nginxtest"

	"golang.org/x/sys/unix"
)

// exits runs a program of which exactly one exit code is right: testscript
// itself knows success and failure only.
func (s *stand) exits(args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return errUse
	}
	err = s.ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == want, err == nil && want == 0:
		return nil
	case err == nil:
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("%s: %w, want exit status %d", strings.Join(args[1:], " "), err, want)
}

// remedies are the commands of ours that are named to be typed next.
var remedies = regexp.MustCompile("(?m)`(?:sudo (?:env )?|doas (?:env -u DOAS_USER )?)?(bgswitch [^`]*)`|fix it: (?:sudo (?:env )?|doas (?:env -u DOAS_USER )?)?(bgswitch .*)$")

// remedy pastes a command that was just named into a shell that knows nothing
// of the first one; sudo's part in it, where there is one, is done.
func (s *stand) remedy(args []string) error {
	said := s.ts.ReadFile("stderr") + s.ts.ReadFile("stdout")
	for _, named := range remedies.FindAllStringSubmatch(said, -1) {
		lacks := func(word string) bool { return !strings.Contains(named[0], word) }
		if !slices.ContainsFunc(args[1:], lacks) {
			return s.exits([]string{args[0], "sh", "-c", "unset BGSWITCH_CONFIG; " + named[1] + named[2]})
		}
	}
	return fmt.Errorf("no command with %q in it is named", args[1:])
}

// background is a program that runs on.
type background struct {
	command        *exec.Cmd
	stdout, stderr output
	ended          chan struct{}
}

func (b *background) printed() string { return b.stdout.String() }
func (b *background) said() string    { return b.stderr.String() }

// output is what a program says, also while it runs.
type output struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.text.String()
}

func (b *background) kill() error {
	err := b.command.Process.Kill()
	<-b.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// passedOn are the variables that a program in the background gets.
var passedOn = []string{"PATH", "HOME", "TMPDIR", "WORK", "TERM", "TZ", "LC_ALL", "BGSWITCH_CONFIG", "GOCOVERDIR"}

func (s *stand) start(args []string) error {
	name := args[0]
	if s.running[name] != nil {
		return fmt.Errorf("%s runs already", name)
	}
	path := args[1]
	if path == "bgswitch" {
		path = s.ts.Getenv("BGSWITCH")
	}
	b := &background{command: exec.Command(path, args[2:]...), ended: make(chan struct{})}
	b.command.Dir, b.command.Stdout, b.command.Stderr = s.dir, &b.stdout, &b.stderr
	for _, variable := range passedOn {
		if value := s.ts.Getenv(variable); value != "" {
			b.command.Env = append(b.command.Env, variable+"="+value)
		}
	}
	if err := b.command.Start(); err != nil {
		return err
	}
	go func() {
		defer close(b.ended)
		_ = b.command.Wait()
	}()
	s.running[name] = b
	s.ts.Setenv(name, strconv.Itoa(b.command.Process.Pid))
	return nil
}

func (s *stand) ended(args []string) error {
	want, err := strconv.Atoi(args[0])
	b := s.running[args[1]]
	if err != nil || b == nil {
		return errUse
	}
	select {
	case <-b.ended:
	case <-time.After(patience):
		return fmt.Errorf("%s does not end", args[1])
	}
	delete(s.running, args[1])
	fmt.Fprint(s.ts.Stdout(), b.stdout.String())
	fmt.Fprint(s.ts.Stderr(), b.stderr.String())
	if got := b.command.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("%s: exit status %d, want %d", args[1], got, want)
	}
	return nil
}

// told waits until a program in the background has said something.
func (s *stand) told(args []string) error { return s.waitFor(args[0], args[1], (*background).said) }

// grabbed waits until a program of asNobody's has locked what it could.
func (s *stand) grabbed(args []string) error {
	return s.waitFor(args[0], "^that is all$", (*background).printed)
}

func (s *stand) waitFor(name, pattern string, of func(*background) string) error {
	b := s.running[name]
	wanted, err := regexp.Compile("(?m)" + pattern)
	if err != nil || b == nil {
		return errUse
	}
	return nginxtest.Eventually(patience, func() error {
		if text := of(b); !wanted.MatchString(text) {
			return fmt.Errorf("%s has said %q", name, text)
		}
		return nil
	})
}

// locked waits until a program of ours has left its name in the lock.
func (s *stand) locked(args []string) error {
	pid := s.ts.Getenv(args[0])
	return nginxtest.Eventually(patience, func() error {
		text, err := os.ReadFile(s.lockFile())
		if err == nil && !strings.Contains(string(text), `"pid":`+pid+",") {
			err = fmt.Errorf("the lock holds %q, want pid %s", text, pid)
		}
		return err
	})
}

// queue starts a program in the background and waits until it has tried the
// lock, which somebody else holds: it opens the lock's file for that.
func (s *stand) queue(args []string) error {
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, s.lockFile(), unix.IN_OPEN); err != nil {
		return err
	}
	if err := s.start(args); err != nil {
		return err
	}
	ready := []unix.PollFd{{Fd: int32(watch), Events: unix.POLLIN}}
	n, err := unix.Poll(ready, int(patience.Milliseconds()))
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(ready, int(patience.Milliseconds()))
	}
	if err == nil && n == 0 {
		err = fmt.Errorf("%s does not try the lock", args[0])
	}
	return err
}

func (s *stand) pid(of string) (int, error) {
	if s.running[of] != nil {
		return s.running[of].command.Process.Pid, nil
	}
	return strconv.Atoi(of)
}

func (s *stand) signal(args []string) error {
	pid, err := s.pid(args[0])
	if err != nil {
		return err
	}
	sig := unix.SignalNum("SIG" + args[1])
	if sig == 0 || pid <= 1 {
		return errUse
	}
	return syscall.Kill(pid, sig)
}

func (s *stand) titled(args []string) error {
	pid, err := s.pid(args[0])
	if err != nil {
		return err
	}
	return nginxtest.Eventually(patience, func() error {
		title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && !strings.HasPrefix(string(title), args[1]) {
			err = fmt.Errorf("process %d is %q", pid, title)
		}
		return err
	})
}

func (s *stand) alive(args []string) error {
	pid, err := s.pid(args[0])
	if err != nil {
		return err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil && strings.Contains(string(stat), ") Z ") {
		err = fmt.Errorf("process %d has ended", pid)
	}
	return err
}

// there waits for a file that a program leaves.
func (s *stand) there(args []string) error {
	return nginxtest.Eventually(patience, func() error {
		_, err := os.Stat(s.ts.MkAbs(args[0]))
		return err
	})
}

// gone waits until a process is, whose pid a file holds.
func (s *stand) gone(args []string) error {
	pid := strings.TrimSpace(s.ts.ReadFile(args[0]))
	return nginxtest.Eventually(patience, func() error {
		if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
			return fmt.Errorf("process %s is still there", pid)
		}
		return nil
	})
}

// json finds a value in the JSON that was printed.
func (s *stand) json(args []string) error {
	var value any
	if err := json.Unmarshal([]byte(s.ts.ReadFile("stdout")), &value); err != nil {
		return fmt.Errorf("stdout is no JSON: %w", err)
	}
	for key := range strings.SplitSeq(args[0], ".") {
		switch at := value.(type) {
		case map[string]any:
			value = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(at) {
				return fmt.Errorf("no %q in a list of %d", key, len(at))
			}
			value = at[i]
		default:
			return fmt.Errorf("no %q in %v", key, value)
		}
	}
	if got := fmt.Sprint(value); got != args[1] {
		return fmt.Errorf("%s is %q, want %q", args[0], got, args[1])
	}
	return nil
}

// lockFile is where the lock of the live file stands.
func (s *stand) lockFile() string {
	return journal.Place{Folder: filepath.Dir(s.main.Live), Live: s.main.Live}.Path()
}
