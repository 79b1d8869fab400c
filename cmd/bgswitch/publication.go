package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bgswitch/switcher/statedir"
	"bgswitch/switcher/trust"
	"bgswitch/switcher/verify"
)

// metricsAt is where the metrics go; empty: nowhere. As root only the settings
// say where: sudo may let somebody type the flag, who would overwrite what he
// likes. Anybody else writes with his own rights.
func (s settings) metricsAt(flag string) (string, error) {
	if flag == "" {
		return s.metricsFile, nil
	}
	path, err := filepath.Abs(flag)
	if err == nil && os.Geteuid() == 0 && path != filepath.Clean(s.metricsFile) {
		err = usage("set `metrics_file: "+path+"` under `verify:` in the settings, and leave the flag out",
			"--metrics-file: as root only the file of the settings is written")
	}
	return path, err
}

// metricsMemory is what the next run has to know: with --quiet it repeats nothing.
type metricsMemory struct {
	Error string `json:"error"` // empty: they were written
}

const (
	metricsMemoryFile = "metrics.json"
	metricsLock       = "metrics.lock"
)

// writeMetrics leaves the file alone where another run is at work: that one
// knows more. A file that cannot be written is no verdict on the sites.
func (s settings) writeMetrics(path string, findings []verify.Finding, t *terminal) {
	overlaps := slices.ContainsFunc(findings, func(f verify.Finding) bool { return f.Overlaps })
	if path == "" || overlaps {
		return
	}
	err := writeWhole(path, verify.Metrics(findings, time.Now()))
	if news := s.isNews(err); err != nil && (news || !t.quiet) {
		printLines(t.stderr, "bgswitch: cannot write the metrics: "+err.Error())
	}
}

// isNews says whether the last run could not say the same, and remembers it.
// What cannot be remembered is news each time.
func (s settings) isNews(failed error) bool {
	var last, now metricsMemory
	if failed != nil {
		now.Error = failed.Error()
	}
	folder := statedir.Folder{Path: s.stateDir}
	if _, err := folder.Load(metricsMemoryFile, &last); err == nil && last == now {
		return false
	}
	if held, err := folder.TryLock(metricsLock); err == nil {
		_ = errors.Join(folder.Store(metricsMemoryFile, now), held.Release())
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
	return opened.Replace(name, "."+name+"."+rand.Text(), func(file *os.File) error {
		_, err := file.Write(text)
		return errors.Join(err, file.Chmod(0o644))
	})
}
