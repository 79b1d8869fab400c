package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"
	"bgswitch/switcher/statedir"
	"bgswitch/switcher/verify"

	"golang.org/x/sys/unix"
)

// disk is what a power cut would take of what a program does below a folder:
// bytes until their file is synced (fsync(2)), names until their folder is.
type disk struct {
	top   string
	live  string
	loses map[string]string // path to what it is; a folder ends with a slash
	moved int               // renames so far
	pair  []string          // the folders of two live files: of neither may be lost what the next run must know
	wrong []string
}

// watch looks at a call before it is made: where one must not come before
// another is on the disk, it says so.
func (d *disk) watch(pid int, call int32, args [6]uint64) {
	switch call {
	case unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FCHMOD, unix.SYS_FCHOWN, unix.SYS_FSETXATTR:
		path := opened(pid, args[0])
		if path == d.live {
			d.settled("it is written over", "conf.d/")
		}
		d.lose(path, "what was written")
	case unix.SYS_FSYNC:
		delete(d.loses, opened(pid, args[0]))
		delete(d.loses, opened(pid, args[0])+"/")
	case unix.SYS_OPENAT:
		if path := pathMeant(pid, args[0], args[1]); args[2]&unix.O_CREAT != 0 && !there(path) {
			d.loseName(path)
		}
	case unix.SYS_MKDIRAT:
		d.loseName(pathMeant(pid, args[0], args[1]))
	case unix.SYS_UNLINKAT:
		path := pathMeant(pid, args[0], args[1])
		delete(d.loses, path)
		if folder := filepath.Dir(path) + "/"; d.loses[folder] == "the name "+filepath.Base(path) { // nobody misses it
			delete(d.loses, folder)
		}
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		d.rename(pathMeant(pid, args[0], args[1]), pathMeant(pid, args[2], args[3]))
	case unix.SYS_PIDFD_SEND_SIGNAL:
		if unix.Signal(args[1]) == unix.SIGHUP {
			for _, folder := range append(d.pair, "conf.d/") {
				d.settled("nginx is told to load", folder)
			}
		}
	}
}

func (d *disk) lose(path, what string) {
	if strings.HasPrefix(path, d.top+"/") {
		d.loses[path] = what
	}
}

func (d *disk) loseName(path string) { d.lose(filepath.Dir(path)+"/", "the name "+filepath.Base(path)) }

// rename moves a file whose bytes have to be on the disk by then.
func (d *disk) rename(from, to string) {
	if !strings.HasPrefix(to, d.top+"/") {
		return
	}
	if !strings.HasSuffix(to, ".status.json") { // as often as something is kept
		d.moved++
	}
	for _, folder := range d.pair {
		if strings.HasPrefix(to, filepath.Join(d.top, folder)) {
			d.settled("one of two files is replaced", d.pair[0])
			d.settled("one of two files is replaced", d.pair[1])
		}
	}
	d.settled("it is renamed", strings.TrimPrefix(from, d.top+"/"))
	d.loseName(to)
}

// settled wants everything on the disk whose path begins so.
func (d *disk) settled(before, below string) {
	for _, path := range slices.Sorted(maps.Keys(d.loses)) {
		if short := strings.TrimPrefix(path, d.top+"/"); strings.HasPrefix(short, below) {
			d.wrong = append(d.wrong, fmt.Sprintf("before %s: %s of %s is not on the disk", before, d.loses[path], short))
		}
	}
}

func opened(pid int, fd uint64) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	return path
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// pathMeant is the path that the C string at an address of a process means below an
// open folder of it.
func pathMeant(pid int, folder, at uint64) string {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return ""
	}
	defer memory.Close()
	var all [unix.PathMax]byte
	n, _ := memory.ReadAt(all[:], int64(at))
	path, _, _ := bytes.Cut(all[:n], []byte{0})
	if filepath.IsAbs(string(path)) {
		return string(path)
	}
	return filepath.Join(opened(pid, folder), string(path))
}

// lasts runs bgswitch and wants all that it has done on the disk when it ends,
// and in the right order; moves is how many files it has to rename: one keeps what
// was proved, one notes that a back begins.
func (v *victim) lasts(code, moves int, args ...string) {
	v.t.Helper()
	d := &disk{top: v.Dir, live: v.Live, loses: map[string]string{}}
	if v.second != "" {
		d.pair = []string{"conf.d/", "second/"}
	}
	r := v.traced(&tracer{each: d.watch}, args...)
	d.settled("it ends", "")
	what := strings.Join(args, " ")
	if r.code != code || d.moved != moves {
		v.t.Errorf("%s: exits %d, not %d, with %d renames, not %d: %s", what, r.code, code, d.moved, moves, r.out)
	}
	for _, wrong := range d.wrong {
		v.t.Errorf("%s: %s", what, wrong)
	}
}

// What is told to be done is on the disk, and a file gets its name when it is.
func TestWhatIsDoneLasts(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.lasts(exitDone, 2, "to", "green")
	v.lasts(exitDone, 3, "back")
	found := verify.OK
	if !rightstest.Mounts.Had() {
		found = verify.Unknown
	}
	v.lasts(int(found), 1, "verify")
	v.fillHistory()
	v.lasts(exitDone, 3, "to", "green")
	if err := os.WriteFile(v.Settings, []byte(strings.Replace(v.SettingsText(""), "nginx:\n", "nginx:\n  reload: [\"false\"]\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	v.lasts(exitRolledBack, 2, "to", "blue")
}

// The same of two files; before the first of them is replaced, what the next run
// must know of both is on the disk, and so it is on the way back.
func TestWhatIsDoneToTwoFilesLasts(t *testing.T) {
	t.Parallel()
	v := pairVictim(t)
	v.lasts(exitDone, 3, "to", "green")
	v.lasts(exitDone, 4, "back")
	v.write(v.Settings, strings.Replace(v.read(v.Settings), "nginx:\n", "nginx:\n  reload: [\"false\"]\n", 1))
	v.lasts(exitRolledBack, 4, "to", "green")
}

// The same of a file that is written in place.
func TestWhatIsDoneInPlaceLasts(t *testing.T) {
	t.Parallel()
	if !nginxtest.MayMount() {
		t.Log("without the right to mount there is no file mounted by itself")
		return
	}
	v := mountedVictim(t, `mount --bind "$0" "$0"`)
	v.lasts(exitDone, 1, "to", "green")
	v.lasts(exitDone, 1, "to", "blue")
}

// fillHistory makes it so long that the next record has it looked at, which is
// done once for each 256 KiB, and cut.
func (v *victim) fillHistory() {
	v.t.Helper()
	path := filepath.Join(statedir.Of(v.StateDir, "myapp").Path, "history.jsonl")
	newest, _, _ := strings.Cut(v.read(path), "\n")
	text := strings.Repeat(newest+"\n", 13_000)
	const every = 256 << 10
	text = strings.Repeat("\n", every-1-len(text)%every) + text
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
}
