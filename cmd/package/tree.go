package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// layOut writes the files of a package below a folder, as they are going to
// stand below /. Every one has the date of the source. The program here, made of
// the same source, is one that runs here.
func (s source) layOut(tree, program, here, format string) error {
	files, err := s.texts(format)
	if err != nil {
		return err
	}
	if err := addManuals(files, here); err != nil {
		return err
	}
	if files["usr/bin/bgswitch"], err = os.ReadFile(program); err != nil {
		return err
	}
	if files["usr/share/doc/bgswitch/copyright"], err = copyright(program); err != nil {
		return err
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(tree, name), text, modeOf(name)); err != nil {
			return err
		}
	}
	return s.settle(tree)
}

// settle gives everything the date, and folders the mode that no umask changes.
func (s source) settle(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		if err != nil {
			return err
		}
		return os.Chtimes(path, s.date, s.date)
	})
}

func modeOf(name string) fs.FileMode {
	if strings.HasPrefix(name, "usr/bin/") {
		return 0o755
	}
	return 0o644
}

// writeFile writes a file and the folders above it; no umask changes its mode.
func writeFile(path string, text []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, text, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// byPackage is where a package puts what is installed by hand into /usr/local
// and /etc.
var byPackage = strings.NewReplacer("/usr/local/bin/bgswitch", "/usr/bin/bgswitch", "# /etc/systemd/system/", "# /usr/lib/systemd/system/")

// texts are the files beside the program.
func (s source) texts(format string) (map[string][]byte, error) {
	files := map[string][]byte{"usr/share/doc/bgswitch/changelog.gz": compressed([]byte(s.changelog()))}
	from := map[string]string{
		"etc/bgswitch/bgswitch.yaml.example":                "examples/bgswitch.yaml",
		"usr/share/bash-completion/completions/bgswitch":    "cmd/bgswitch/completion/bash",
		zshFolder(format) + "/_bgswitch":                    "cmd/bgswitch/completion/zsh",
		"usr/share/fish/vendor_completions.d/bgswitch.fish": "cmd/bgswitch/completion/fish",
		"usr/share/doc/bgswitch/README.md":                  "README.md",
		"scripts/postinstall":                               "cmd/package/scripts/postinstall",
		"scripts/preremove":                                 "cmd/package/scripts/preremove",
		"scripts/postremove":                                "cmd/package/scripts/postremove",
		"usr/share/doc/bgswitch/CHANGELOG.md":               "cmd/CHANGELOG.md",
	}
	if format == "deb" {
		from["usr/share/lintian/overrides/bgswitch"] = "cmd/package/lintian"
	}
	if format != "apk" { // there is no systemd there
		from["usr/lib/systemd/system/bgswitch-verify.service"] = "examples/systemd/bgswitch-verify.service"
		from["usr/lib/systemd/system/bgswitch-verify.timer"] = "examples/systemd/bgswitch-verify.timer"
	}
	if err := addExamples(from); err != nil {
		return nil, err
	}
	for name, path := range from {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files[name] = []byte(byPackage.Replace(string(text)))
	}
	return files, nil
}

func zshFolder(format string) string {
	if format == "deb" {
		return "usr/share/zsh/vendor-completions"
	}
	return "usr/share/zsh/site-functions"
}

// addExamples adds the files that people copy from, without the programs.
func addExamples(from map[string]string) error {
	return filepath.WalkDir("examples", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && filepath.Ext(path) != ".go" {
			from["usr/share/doc/bgswitch/"+path] = path
		}
		return err
	})
}

// addManuals adds the man pages that the program prints.
func addManuals(files map[string][]byte, here string) error {
	for page, section := range map[string]string{"bgswitch": "1", "bgswitch.yaml": "5"} {
		text, err := run(nil, here, "man", page)
		if err != nil {
			return err
		}
		files["usr/share/man/man"+section+"/"+page+"."+section+".gz"] = compressed(text)
	}
	return nil
}

// changelog is as deb-changelog(5) has it.
func (s source) changelog() string {
	return fmt.Sprintf("bgswitch (%s) unstable; urgency=medium\n\n  * What has changed is in CHANGELOG.md.\n\n -- %s  %s\n",
		strings.Replace(s.version, "-", "~", 1), s.maintainer, s.date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}

// compressed is without a name and a date.
func compressed(text []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text) // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
