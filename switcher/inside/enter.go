package inside

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"bgswitch/switcher/aside"
	"bgswitch/switcher/root"

	"golang.org/x/sys/unix"
)

// entrance is the sealed copy on its way in. Its thread is in the container at
// last, its other threads never are.
type entrance struct {
	*runRequest
	host    int // the host's /proc
	own     int // its thread-self/ns
	cgroups []joining
	trees   []int // contents, to be mounted
	laid    []os.FileInfo
	root    int // as mounted for us alone
	cwd     int
}

// joining is a cgroup to join, by a file of the host.
type joining struct {
	procs *os.File
	must  bool
}

// given is the descriptor of a request.
func given(n int) int { return givenFD + n }

// Of a runRequest.
var givenRoot, givenCwd, givenExe, givenSpaces = given(0), given(1), given(2), given(3)

func (r *runRequest) serve(ctx context.Context) (answer, int) {
	runtime.LockOSThread()
	e := &entrance{runRequest: r}
	for _, step := range []func() error{e.open, e.stage, e.enter, e.layOver} {
		if err := step(); err != nil {
			return answer{Cannot: err.Error(), Moved: errors.Is(err, aside.ErrMoved)}, 1
		}
	}
	program, err := e.start(ctx)
	if err != nil {
		return answer{Cannot: err.Error()}, 1
	}
	defer context.AfterFunc(ctx, program.end)()
	status, err := program.wait()
	if err != nil {
		return answer{Cannot: err.Error()}, 1
	}
	a := answer{Done: true, Moved: e.moved()}
	if status.Signaled() {
		a.Signal = int(status.Signal())
		return a, 1
	}
	return a, status.ExitStatus()
}

// open opens what is found on the host only.
func (e *entrance) open() (err error) {
	if e.host, err = folder("/proc"); err != nil {
		return err
	}
	if e.own, err = folder("/proc/thread-self/ns"); err != nil {
		return err
	}
	for _, c := range e.Rights.Cgroups {
		procs, err := os.OpenFile(filepath.Join("/sys/fs/cgroup", c.Procs), os.O_WRONLY, 0)
		if err != nil && c.Must {
			return fmt.Errorf("enter its cgroup: %w", err)
		}
		if err == nil {
			e.cgroups = append(e.cgroups, joining{procs, c.Must})
		}
	}
	return nil
}

