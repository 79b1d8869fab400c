package livefile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

func TestFullDisk(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	big := bytes.Repeat([]byte(green), 8192/len(green)+1)
	tests := map[string]struct {
		room func(t *testing.T, folder string, do func() error) error // fills the disk around do
		want error
	}{
		"no blocks": {func(t *testing.T, folder string, do func() error) error {
			fill(t, folder)
			return do()
		}, unix.ENOSPC},
		"no inodes": {func(t *testing.T, folder string, do func() error) error {
			for i := 0; os.Mkdir(filepath.Join(folder, strings.Repeat("i", i+1)), 0o755) == nil; i++ {
			}
			return do()
		}, unix.ENOSPC},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			folder := small(t, "size=128k,nr_inodes=24")
			old := read(t, write(t, filepath.Join(folder, "active.conf"), blue))
			r := New(old, big, false, "")
			wantErr(t, test.room(t, folder, r.Prepare), test.want)
			wantContent(t, old.Path, blue)
			if left := left(t, old.Path); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("full after Prepare", func(t *testing.T) {
		folder := small(t, "size=128k")
		r := New(read(t, write(t, filepath.Join(folder, "active.conf"), blue)), big, false, "")
		must(t, r.Prepare())
		fill(t, folder)
		must(t, r.Put())
		wantContent(t, r.Old.Path, string(big))
		must(t, r.Restore())
		wantContent(t, r.Old.Path, blue)
		must(t, errors.Join(r.Notes...))
	})
	t.Run("in place", func(t *testing.T) {
		folder := small(t, "size=128k")
		old := read(t, write(t, filepath.Join(folder, "active.conf"), blue))
		fill(t, folder)
		r := New(old, big, true, t.TempDir())
		must(t, r.Prepare())
		wantErr(t, r.Put(), unix.ENOSPC)
		wantContent(t, old.Path, blue)
		wantEmpty(t, filepath.Dir(r.Kept))
		same := New(read(t, old.Path), []byte(green), true, t.TempDir())
		must(t, errors.Join(same.Prepare(), same.Put()))
		wantContent(t, old.Path, green)
		must(t, same.Restore())
		wantContent(t, old.Path, blue)
	})
	t.Run("no room to keep", func(t *testing.T) {
		old, folder := live(t), small(t, "size=64k")
		fill(t, folder)
		r := New(old, []byte(green), true, folder)
		wantErr(t, r.Prepare(), unix.ENOSPC)
		wantContent(t, old.Path, blue)
		if left := left(t, filepath.Join(folder, "x")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func small(t *testing.T, options string) string {
	folder := t.TempDir()
	mountAt(t, "tmpfs", folder, "tmpfs", 0, options)
	return folder
}

func fill(t *testing.T, folder string) {
	t.Helper()
	file, err := os.Create(filepath.Join(folder, "filler"))
	must(t, err)
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	wantErr(t, err, unix.ENOSPC)
}

// A write that stops half way, without any right to mount: a limit on the
// size of files (setrlimit(2), RLIMIT_FSIZE).
func TestWriteThatStopsHalfWay(t *testing.T) {
	t.Parallel()
	if !rightstest.Inside(t, &syscall.SysProcAttr{}) {
		return
	}
	limited := live(t)
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4096, Max: 4096}))
	for name, keepIn := range map[string]string{"exchange": "", "in place": t.TempDir()} {
		r := New(limited, bytes.Repeat([]byte(green), 200), keepIn != "", keepIn)
		wantErr(t, r.Prepare(), unix.EFBIG)
		wantContent(t, limited.Path, blue)
		wantAlone(t, limited.Path)
		if keepIn != "" {
			wantEmpty(t, keepIn)
		}
		t.Log(name)
	}
}

func wantEmpty(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	must(t, err)
	for _, entry := range entries {
		t.Errorf("%s was left in %s", entry.Name(), folder)
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	folder := small(t, "size=64k")
	old := read(t, write(t, filepath.Join(folder, "active.conf"), blue))
	r := prepared(t, old)
	must(t, unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	wantErr(t, r.Put(), unix.EROFS)
	for _, keepIn := range []string{"", t.TempDir()} {
		r := New(old, []byte(green), keepIn != "", keepIn)
		wantErr(t, r.Prepare(), unix.EROFS)
	}
	wantContent(t, old.Path, blue)
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	tests := map[string]func(r *Replacement) string{
		"file":   func(r *Replacement) string { return r.Old.Path },
		"folder": func(r *Replacement) string { return filepath.Dir(r.Old.Path) },
	}
	for name, what := range tests {
		for _, keepIn := range []string{"", t.TempDir()} {
			if name == "folder" && keepIn != "" {
				continue // it does not stand in the way
			}
			t.Run(name+" "+keepIn, func(t *testing.T) {
				r := New(live(t), []byte(green), keepIn != "", keepIn)
				immutable(t, what(r), unix.STATX_ATTR_IMMUTABLE)
				r.Old = read(t, r.Old.Path) // the flag changes the change time
				err := r.Prepare()
				if err == nil {
					err = r.Put()
				}
				wantErr(t, err, os.ErrPermission)
				wantContent(t, r.Old.Path, blue)
				wantAlone(t, r.Old.Path)
			})
		}
	}
}

// immutable sets FS_IMMUTABLE_FL or FS_APPEND_FL, the same bits as
// STATX_ATTR_IMMUTABLE and STATX_ATTR_APPEND, until the test ends.
func immutable(t *testing.T, path string, bit int) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	flags, err := unix.IoctlGetInt(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags|bit)
	}
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) {
		rightstest.Without(t, "file flags (chattr +i): "+err.Error())
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags)) })
}

