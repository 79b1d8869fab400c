package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// get returns the path of a usable program, after making it available where
// it is missing. With private only the private folder counts. The error ends
// with a line that says what to type.
func get(t tool, private bool) (string, error) {
	if !private {
		if path, err := t.installed(); path != "" || err != nil {
			return path, err
		}
	}
	path, err := obtain(t, private)
	if err != nil {
		return "", fmt.Errorf("cannot get %s: %w\ntype: %s", t.name, err, t.installCommand())
	}
	return path, nil
}

// obtain makes the tool available, unless an earlier run, or one that went on
// at the same time, has done so.
func obtain(t tool, private bool) (string, error) {
	folder, err := privateFolder()
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(folder, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if path := t.unpacked(filepath.Join(folder, t.name)); path != "" {
		return path, nil
	}
	if err := haveApt(); err != nil {
		return "", err
	}
	if os.Geteuid() == 0 && !private {
		return install(t)
	}
	return unpack(t, folder)
}

// privateFolder returns the folder that holds what was unpacked without root.
func privateFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "bgswitch")
	return folder, os.MkdirAll(folder, 0o700)
}

// lock waits until no other gettool is getting anything.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock %s: %w", path, err), f.Close())
	}
	return f.Close, nil
}

func haveApt() error {
	for _, program := range []string{"apt-get", "dpkg"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	return nil
}
