package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bgswitch/switcher/inside"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	inside.Main()
	testscript.Main(m, map[string]func(){"bgswitch": func() { traceable(); main() }, "asnobody": asNobody, "grab": grab})
}

// nobody is the user without rights that some scripts run as.
var nobody = syscall.Credential{Uid: 65534, Gid: 65534}

// asNobody is a program for the scripts: it runs another one without root's
// rights, in the same process, so that its pid is the other's. Without root
// there is nothing to give up.
func asNobody() {
	if os.Geteuid() == 0 {
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(int(nobody.Gid)), syscall.Setuid(int(nobody.Uid))} {
			if err != nil {
				fmt.Fprintln(os.Stderr, "asnobody:", err)
				os.Exit(125)
			}
		}
	}
	path, err := exec.LookPath(os.Args[1])
	if err == nil {
		err = syscall.Exec(path, os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "asnobody:", err)
	os.Exit(125)
}

// grab is a program for the scripts: it locks, by every kind of lock there is,
// whatever it may open below some folders, says what, and holds it until it is
// killed.
func grab() {
	for _, folder := range os.Args[1:] {
		_ = filepath.WalkDir(folder, func(path string, _ fs.DirEntry, _ error) error {
			for _, flag := range []int{unix.O_RDWR, unix.O_RDONLY} {
				fd, err := unix.Open(path, flag|unix.O_NONBLOCK, 0)
				if err != nil {
					continue
				}
				how := int16(unix.F_WRLCK)
				if flag == unix.O_RDONLY {
					how = unix.F_RDLCK
				}
				_ = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
				for _, kind := range []int{unix.F_SETLK, unix.F_OFD_SETLK} {
					_ = unix.FcntlFlock(uintptr(fd), kind, &unix.Flock_t{Type: how})
				}
				fmt.Println(path)
			}
			return nil
		})
	}
	fmt.Println("that is all")
	for {
		time.Sleep(time.Hour)
	}
}
