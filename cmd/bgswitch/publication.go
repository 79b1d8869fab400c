package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"
	"bgswitch/switcher/verify"
)

// publication is a file that verify writes for others to read, anew with each run.
type publication struct {
	name    string // of what is remembered about it
	what    string
	flag    string
	setting string // under `verify:`
	path    string // empty: it is not written
}

func (s settings) metrics() publication {
	return publication{"metrics", "the metrics", "metrics-file", "metrics_file", s.metricsFile}
}

// at is the publication where the flag says. As root only the settings say where: sudo
// may let somebody type the flag, who would overwrite what he likes. Anybody else
// writes with his own rights.
func (p publication) at(flag string) (publication, error) {
	if flag == "" {
		return p, nil
	}
	path, err := filepath.Abs(flag)
	if err == nil && os.Geteuid() == 0 && path != filepath.Clean(p.path) {
		err = usage(fmt.Sprintf("set `%s: %s` under `verify:` in the settings, and leave the flag out", p.setting, path),
			"--%s: as root, bgswitch writes only the file that the settings name", p.flag)
	}
	p.path = path
	return p, err
}

// write leaves the file alone where another run is at work: that one knows more.
// A file that cannot be written is no verdict on the sites.
func (s settings) write(p publication, findings []verify.Finding, text func() ([]byte, error), t *terminal) {
	overlaps := slices.ContainsFunc(findings, func(f verify.Finding) bool { return f.Overlaps })
	if p.path == "" || overlaps {
		return
	}
	whole, err := text()
	if err == nil {
		err = writeWhole(p.path, whole)
	}
	if news := s.isNews(p, err); err != nil && (news || !t.quiet) {
		printLines(t.stderr, fmt.Sprintf("bgswitch: cannot write %s: %v", p.what, err))
	}
}

// publicationMemory is what the next run has to know: with --quiet it repeats nothing.
type publicationMemory struct {
	Error string `json:"error"` // empty: it was written
}

// isNews says whether the last run could not say the same, and remembers it.
// What cannot be remembered is news each time.
func (s settings) isNews(p publication, failed error) bool {
	var last, now publicationMemory
	if failed != nil {
		now.Error = failed.Error()
	}
	folder, memory := statedir.Folder{Path: s.stateDir}, p.name+".json"
	if _, err := folder.Load(memory, &last); err == nil && last == now {
		return false
	}
	if held, err := folder.TryLock(p.name + ".lock"); err == nil {
		_ = errors.Join(folder.Store(memory, now), held.Release())
	}
	return true
}

// writeWhole renames the file into place: the node exporter reads whenever it
// wants, and only what ends in .prom. The folder may be another one's, as Debian's
// /var/lib/prometheus is: he gets nothing that he could not write himself. Only no
// link of his is followed.
func writeWhole(path string, text []byte) error {
	err := replaceWhole(filepath.Dir(path), filepath.Base(path), text)
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return &fs.PathError{Op: "write", Path: path, Err: at.Err} // the same words each time
	}
	return err
}

func replaceWhole(folder, name string, text []byte) error {
	opened, err := trust.OpenFolder(folder)
	if err != nil {
		return err
	}
	defer opened.Close()
	if err := opened.SafeLinks(); err != nil {
		return err
	}
	return putIn(opened, name, text, 0o644, nil)
}

// putIn writes a file of a folder whole. check, where there is one, says whether it may have its
// name; it is called with the path that it has until then.
func putIn(folder trust.Folder, name string, text []byte, mode fs.FileMode, check func(path string) error) error {
	return folder.Replace(name, "."+name+"."+rand.Text(), func(file *os.File) error {
		_, err := file.Write(text)
		if err = errors.Join(err, file.Chmod(mode)); err == nil && check != nil {
			err = check(file.Name())
		}
		return err
	})
}
