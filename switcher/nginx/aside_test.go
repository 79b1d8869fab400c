package nginx

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"bgswitch/switcher/nginxtest"
	"bgswitch/switcher/rightstest"

	"golang.org/x/sys/unix"
)

// Anybody may make a user namespace and has every capability in there: none of
// them may reach a test that we run out here.
func TestCapabilitiesOfAUserNamespaceDoNotCount(t *testing.T) {
	t.Parallel()
	rightstest.Needs(t, rightstest.Root)
	const nobody = 65534
	for _, c := range []struct {
		name string
		argv []string
		want []uintptr
	}{
		{"kept", []string{"setpriv", "--reuid", "nobody", "--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"}, []uintptr{unix.CAP_NET_BIND_SERVICE}},
		{"none", []string{"setpriv", "--reuid", "nobody"}, nil},
		{"a user namespace", []string{"setpriv", "--reuid", "nobody", "unshare", "-U", "-r"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pid := started(t, append(c.argv, "sh", "-c", "echo ready && read line")...)
			if user := credentialOf(pid); user == nil || user.Uid != nobody {
				t.Errorf("user %+v, want nobody", user)
			}
			if mask := capabilityMask("self", "CapEff:"); c.want != nil && mask>>c.want[0]&1 == 0 {
				rightstest.Without(t, "CAP_NET_BIND_SERVICE")
			}
			got := capabilitiesOf(pid)
			if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
				t.Errorf("capabilities %v, want %v", got, c.want)
			}
		})
	}
}

// The caller's $PATH does not say what runs as root.
func TestPrlimitByNoPath(t *testing.T) {
	dir := t.TempDir()
	if err := nginxtest.WriteRunnable(dir+"/prlimit", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	limited := (&tester{files: &unix.Rlimit{Cur: 24, Max: 24}}).limited()
	if len(limited) > 0 && limited[0] != "/usr/bin/prlimit" && limited[0] != "/bin/prlimit" {
		t.Errorf("%q would run", limited)
	}
}

// started runs a program that says it is ready and ends with its stdin.
func started(t *testing.T, argv ...string) (pid int) {
	t.Helper()
	program := exec.Command(argv[0], argv[1:]...)
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	hold, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var says strings.Builder
	program.Stderr = &says
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		hold.Close()
		_ = program.Wait()
	})
	if _, err := out.Read(make([]byte, 8)); err != nil {
		rightstest.Without(t, strings.Join(argv[:len(argv)-1], " ")+": "+strings.TrimSpace(says.String()))
	}
	return program.Process.Pid
}
