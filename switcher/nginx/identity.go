package nginx

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"bgswitch/switcher/root"
)

// isMaster is what a process has to show to be a master of this configuration.
// Its title alone shows nothing: anybody may choose one. The error says what is
// different.
func (n *Nginx) isMaster(p process, mayRun func(user int) bool) error {
	sure, err := n.isOurs(p)
	if err != nil {
		return err
	}
	id, err := userOf(p.id.pid)
	if err != nil {
		return err
	}
	if !mayRun(id) || !sure && id != 0 && id != os.Geteuid() {
		return fmt.Errorf("process %d belongs to user %d, who has no rights over this configuration", p.id.pid, id)
	}
	return n.sameConfiguration(p)
}

// mayRun says which users' masters count: root's, our own, and those of the
// pid file's owner, or of its folder's, who could make it.
func mayRun(pidFile string) func(user int) bool {
	info, err := os.Stat(pidFile)
	if err != nil {
		info, err = os.Stat(filepath.Dir(pidFile))
	}
	return func(id int) bool {
		return id == 0 || id == os.Geteuid() || err == nil && id == int(info.Sys().(*syscall.Stat_t).Uid)
	}
}

// mayServe says whether a worker runs as the configuration would have it.
func (n *Nginx) mayServe(worker process, mayRun func(user int) bool) bool {
	id, err := userOf(worker.id.pid)
	if err != nil || mayRun(id) {
		return err == nil
	}
	if n.Within != nil { // whose names are not ours
		return false
	}
	name, _ := n.directive("user")
	if name == "" {
		built, _ := n.paths()
		name = built.user
	}
	account, err := user.Lookup(name)
	return err == nil && account.Uid == strconv.Itoa(id)
}

// isOurs says whether a process is one of our nginx, whatever its configuration:
// on this host none of a container, of a chroot or of another build. It is not
// sure where the executable cannot be compared: an ordinary user may not
// look at that of another user's process, nor at its root folder.
func (n *Nginx) isOurs(p process) (sure bool, err error) {
	if n.Within != nil {
		return true, n.isThere(p)
	}
	err = apart(p.id.pid)
	switch {
	case errors.Is(err, fs.ErrPermission):
		_, err := n.runsOurBinary(p, n.parseTitle(p.title, root.Root{}).binary)
		return false, err
	case err != nil:
		return false, err
	}
	return n.runsOurBinary(p, fmt.Sprintf("/proc/%d/exe", p.id.pid))
}

// apart is nil for a process that runs among ours and below our root folder. The
// error wraps ErrNotHere where it does not, fs.ErrPermission where we may not
// look at its root folder.
func apart(pid int) error {
	elsewhere := func(what string) error {
		return marked{fmt.Errorf("process %d runs in another %s", pid, what), ErrNotHere}
	}
	switch {
	case !samePIDNamespace(pid):
		return elsewhere("pid namespace (a container)")
	case root.Differs(pid, "user"):
		return elsewhere("user namespace (a container)")
	}
	same, err := sameFile(fmt.Sprintf("/proc/%d/root", pid), "/")
	if !same && (err == nil || errors.Is(err, fs.ErrPermission) && !sameRootMount(pid)) {
		return elsewhere("root folder (a container or a chroot)")
	}
	return err
}

// sameRootMount is for those who may not follow a process's root folder: below
// another one its table of mounts names another for `/`, or none
// (proc_pid_mountinfo(5)).
func sameRootMount(pid int) bool {
	theirs, err := rootMount(strconv.Itoa(pid))
	ours, errOurs := rootMount("self")
	return err != nil || errOurs != nil || theirs == ours
}

func rootMount(process string) (found string, err error) {
	text, err := readProc("/proc/" + process + "/mountinfo")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "/" {
			found = fields[2] + " " + fields[3] // the device, and the folder of it
		}
	}
	return found, err
}

// runsOurBinary compares executables by device and inode; one that a package
// has replaced since is known by its name. Nothing is sure of a title that tells
// no path, nor where our binary is a script, which may run any nginx.
func (n *Nginx) runsOurBinary(p process, exe string) (sure bool, err error) {
	binary, err := findBinary(n.Binary)
	if err != nil || !filepath.IsAbs(exe) {
		return false, err
	}
	if same, _ := sameFile(exe, binary); same {
		return true, nil
	}
	if link, err := os.Readlink(exe); err == nil {
		exe = link
	}
	if path, replaced := strings.CutSuffix(exe, " (deleted)"); replaced && path == resolved(binary) {
		return true, nil
	}
	if isScript(binary) {
		return false, nil
	}
	return false, fmt.Errorf("process %d runs %s, not %s", p.id.pid, exe, binary)
}

// mayBeOfAnotherBuild: a master that tells neither a path nor a configuration
// runs with the one built in, and whose that is only its executable says.
func (n *Nginx) mayBeOfAnotherBuild(p process) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.id.pid))
	if !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(p.title, masterTitle) {
		return false
	}
	line := n.parseTitle(p.title, root.Root{})
	return !filepath.IsAbs(line.binary) && line.conf == ""
}

func isScript(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	var begin [2]byte
	_, err = io.ReadFull(file, begin[:])
	return err == nil && string(begin[:]) == "#!"
}

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// sameConfiguration compares files, not paths: the process may have been
// started with another name of the same one.
func (n *Nginx) sameConfiguration(p process) error {
	ours, err := n.ConfPath()
	if err != nil {
		return err
	}
	from := root.Of(p.id.pid)
	line := n.parseTitle(p.title, from)
	theirs := n.below(line.prefix, line.conf)
	there, err := from.Stat(theirs)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("process %d runs with %s: %w", p.id.pid, theirs, err)
	case err != nil || !n.isFile(ours, there):
		return fmt.Errorf("process %d runs with %s, not with %s", p.id.pid, theirs, ours)
	}
	return nil
}

// below is a main configuration file as a -p and a -c mean it; where they are
// empty, as the binary was built (ngx_process_options in src/core/nginx.c).
func (n *Nginx) below(prefix, conf string) string {
	if filepath.IsAbs(conf) {
		return conf
	}
	if conf == "" || prefix == "" {
		built, _ := n.paths()
		conf, prefix = cmp.Or(conf, built.conf), cmp.Or(prefix, built.prefix)
	}
	if filepath.IsAbs(conf) {
		return conf
	}
	return prefix + "/" + conf
}

func (n *Nginx) isFile(path string, there os.FileInfo) bool {
	info, err := n.files.Stat(path)
	return err == nil && os.SameFile(info, there)
}

// sameFile says whether two paths lead to one file, by device and inode.
func sameFile(one, other string) (bool, error) {
	a, err := os.Stat(one)
	if err != nil {
		return false, err
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b), err
}