func TestUserWithoutRights(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideNobody(t) {
		return
	}
	t.Run("folder", func(t *testing.T) {
		old := live(t)
		closed(t, filepath.Dir(old.Path))
		r := New(old, []byte(green), false, "")
		wantErr(t, r.Prepare(), os.ErrPermission)
		wantContent(t, old.Path, blue)
		wantAlone(t, old.Path)
	})
	t.Run("folder closed after Prepare", func(t *testing.T) {
		r := prepared(t, live(t))
		closed(t, filepath.Dir(r.Old.Path))
		wantErr(t, r.Put(), os.ErrPermission)
		wantContent(t, r.Old.Path, blue)
	})
	t.Run("folder closed after Put", func(t *testing.T) {
		r := prepared(t, live(t))
		must(t, r.Put())
		must(t, os.Chmod(filepath.Dir(r.Old.Path), 0o555))
		wantErr(t, r.Restore(), os.ErrPermission)
		must(t, os.Chmod(filepath.Dir(r.Old.Path), 0o755))
		must(t, r.Restore())
		wantContent(t, r.Old.Path, blue)
		wantAlone(t, r.Old.Path)
	})
	t.Run("file", func(t *testing.T) {
		old := live(t)
		must(t, os.Chmod(old.Path, 0o000))
		_, err := Read(old.Path)
		wantErr(t, err, os.ErrPermission)
	})
	t.Run("in place", func(t *testing.T) {
		old, keepIn := live(t), t.TempDir()
		must(t, os.Chmod(old.Path, 0o444))
		r := New(read(t, old.Path), []byte(green), keepIn != "", keepIn)
		wantErr(t, r.Prepare(), os.ErrPermission)
		wantEmpty(t, keepIn)
	})
}

func closed(t *testing.T, folder string) {
	t.Helper()
	must(t, os.Chmod(folder, 0o555))
	t.Cleanup(func() { must(t, os.Chmod(folder, 0o755)) })
}

// Another's file can be read and its folder written, but the new file could
// not get its owner.
func TestOwnerThatCannotBeKept(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	r := New(live(t), []byte(green), false, "")
	must(t, errors.Join(os.Chmod(filepath.Dir(filepath.Dir(r.Old.Path)), 0o755), os.Chmod(filepath.Dir(r.Old.Path), 0o777)))
	err := as(65534, r.Prepare)
	wantErr(t, err, os.ErrPermission)
	if !strings.Contains(err.Error(), "keep the owner") {
		t.Errorf("the error does not say what cannot be kept: %v", err)
	}
	wantContent(t, r.Old.Path, blue)
	wantAlone(t, r.Old.Path)
}

// as does something on a thread of its own, which has another user for its
// files (setfsuid(2)), and ends with it.
func as(uid int, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		_ = unix.Setfsuid(uid)
		done <- do()
	}()
	return <-done
}

func TestMountedByItself(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	folder := t.TempDir()
	source := write(t, filepath.Join(folder, "host"), blue)
	path := write(t, filepath.Join(folder, "active #1\\\t.conf"), "covered")
	unmounted := read(t, path)
	if is, err := unmounted.MountPoint(); err != nil || is {
		t.Fatalf("mount point before it is mounted: %v, %v", is, err)
	}
	early := prepared(t, unmounted)
	mountAt(t, source, path, "", unix.MS_BIND, "")
	wantErr(t, early.exchange(), ErrMountPoint)
	must(t, early.Forget())

	old := read(t, path)
	if is, err := old.MountPoint(); err != nil || !is {
		t.Fatalf("mount point: %v, %v", is, err)
	}
	r := New(old, []byte(green), false, "")
	wantErr(t, r.Prepare(), ErrMountPoint)
	wantContent(t, path, blue)

	r = New(old, []byte(green), true, t.TempDir())
	must(t, r.Prepare())
	must(t, r.Put())
	wantContent(t, source, green)
	must(t, r.Restore())
	wantContent(t, source, blue)
	wantEmpty(t, filepath.Dir(r.Kept))
	if left := left(t, path); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A thread may have mounts of its own, the first one of the process too.
func TestMountedForOneThread(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	old := live(t)
	type answer struct {
		mounted bool
		err     error
	}
	answers := make(chan answer)
	stay := make(chan struct{})
	defer close(stay)
	go func() {
		runtime.LockOSThread()
		err := errors.Join(unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS), unix.Mount(old.Path, old.Path, "", unix.MS_BIND, ""))
		mounted, asked := old.MountPoint()
		answers <- answer{mounted, errors.Join(err, asked)}
		<-stay
	}()
	if there := <-answers; there.err != nil || !there.mounted {
		t.Errorf("on the thread that mounted it: %v, %v", there.mounted, there.err)
	}
	if mounted, err := old.MountPoint(); err != nil || mounted {
		t.Errorf("on another thread: %v, %v", mounted, err)
	}
	must(t, prepared(t, old).Put())
}

