package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

// install gets the tool through the system's package manager, as root. The
// service that comes with the package is not started.
func install(t tool) (string, error) {
	update()
	allowServices, err := refuseServices(policyFile)
	if err != nil {
		return "", fmt.Errorf("cannot install %s: %w", t.name, err)
	}
	err = run("apt-get", "install", "--yes", "--no-install-recommends",
		"-o", "DPkg::Lock::Timeout=300", t.packages[0])
	if err = errors.Join(err, allowServices()); err != nil {
		return "", fmt.Errorf("cannot install %s: %w", t.name, err)
	}
	path, err := t.installed()
	if path == "" && err == nil {
		err = fmt.Errorf("cannot install %s: package %s does not hold it", t.name, t.packages[0])
	}
	return path, err
}

// update refreshes apt's lists. A failure is no verdict: one foreign source
// that does not answer is enough for it, and the next step tells whether what
// is needed is there.
func update(options ...string) {
	if err := run("apt-get", append([]string{"update", "--quiet"}, options...)...); err != nil {
		say("%v; going on", err)
	}
}

const (
	// policyFile is asked by invoke-rc.d and deb-systemd-invoke, and so by
	// every package's postinst, before a service is started, stopped or
	// restarted (invoke-rc.d(8)).
	policyFile = "/usr/sbin/policy-rc.d"
	// policy refuses: 101 is "action forbidden by policy".
	policy = "#!/bin/sh\n# Made by bgswitch's gettool for one installation; may be removed.\nexit 101\n"
)

// refuseServices keeps the packages that are being installed from starting
// their services, until allow is called. A system that has a policy of its own
// keeps it. One of ours that was left behind by a kill is taken over.
func refuseServices(file string) (allow func() error, err error) {
	if have, err := os.ReadFile(file); err == nil && string(have) != policy {
		return func() error { return nil }, nil
	}
	// An interrupt reaches apt as well, being in the same process group; this
	// process must outlive it to remove the policy.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := os.WriteFile(file, []byte(policy), 0o755); err != nil {
		return nil, err
	}
	return func() error {
		signal.Stop(signals)
		return os.Remove(file)
	}, nil
}

// run runs a program with nothing on its standard input and everything it says
// on standard error. The sbin folders belong to PATH: dpkg refuses to work
// without ldconfig.
func run(program string, args ...string) error {
	say("%s %s", program, strings.Join(args, " "))
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive",
		"PATH="+os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", program, args[0], err)
	}
	return nil
}