// stage turns contents into trees that can be mounted anywhere, among mounts of
// the host's that nobody else sees. Nobody can write them any more.
func (e *entrance) stage() error {
	if err := aside.PrivateMounts(); err != nil {
		return err
	}
	for _, content := range e.Over {
		if content.Folder != "" {
			e.trees = append(e.trees, -1)
			continue
		}
		err := aside.OnStage(content, func(path string) error {
			if err := unix.Mount("none", filepath.Dir(path), "", unix.MS_REMOUNT|unix.MS_RDONLY|aside.StageFlags, ""); err != nil {
				return err
			}
			tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
			e.trees = append(e.trees, tree)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// enter goes to the namespaces, all but that of the users, to the root folder
// and to the working folder, in mounts of our own.
func (e *entrance) enter() error {
	for i, flag := range e.Spaces {
		if flag == unix.CLONE_NEWUSER {
			continue
		}
		if err := unix.Setns(givenSpaces+i, flag); err != nil {
			return fmt.Errorf("enter its namespaces: %w", err)
		}
	}
	if err := goTo(givenRoot, givenCwd); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	var err error
	if e.root, err = folder("/"); err != nil {
		return err
	}
	if e.cwd, err = folder("."); err != nil {
		return err
	}
	return e.makePrivate()
}

// makePrivate keeps the mounts to come from everybody else. The whole namespace
// is reached by its own root folder alone: setns(2) leads there.
func (e *entrance) makePrivate() error {
	own, err := unix.Openat(e.own, "mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Setns(own, unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return goTo(e.root, e.cwd)
}

func goTo(root, cwd int) error {
	if err := unix.Fchdir(root); err != nil {
		return fmt.Errorf("enter its root folder: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("enter its root folder: %w", err)
	}
	if err := unix.Fchdir(cwd); err != nil {
		return fmt.Errorf("enter its working folder: %w", err)
	}
	return nil
}

func folder(path string) (int, error) {
	return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// find follows a path as it is followed inside, and no link of /proc.
func (e *entrance) find(path string, flags int) (*os.File, error) {
	return root.OpenBelow(e.root, path, flags|unix.O_PATH|unix.O_CLOEXEC, unix.RESOLVE_IN_ROOT)
}

// layOver mounts each content over its file.
func (e *entrance) layOver() error {
	for i, content := range e.Over {
		if content.Folder != "" {
			var err error
			if e.trees[i], err = e.copyOf(content.Folder); err != nil {
				return err
			}
		}
		if err := e.mount(e.trees[i], content); err != nil {
			return err
		}
		info, err := e.look(content.Over)
		if err != nil {
			return err
		}
		e.laid = append(e.laid, info)
	}
	return nil
}

// mount goes by a descriptor: no link leads anywhere between looking and
// mounting.
func (e *entrance) mount(tree int, content aside.Content) error {
	over, err := e.find(content.Over, 0)
	if err != nil {
		return err
	}
	defer over.Close()
	info, err := over.Stat()
	if err != nil {
		return err
	}
	if content.Was != nil && *content.Was != aside.FileOf(info) {
		return aside.ErrMoved
	}
	if err := unix.MoveMount(tree, "", int(over.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount over %s: %w", content.Over, err)
	}
	return nil
}

// copyOf is a folder of the container's as one that can be mounted elsewhere.
func (e *entrance) copyOf(path string) (int, error) {
	found, err := e.find(path, unix.O_DIRECTORY)
	if err != nil {
		return 0, err
	}
	defer found.Close()
	return unix.OpenTree(int(found.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

func (e *entrance) look(path string) (os.FileInfo, error) {
	file, err := e.find(path, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// moved says that a path does not lead to its content any more.
func (e *entrance) moved() bool {
	for i, content := range e.Over {
		if now, err := e.look(content.Over); err != nil || !os.SameFile(e.laid[i], now) {
			return true
		}
	}
	return false
}

// start runs the program. What it prints belongs to its user, who may have to
// open it once more by /dev/stderr.
func (e *entrance) start(ctx context.Context) (child, error) {
	for _, fd := range []int{1, 2} {
		if err := unix.Fchown(fd, e.Rights.UIDs[1], e.Rights.GIDs[1]); err != nil {
			return child{}, fmt.Errorf("give its output to it: %w", err)
		}
	}
	stdin, err := empty()
	if err != nil {
		return child{}, err
	}
	proc := -1
	if folder, err := e.find("/proc", unix.O_DIRECTORY|unix.O_NOFOLLOW); err == nil {
		proc = int(folder.Fd())
		defer folder.Close()
	}
	var alive [2]int
	if err := unix.Pipe2(alive[:], unix.O_CLOEXEC); err != nil {
		return child{}, err
	}
	users := -1
	if last := len(e.Spaces) - 1; e.Spaces[last] == unix.CLONE_NEWUSER {
		users = givenSpaces + last
	}
	var b becoming
	defer b.kept.Unpin()
	b.stayOurs(alive)
	b.belong(e.cgroups)
	b.leaveOurs()
	b.seeItself(proc, e.cwd)
	b.limit(e.Rights)
	b.label(e.Rights.Label, e.host)
	b.be(e.Rights, users)
	b.run(givenExe, stdin, e.Argv, e.Rights.Filtered)
	return fork(ctx, b.calls)
}

// empty is a pipe that has ended. The host's /dev/null is a file of the host's:
// root inside could change its mode.
func empty() (int, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	return pipe[0], unix.Close(pipe[1])
}