// What a container does that is given a single file: another process has this
// file mounted in its own namespace, below a root of its own.
func TestSeenByAnotherProcess(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	folder := t.TempDir()
	host := read(t, write(t, filepath.Join(folder, "active #1\\\t\n.conf"), blue))
	root := filepath.Join(folder, "root")
	there := "/etc/conf.d/li ve#\\\t\n.conf"
	at := filepath.Join(root, there)
	must(t, os.MkdirAll(filepath.Dir(at), 0o755))
	write(t, at, "covered")
	must(t, os.Symlink(there, filepath.Join(root, "link.conf")))
	other := startInNamespace(t, host.Path, at, root)

	where, mounted, err := host.SeenBy(other)
	must(t, err)
	if !mounted || where != there {
		t.Fatalf("mounted at %q: %v", where, mounted)
	}
	if is, err := host.MountPoint(); err != nil || is {
		t.Errorf("mount point here: %v, %v", is, err)
	}
	r := New(host, []byte(green), true, t.TempDir())
	must(t, errors.Join(r.Prepare(), r.Put()))
	for _, path := range []string{where, "/link.conf"} {
		seen, err := ReadFor(other, path)
		must(t, err)
		if string(seen.Bytes) != green {
			t.Errorf("the other sees %q at %s", seen.Bytes, path)
		}
	}
	// A rename here is what the other never sees.
	renamed := prepared(t, read(t, host.Path))
	renamed.Bytes = []byte(blue)
	must(t, renamed.Put())
	if at, _, err := read(t, host.Path).SeenBy(other); err != nil || at != "" {
		t.Errorf("the other sees the new file at %q, %v", at, err)
	}
}

// What a container does that is given the folder: renames are seen.
func TestSeenByItsFolder(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, "conf.d"), 0o755))
	path := filepath.Join(folder, "conf.d", "sub", "active.conf")
	must(t, os.Mkdir(filepath.Dir(path), 0o755))
	host := read(t, write(t, path, blue))
	top := filepath.Join(folder, "root")
	must(t, os.MkdirAll(filepath.Join(top, "etc", "d"), 0o755))
	other := startInNamespace(t, filepath.Join(folder, "conf.d"), filepath.Join(top, "etc", "d"), top)
	seen := func(file *File) {
		t.Helper()
		if at, alone, err := file.SeenBy(other); at != "/etc/d/sub/active.conf" || alone || err != nil {
			t.Errorf("seen at %q, alone %v, %v", at, alone, err)
		}
	}
	seen(host)
	renamed := prepared(t, host)
	must(t, renamed.Put())
	seen(read(t, path))
	if at, _, err := read(t, write(t, filepath.Join(folder, "beside.conf"), blue)).SeenBy(other); at != "" || err != nil {
		t.Errorf("a file beside the folder is seen at %q, %v", at, err)
	}
	if at, alone, err := host.SeenBy(os.Getpid()); alone || at != path && err == nil && at != "" {
		t.Errorf("we see it at %q, alone %v, %v", at, alone, err)
	}
}

// On overlayfs a file that is changed first becomes another one.
func TestOverlay(t *testing.T) {
	t.Parallel()
	if !rightstest.InsideMounts(t) {
		return
	}
	for name, xino := range map[string]string{"own numbers": ",xino=off", "as it comes": ""} {
		t.Run(name, func(t *testing.T) {
			lower, upper, merged := t.TempDir(), small(t, ""), t.TempDir()
			must(t, errors.Join(os.Mkdir(upper+"/up", 0o755), os.Mkdir(upper+"/work", 0o755)))
			for _, file := range []string{"exchanged", "written"} {
				write(t, filepath.Join(lower, file), blue)
			}
			options := "lowerdir=" + lower + ",upperdir=" + upper + "/up,workdir=" + upper + "/work"
			if os.Getuid() != 0 || !initialUserNamespace(t) {
				options += ",userxattr"
			}
			mountAt(t, "overlay", merged, "overlay", 0, options+xino)
			r := prepared(t, read(t, filepath.Join(merged, "exchanged")))
			must(t, r.Put())
			wantContent(t, r.Old.Path, green)
			must(t, r.Restore())
			wantContent(t, r.Old.Path, blue)
			inPlace := New(read(t, filepath.Join(merged, "written")), []byte(green), true, t.TempDir())
			must(t, errors.Join(inPlace.Prepare(), inPlace.Put()))
			wantContent(t, inPlace.Old.Path, green)
			must(t, inPlace.Restore())
			wantContent(t, inPlace.Old.Path, blue)
		})
	}
}

func initialUserNamespace(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/uid_map")
	must(t, err)
	return strings.Contains(string(text), "4294967295")
}
