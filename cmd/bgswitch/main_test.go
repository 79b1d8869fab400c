package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bgswitch": main, "asnobody": asNobody})
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
