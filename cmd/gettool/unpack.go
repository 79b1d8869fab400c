package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// In the private folder each tool has a folder of its own: root holds the
// unpacked packages, and beside it stands a script of the tool's name where
// the program needs libraries out of root.

// unpacked returns the path of the usable program in the tool's folder, "" if
// there is none.
func (t tool) unpacked(home string) string {
	for _, path := range append([]string{filepath.Join(home, t.name)}, t.programs(home)...) {
		if t.try(path) == nil {
			return path
		}
	}
	return ""
}

// programs returns where the packages may have put the program. What stands in
// usr/lib goes first: chromium's in usr/bin is a script that names /usr/lib.
func (t tool) programs(home string) []string {
	var paths []string
	for _, folder := range []string{"usr/lib/" + t.name, "usr/sbin", "usr/bin", "sbin", "bin"} {
		paths = append(paths, filepath.Join(home, "root", folder, t.name))
	}
	return paths
}

// unpack downloads the tool's packages, and what they need and the system
// lacks, and unpacks them into folder/NAME. Nothing else is changed: apt works
// on lists and archives of its own, for which no root is needed. After an
// error folder/NAME is as it was.
func unpack(t tool, folder string) (string, error) {
	home := filepath.Join(folder, t.name)
	work := filepath.Join(folder, "."+t.name)
	defer os.RemoveAll(work)
	err := errors.Join(os.RemoveAll(work), t.download(work), extract(work))
	if err == nil {
		err = t.settle(work, home)
	}
	if err != nil {
		return "", fmt.Errorf("cannot unpack %s: %w", t.name, err)
	}
	return t.unpacked(home), nil
}

// download lets apt choose and fetch, with its checks of signatures and
// hashes, what an installation would need: by the system's lists, or where they
// do not help, by fresh ones. Reinstall: a package that dpkg has as installed is
// wanted here all the same.
func (t tool) download(work string) error {
	lists, cache := filepath.Join(work, "lists"), filepath.Join(work, "cache")
	for _, folder := range []string{lists, filepath.Join(cache, "archives")} {
		if err := os.MkdirAll(filepath.Join(folder, "partial"), 0o700); err != nil {
			return err
		}
	}
	private := []string{
		"-o", "Dir::Cache=" + cache,
		"-o", "Debug::NoLocking=1",
		"-o", "Acquire::Languages=none",
		"-o", "APT::Sandbox::User=root", // its own user may not enter a private folder
	}
	fetch := func(options []string) error {
		args := append([]string{"install", "--download-only", "--reinstall", "--yes", "--no-install-recommends"}, options...)
		return run("apt-get", append(args, t.packages...)...)
	}
	if fetch(private) == nil {
		return nil
	}
	private = append(private, "-o", "Dir::State::Lists="+lists)
	update(private...)
	return fetch(private)
}

// extract unpacks what was downloaded into work/root.
func extract(work string) error {
	archives, err := filepath.Glob(filepath.Join(work, "cache", "archives", "*.deb"))
	for _, archive := range archives {
		err = errors.Join(err, run("dpkg", "-x", archive, filepath.Join(work, "root")))
	}
	return err
}

// settle makes the unpacked program usable and moves it to its home.
func (t tool) settle(work, home string) error {
	fresh := filepath.Join(work, "home")
	err := errors.Join(os.Mkdir(fresh, 0o700), os.Rename(filepath.Join(work, "root"), filepath.Join(fresh, "root")))
	if err != nil {
		return err
	}
	if err := t.wrap(fresh, home); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(home), os.Rename(fresh, home))
}

// wrap writes the script that starts the program with the unpacked libraries,
// where it does not start without them. The script names home, the folder that
// fresh is going to be.
func (t tool) wrap(fresh, home string) error {
	program, err := t.program(fresh)
	if err != nil {
		return err
	}
	if t.try(program) == nil {
		return nil
	}
	folders, err := libraryFolders(fresh)
	if err != nil {
		return err
	}
	libraries := strings.Join(folders, ":")
	if err := t.try(program, "LD_LIBRARY_PATH="+libraries); err != nil {
		return err
	}
	move := func(path string) string { return quote(strings.ReplaceAll(path, fresh, home)) }
	script := fmt.Sprintf("#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s \"$@\"\n", move(libraries), move(program))
	return os.WriteFile(filepath.Join(fresh, t.name), []byte(script), 0o755)
}

// program returns the path of the program among the unpacked files.
func (t tool) program(home string) (string, error) {
	for _, path := range t.programs(home) {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("packages %s do not hold it", strings.Join(t.packages, ", "))
}

// libraryFolders returns every folder under root that holds shared libraries.
func libraryFolders(home string) ([]string, error) {
	var folders []string
	err := filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		library, _ := filepath.Match("lib*.so*", filepath.Base(path))
		if err == nil && library && !entry.IsDir() && !slices.Contains(folders, filepath.Dir(path)) {
			folders = append(folders, filepath.Dir(path))
		}
		return err
	})
	return folders, err
}

// quote makes one word of s for sh.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
